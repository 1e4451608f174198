// Command promql-names tells what expressions of PromQL refer to, as Prometheus' own parser reads them: the series that
// they select, and the labels by which they group and match.
//
// It reads one expression a line, and writes one object of JSON a line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

type matcher struct {
	Label string `json:"label"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

type names struct {
	Selectors [][]matcher `json:"selectors"`
	Labels    []string    `json:"labels"`
}

func main() {
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		found, err := read(lines.Text())
		if err == nil {
			err = out.Encode(found)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", lines.Text(), err)
			os.Exit(1)
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(text string) (names, error) {
	found := names{Selectors: [][]matcher{}, Labels: []string{}}
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		return found, err
	}
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.VectorSelector:
			found.Selectors = append(found.Selectors, matchers(node.LabelMatchers))
		case *parser.AggregateExpr:
			found.Labels = append(found.Labels, node.Grouping...)
		case *parser.BinaryExpr:
			if matching := node.VectorMatching; matching != nil {
				found.Labels = append(found.Labels, slices.Concat(matching.MatchingLabels, matching.Include)...)
			}
		}
		return nil
	})
	return found, nil
}

func matchers(of []*labels.Matcher) []matcher {
	found := []matcher{}
	for _, one := range of {
		found = append(found, matcher{one.Name, one.Type.String(), one.Value})
	}
	return found
}
