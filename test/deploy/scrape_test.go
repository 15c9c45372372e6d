package deploy

import (
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var sample = regexp.MustCompile(`^(slotq_[a-z_]+)(?:\{(.*)\})? \S+$`)

// scrape adds the metrics of a process to seen, and checks each against the golden list.
func scrape(t *testing.T, address string, seen map[string]bool) {
	t.Helper()
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Error(err)
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
		return
	}
	golden := goldenMetrics(t)
	for line := range strings.Lines(string(body)) {
		match := sample.FindStringSubmatch(strings.TrimSpace(line))
		if match == nil {
			continue
		}
		name := match[1]
		labels, ok := golden[name]
		if !ok {
			name = quantified.ReplaceAllString(name, "")
			labels, ok = golden[name]
		}
		if !ok {
			t.Errorf("%s exports %s, which the contract does not have", address, match[1])
			continue
		}
		var got []string
		for _, m := range matcher.FindAllStringSubmatch(match[2], -1) {
			if m[1] != "le" {
				got = append(got, m[1])
			}
		}
		slices.Sort(got)
		want := slices.Sorted(slices.Values(labels))
		if !slices.Equal(got, want) {
			t.Errorf("%s exports %s with the labels %v, want %v", address, name, got, want)
		}
		seen[name] = true
	}
}
