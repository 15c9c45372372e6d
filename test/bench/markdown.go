package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// caveats stand with the figures.
var caveats = []string{
	"Everything ran on one machine, database, api, workers and load generator together: they share its processors. Figures of other machines and other runs do not compare; the ratios within this run do.",
	"Each figure is the median of its pairs, with the smallest and the largest beside it. A pair measures each contestant once, in turn, each on an empty database of the same server; a ratio is the median of the pairs' ratios.",
	"Durability is full: innodb_flush_log_at_trx_commit=1, synchronous_commit=on, SQLite synchronous=FULL, Redis appendfsync=always with everysec beside it. The servers' other settings are their defaults, but for 128 MB of shared buffers on PostgreSQL.",
	"slotq keeps every finished job in its history, River keeps finished jobs in its table; asynq, goqite and Graphile Worker delete them, as they do by default.",
	"The peers store jobs from within the process that has them; slotq is asked over HTTP. The payload is 100 bytes in all of them.",
	"The floor sends the protocol's own statements without a service around them: it decodes nothing, checks nothing and repeats nothing. Like a worker it gathers outcomes for 3 ms; the same statements in turn, a claim and then its end, are faster where all jobs end at once, and stand beside it.",
	"PostgreSQL was given ANALYZE once a queue was filled, for every queue on it, which autovacuum does within a minute.",
	"The latency of a job begins when its client has the answer, and ends in its handler: a job that starts before its answer has arrived counts as 0.",
}

// write writes the report as Markdown and its charts beside it, if anybody wants it.
func (b *bench) write(ctx context.Context) error {
	if b.to == "" {
		return nil
	}
	charts, err := b.report.charts(filepath.Join(filepath.Dir(b.to), "docs", "benchmarks"))
	if err != nil {
		return err
	}
	var s strings.Builder
	fmt.Fprintf(&s, "# Benchmarks\n\nMade on %s by the command below; not edited by hand. %d pairs, %s jobs a drain.\n\n    go run ./test/bench %s\n",
		time.Now().UTC().Format(time.DateOnly), b.pairs, thousands(int64(b.jobs)), strings.Join(os.Args[1:], " "))
	b.report.markdownBars(&s)
	s.WriteString("\n## Read this first\n\n")
	for _, c := range caveats {
		fmt.Fprintf(&s, "- %s\n", c)
	}
	s.WriteString("\n## Machine and versions\n\n")
	for _, m := range append(append(machine(), b.report.versions...), b.librariesOf(ctx)...) {
		fmt.Fprintf(&s, "- %s\n", m)
	}
	b.report.markdown(&s, charts)
	return os.WriteFile(b.to, []byte(s.String()), 0o644)
}

// markdown writes a table for each part, with the figures of all databases together.
func (r *report) markdown(s *strings.Builder, charts map[string]string) {
	var order []string
	byPart := map[string][]*figure{}
	for _, f := range r.figures {
		if byPart[f.part] == nil {
			order = append(order, f.part)
		}
		byPart[f.part] = append(byPart[f.part], f)
	}
	for _, part := range order {
		fmt.Fprintf(s, "\n## %s\n\n", part)
		if path := charts[part]; path != "" {
			fmt.Fprintf(s, "![%s](docs/benchmarks/%s)\n\n", part, filepath.Base(path))
		}
		s.WriteString("| | | settings | median (min to max) | ratio | |\n|---|---|---|---|---|---|\n")
		for _, f := range byPart[part] {
			fmt.Fprintf(s, "| %s | %s | %s | %s | %s | %s |\n", f.database, cell(f.name), cell(f.settings), f.value(), cell(f.ratio()), cell(f.note))
		}
	}
}

func (r *report) markdownBars(s *strings.Builder) {
	all := r.judge()
	if len(all) == 0 {
		return
	}
	s.WriteString("\n## Bars\n\n| | measured | bar | |\n|---|---|---|---|\n")
	for _, j := range all {
		fmt.Fprintf(s, "| %s | %s | %s | %s |\n", cell(j.what), number(j.ratio), j.wanted(), j.verdict())
	}
}

// cell keeps a text from ending its cell or its line.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ").Replace(s)
}
