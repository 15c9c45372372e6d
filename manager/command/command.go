// Package command is what people call: `manager` runs the loops for ever, and its subcommands are the operator's
// command line, straight over the database, so that they work with the api down. It owns flags, tables and exit codes;
// what the loops do is package loops', what a change means is the store's.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/service"
	"github.com/slotq/slotq/shared/stats"
	"github.com/slotq/slotq/shared/store"
)

// flags is the whole command line.
type flags struct {
	service.Common
	JSON bool `name:"json" help:"Print JSON for scripts instead of a table."`

	Run      runCommand      `cmd:"" default:"withargs" help:"Look after workers, jobs and history for ever (this is what manager does without a command)."`
	Status   statusCommand   `cmd:"" help:"Show how the whole stands, on one screen."`
	Top      topCommand      `cmd:"" help:"Show queues and workers as they change."`
	Doctor   doctorCommand   `cmd:"" help:"Say what is wrong, why it matters and what to do."`
	Migrate  migrateCommand  `cmd:"" help:"Bring the database's schema to this binary's version."`
	Queues   queuesCommand   `cmd:"" help:"List and change queues."`
	Slots    slotsCommand    `cmd:"" help:"Show the slots of a queue."`
	Jobs     jobsCommand     `cmd:"" help:"List, show and change jobs."`
	Kinds    kindsCommand    `cmd:"" help:"List kinds of jobs: who serves them, and how their jobs stand."`
	Failures failuresCommand `cmd:"" help:"Show what jobs failed with last, alike errors together."`
	Workers  workersCommand  `cmd:"" help:"List workers, make them quiet, stop them."`
	Stats    statsCommand    `cmd:"" help:"Show what happened in the last hour, or week, by queue."`
	Tokens   tokensCommand   `cmd:"" help:"List, make and revoke tokens of the api."`

	Completion completionCommand `cmd:"" help:"Write a script that completes this command line in a shell."`
}

// call is one call of a subcommand.
type call struct {
	ctx   context.Context
	store store.Store
	now   job.Time // the database's
	out   io.Writer
	err   io.Writer
	in    io.Reader
	json  bool
}

// executor is a subcommand on an opened database.
type executor interface{ execute(c *call) error }

// Main is a service.Program: it parses, runs what was asked for and returns. A *service.UsageError means that it was
// called wrongly.
func Main(ctx context.Context, p service.Process) error {
	var f flags
	about := service.About{
		Name:        p.Name,
		Description: "Brings back the jobs of dead workers, clears away what is done, and is the operator's command line.",
	}
	parsed, err := service.Parse(p.Args, settings(p.Environ), p.Stdout, about, &f, kong.ValueFormatter(describe))
	if err != nil {
		return err
	}
	command := parsed.Selected().Target.Addr().Interface()
	if run, ok := command.(*runCommand); ok {
		return run.run(ctx, &f.Common, p)
	}
	if d, ok := command.(*doctorCommand); ok {
		return d.run(ctx, &f, p)
	}
	s, err := open(ctx, &f.Common, store.Options{Connections: f.DatabaseConnections})
	if err != nil {
		return err
	}
	defer s.Close()
	c := &call{ctx: ctx, out: p.Stdout, err: p.Stderr, in: p.Stdin, json: f.JSON}
	counter := stats.New(s, func() job.Time { return c.now })
	c.store = counter
	if _, ok := command.(*migrateCommand); !ok {
		if err := c.begin(f.DatabaseURL); err != nil {
			return explain(err, f.DatabaseURL)
		}
	}
	err = command.(executor).execute(c)
	if err := counter.Report(ctx); err != nil {
		fmt.Fprintln(p.Stderr, "What this command did is not in the stats:", explain(err, f.DatabaseURL))
	}
	return explain(err, f.DatabaseURL)
}

// open opens the database; its errors say which one, never with the password.
func open(ctx context.Context, common *service.Common, o store.Options) (store.Store, error) {
	s, err := store.Open(ctx, common.DatabaseURL.Reveal(), o)
	if err != nil {
		return nil, explain(fmt.Errorf("cannot open the database %s: %w", common.DatabaseURL, err), common.DatabaseURL)
	}
	return s, nil
}

// begin checks that the database has a schema to work on and takes its time. Commands never make one: an operator who
// mistypes a URL should see that, not an empty slotq.
func (c *call) begin(url service.DatabaseURL) error {
	have, _, err := c.store.Schema(c.ctx)
	if err != nil {
		return err
	}
	if have == 0 {
		return fmt.Errorf("the database %s has no tables of slotq: is the URL right? `manager migrate` makes them", url)
	}
	if err := store.Prepare(c.ctx, c.store, false); err != nil {
		return err
	}
	c.now, err = c.store.Now(c.ctx)
	return err
}

// explain adds what to do about an error that says only what happened.
func explain(err error, url service.DatabaseURL) error {
	if errors.Is(err, job.ErrUnavailable) {
		err = fmt.Errorf("the database %s cannot be reached, or does not answer in time; is its server running? %w", url, err)
	}
	return url.RedactError(err)
}

// settings leaves of the environment what configures the service. Subcommands have flags of the names that other
// binaries use for something else: `manager queues set mail --order=lifo` must not take SLOTQ_SLOTS, which pins the
// workers of this machine, for a number of slots.
func settings(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return !slices.Contains(variables, name)
	})
}

var variables = []string{
	"SLOTQ_DATABASE_URL", "SLOTQ_DATABASE_PASSWORD_FILE", "SLOTQ_DATABASE_CONNECTIONS", "SLOTQ_LISTEN", "SLOTQ_OPS_LISTEN",
	"SLOTQ_HOSTS", "SLOTQ_LOG_LEVEL", "SLOTQ_LOG_FORMAT", "SLOTQ_HEARTBEAT", "SLOTQ_LEASE", "SLOTQ_SWEEP", "SLOTQ_MIGRATE",
}

// describe names the variable in the help of the flags that have one.
func describe(value *kong.Value) string {
	if value.Flag == nil || !slices.Contains(variables, service.Variable(value.Name)) {
		return value.Help
	}
	return value.Help + " ($" + service.Variable(value.Name) + ")"
}

// usage is a *service.UsageError: the process ends with 2.
func usage(format string, args ...any) error {
	return &service.UsageError{Err: fmt.Errorf(format, args...)}
}
