package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// caveats stand with the figures.
var caveats = []string{
	"Everything ran on one machine, database, api, workers and load generator together: they share its processors. Figures of other machines and other runs do not compare; the ratios within a table and a database, measured side by side, do. A bar between two databases compares medians.",
	"Each figure is the median of its pairs, with the smallest and the largest beside it. A pair measures each contestant once, in turn, each on an empty database of the same server, but for those of growth that are filled once for all pairs and filled up again after each; a ratio is the median of the pairs' ratios.",
	"Durability is full: innodb_flush_log_at_trx_commit=1, synchronous_commit=on, SQLite synchronous=FULL, Redis appendfsync=always with everysec beside it. The servers' other settings are their defaults, but for 128 MB of shared buffers on PostgreSQL.",
	"slotq keeps every finished job in its history, River keeps finished jobs in its table; asynq, goqite and Graphile Worker delete them, as they do by default.",
	"The peers store jobs from within the process that has them; slotq is asked over HTTP. The payload is 100 bytes in all of them.",
	"The floor sends the protocol's own statements without a service around them: it decodes nothing, checks nothing and repeats nothing. Like a worker it gathers outcomes for 3 ms; the same statements in turn, a claim and then its end, are faster where all jobs end at once, and stand beside it.",
	"PostgreSQL was given ANALYZE once a queue was filled, for every queue on it, which autovacuum does within a minute.",
	"The latency of a job begins when its client has the answer, and ends in its handler: a job that starts before its answer has arrived counts as 0.",
}

// figures is the file that keeps what was measured.
func (b *bench) figures() string {
	return filepath.Join(filepath.Dir(b.to), "docs", "benchmarks", "figures.json")
}

// write writes the report as Markdown, its figures and its charts, if anybody wants it.
func (b *bench) write() error {
	if b.to == "" {
		return nil
	}
	charts, err := b.report.charts(filepath.Dir(b.figures()))
	if err != nil {
		return err
	}
	if err := b.report.save(b.figures()); err != nil {
		return err
	}
	var s strings.Builder
	s.WriteString("# Benchmarks\n\nMade by `make bench`, and chapters anew by the commands below; not edited by hand.\n")
	b.report.markdownBars(&s)
	s.WriteString("\n## Read this first\n\n")
	for _, c := range caveats {
		fmt.Fprintf(&s, "- %s\n", c)
	}
	s.WriteString("\n## Machine and versions\n\n")
	for _, m := range b.report.tookPart() {
		fmt.Fprintf(&s, "- %s\n", m)
	}
	b.report.markdownRuns(&s)
	b.report.markdown(&s, charts)
	return os.WriteFile(b.to, []byte(s.String()), 0o644)
}

// tookPart is the machine, or the machines, and all versions.
func (r *report) tookPart() (all []string) {
	for _, one := range r.runs {
		for _, m := range slices.Concat(one.Machine, one.Versions) {
			if !slices.Contains(all, m) {
				all = append(all, m)
			}
		}
	}
	return all
}

// markdownRuns tells which command measured what, and when.
func (r *report) markdownRuns(s *strings.Builder) {
	var order []string
	measured := map[string][]string{}
	for _, one := range r.runs {
		row := fmt.Sprintf("| %s | %s | `%s` |", one.Date, one.Slotq, cell(one.Command))
		if measured[row] == nil {
			order = append(order, row)
		}
		measured[row] = append(measured[row], one.Chapter+" on "+one.Database)
	}
	s.WriteString("\n## Runs\n\n| date | slotq | command | measured |\n|---|---|---|---|\n")
	for _, row := range order {
		fmt.Fprintf(s, "%s %s |\n", row, strings.Join(measured[row], ", "))
	}
}

// markdown writes a table for each part, with the figures of all databases together.
func (r *report) markdown(s *strings.Builder, charts map[string]string) {
	var order []string
	byPart := map[string][]*figure{}
	for _, f := range r.figures() {
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
	s.WriteString("\n## Bars\n\nWhere the database is the limit, the last column is what the protocol's bare statements reach.\n\n| | measured | bar | | bare statements |\n|---|---|---|---|---|\n")
	for _, j := range all {
		fmt.Fprintf(s, "| %s | %s | %s | %s | %s |\n", cell(j.what), number(j.ratio), j.wanted(), j.verdict(), j.bare())
	}
}

// cell keeps a text from ending its cell or its line.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ").Replace(s)
}
