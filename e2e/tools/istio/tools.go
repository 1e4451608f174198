//go:build tools

// Package tools names the programs that this module pins, so that `go mod tidy` keeps their dependencies.
package tools

import (
	_ "istio.io/istio/istioctl/cmd/istioctl"
	_ "istio.io/istio/pilot/cmd/pilot-agent"
	_ "istio.io/istio/pilot/cmd/pilot-discovery"
)
