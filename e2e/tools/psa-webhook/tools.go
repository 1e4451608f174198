//go:build tools

// Package tools names the program that this module pins, so that `go mod tidy` keeps its dependencies.
package tools

import _ "k8s.io/pod-security-admission/cmd/webhook"
