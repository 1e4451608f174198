//go:build tools

// Package tools names the program of others that this module pins, so that `go mod tidy` keeps its dependencies.
package tools

import _ "github.com/prometheus/prometheus/cmd/promtool"
