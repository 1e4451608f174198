//go:build tools

// Package tools names a package of each module whose test data is used, so that `go mod tidy` keeps them.
package tools

import _ "cel.dev/expr"
