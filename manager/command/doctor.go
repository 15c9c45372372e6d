package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/slotq/slotq/manager/doctor"
	"github.com/slotq/slotq/shared/service"
	"github.com/slotq/slotq/shared/store"
)

type doctorCommand struct{}

// Help is what `manager doctor --help` says besides the flags.
func (*doctorCommand) Help() string {
	return "Looks at the database and its settings, clocks, schema, managers, workers, claims and queues, and changes nothing. " +
		"For each finding it says what is wrong, why that matters and what to do; docs/operations.md explains them all. " +
		"Give it the --sweep and --lease of the managers.\n\nExit code: 0 healthy, 1 findings, 2 it could not look, or was called wrongly."
}

// blind is an error that kept doctor from looking.
type blind struct{ error }

func (b blind) Unwrap() error { return b.error }

// ExitCode tells it from findings.
func (blind) ExitCode() int { return 2 }

// run is not an execute: a database that cannot be opened, and one of another version, are findings here.
func (*doctorCommand) run(ctx context.Context, f *flags, p service.Process) error {
	c := &call{ctx: ctx, out: p.Stdout, json: f.JSON}
	s, err := open(ctx, &f.Common, store.Options{Connections: f.DatabaseConnections})
	if err != nil {
		return errors.Join(c.showReport(doctor.Unreachable(err)), blind{err})
	}
	defer s.Close()
	report, err := doctor.Look(ctx, s, doctor.Options{Sweep: f.Sweep, Lease: f.Lease})
	shown := c.showReport(report)
	switch {
	case err != nil:
		return errors.Join(shown, blind{explain(err, f.DatabaseURL)})
	case shown != nil:
		return shown
	case len(report.Findings) == 1:
		return errors.New("1 finding")
	case len(report.Findings) > 1:
		return fmt.Errorf("%d findings", len(report.Findings))
	}
	return nil
}

func (c *call) showReport(r doctor.Report) error {
	return c.print(r, func(t *table) {
		t.row("CHECK", "FINDINGS", "SEEN")
		for _, check := range r.Checks {
			t.row(check.Name, check.Findings, check.Seen)
		}
		for _, f := range r.Findings {
			t.w.Flush()
			fmt.Fprintf(t.w, "\n%s\n", printable(strings.TrimSpace(f.Name+" "+f.About)))
			t.row("  wrong:", f.Wrong)
			t.row("  why:", f.Why)
			t.row("  do:", f.Remedy)
		}
	})
}
