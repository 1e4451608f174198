// Command grafana-dashboard says whether files are dashboards of Grafana's, by the types that Grafana publishes: no
// field is unknown, of a type of its own, or missing.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	failed := false
	for _, file := range os.Args[1:] {
		if err := check(file); err != nil {
			failed = true
			fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
		}
	}
	if failed {
		os.Exit(1)
	}
}

func check(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var found dashboard.Dashboard
	// What it returns is never nil: no errors are an empty list of them.
	var wrong cog.BuildErrors
	if err := found.UnmarshalJSONStrict(text); !errors.As(err, &wrong) || len(wrong) > 0 {
		return err
	}
	return found.Validate()
}
