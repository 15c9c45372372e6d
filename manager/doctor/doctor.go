// Package doctor looks a slotq system over and says what is wrong with it, why that matters and what to do. It owns the
// judgement; what a setting of a database costs is the database's engine's to say, and how it is shown is the command
// line's. It changes nothing.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// Finding is one thing that is wrong.
type Finding struct {
	Name   string `json:"finding"`         // stable, for scripts: docs/operations.md lists them
	About  string `json:"about,omitempty"` // the setting, queue, worker or loop that it is about
	Wrong  string `json:"wrong"`
	Why    string `json:"why"`    // what it leads to
	Remedy string `json:"remedy"` // a command or a statement to copy, where there is one
}

// Check is one thing that was looked at.
type Check struct {
	Name     string `json:"check"`
	Seen     string `json:"seen"` // in a few words
	Findings int    `json:"findings"`
}

// Report is what a visit has found.
type Report struct {
	Healthy  bool      `json:"healthy"`
	Checks   []Check   `json:"checks"`
	Findings []Finding `json:"findings"`
}

// Options are what a visit needs.
type Options struct {
	Sweep time.Duration    // of the managers: how often they look
	Lease time.Duration    // of workers that do not state their own
	Clock func() time.Time // this machine's; nil = time.Now
}

// visit is one look at a system.
type visit struct {
	Options
	ctx     context.Context
	store   store.Store
	report  Report
	now     job.Time // the database's
	workers []job.Worker
	alive   []job.Worker // that beat, and take jobs
}

// Look looks at everything. With an error it could not: the report holds what was seen before.
func Look(ctx context.Context, s store.Store, o Options) (Report, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	v := &visit{Options: o, ctx: ctx, store: s, report: Report{Checks: []Check{}, Findings: []Finding{}}}
	for _, check := range []struct {
		name string
		do   func() (seen string, err error)
	}{
		{"database", v.settings}, {"clock", v.clock}, {"schema", v.schema}, {"managers", v.managers},
		{"workers", v.liveness}, {"claims", v.claims}, {"queues", v.backlog}, {"strays", v.strays},
	} {
		before := len(v.report.Findings)
		seen, err := check.do()
		if err != nil {
			return v.report, fmt.Errorf("look at the %s: %w", check.name, err)
		}
		v.report.Checks = append(v.report.Checks, Check{check.name, seen, len(v.report.Findings) - before})
		if check.name == "schema" && len(v.report.Findings) > before && seen != oneAhead {
			return v.report, nil // its tables are not those that the other checks ask about
		}
	}
	v.report.Healthy = len(v.report.Findings) == 0
	return v.report, nil
}

// Unreachable is the report on a database that could not be opened.
func Unreachable(err error) Report {
	return Report{Checks: []Check{{"database", "not reached", 1}}, Findings: []Finding{{
		Name: "database-unreachable", Wrong: err.Error(),
		Why:    "nothing is stored, started or finished until it answers; running jobs are stopped when their worker's lease ends",
		Remedy: "start the database, or mend SLOTQ_DATABASE_URL; then manager doctor again",
	}}}
}

func (v *visit) find(f Finding) { v.report.Findings = append(v.report.Findings, f) }
