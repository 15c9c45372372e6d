package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/test/faults/check"
	"github.com/slotq/slotq/test/faults/history"
	"github.com/slotq/slotq/test/faults/load"
)

// planted is a defect that the harness has to find: in slotq, by its name in SLOTQ_MUTANT, or in the server's settings.
type planted struct {
	name     string
	mutant   string
	database string
	finds    []check.Rule // any of them
	row      row
}

// tries is how many runs a defect may need until it is found.
const tries = 3

var plain = load.Mix{Go: 1, HTTP: 1, Exec: 1, Work: 200 * time.Millisecond, Bulk: 20, Batches: 5, Looks: 15, Again: 10, Queues: 1}

// sleepers work for seconds and do not stop when they are told to, so that freezing their worker makes zombies.
var sleepers = load.Mix{Go: 4, Exec: 2, Work: 5 * time.Second, Deaf: true, Failing: 30, Looks: 10, Queues: 1}

// halves are claimed many at a time, fail at once, and work for long in their second attempt: a claim is then partly
// finished when its worker dies, and what it has finished runs elsewhere.
var halves = load.Mix{Exec: 1, Later: 8 * time.Second, Looks: 5, Queues: 1}

func short(name string, lasts time.Duration, mix load.Mix) row {
	return row{name: name, lasts: lasts, load: mix, clients: 6, think: 100 * time.Millisecond, workers: 2, goworkers: 1, drains: 10 * time.Second}
}

func (r row) under(faults func(context.Context, *running)) row { r.faults = faults; return r }

func (r row) slowly(think time.Duration) row { r.think = think; return r }

// crew gives a row so many workers of subprocesses: each starts one suspect at a time.
func (r row) crew(workers int) row { r.workers = workers; return r }

// gocrew gives a row so many workers of Go handlers: while one is frozen the others start its jobs, each one suspect at a time.
func (r row) gocrew(goworkers int) row { r.goworkers = goworkers; return r }

// kind is for rows in which no worker does anything for which it may lose a job.
func (r row) kind() row { r.noRefusal = true; return r }

func (r row) on(server func(*stage, string) *dbserver.Options) row { r.server = server; return r }

var defects = []planted{
	{"answer before commit", "enqueue_before_commit", sqlite, []check.Rule{check.AckedNotLost}, short("defect", 5*time.Second, plain)},
	{"finish without the token", "finish_without_token", sqlite, []check.Rule{check.OneCommitter}, short("defect", 32*time.Second, sleepers).gocrew(3).under(freeze(goworker))},
	{"rescue by id only", "rescue_by_id", sqlite, []check.Rule{check.NoOverlap, check.Limits, check.OneCommitter}, short("defect", 25*time.Second, halves).slowly(300 * time.Millisecond).kind().under(killOnce(6 * time.Second))},
	{"crash not counted", "crash_not_counted", sqlite, []check.Rule{check.Limits}, short("defect", 30*time.Second, load.Mix{Go: 1, Work: 100 * time.Millisecond, Kills: 2})},
	{"idempotency without a unique key", "idempotency_last_wins", sqlite, []check.Rule{check.OneJobPerKey}, short("defect", 8*time.Second, plain)},
	{"claim without the token test", "claim_takes_held", sqlite, []check.Rule{check.NoOverlap}, short("defect", 8*time.Second, plain)},
	{"child not killed", "shim_outlives_lease", sqlite, []check.Rule{check.NoOverlap}, short("defect", 18*time.Second, load.Mix{Exec: 1, Work: 25 * time.Second, Queues: 1}).slowly(600 * time.Millisecond).crew(5).under(freeze(worker))},
	{"neighbours of a poison job counted", "neighbours_counted", sqlite, []check.Rule{check.Limits}, short("defect", 30*time.Second, poisoned)},
	{"payload compacted", "enqueue_compacts_payload", sqlite, []check.Rule{check.NoPhantom}, short("defect", 5*time.Second, plain)},
	{"run_at ignored", "run_at_ignored", sqlite, []check.Rule{check.NoEarlyStart}, short("defect", 5*time.Second, timed)},
	{"limit of a concurrency key not tested", "limit_not_tested", sqlite, []check.Rule{check.KeyLimit}, short("defect", 8*time.Second, timed)},
	{"innodb_flush_log_at_trx_commit=0", "", mariadb, []check.Rule{check.AckedNotLost}, short("defect", 12*time.Second, plain).under(killDatabase(3 * time.Second)).on(forgetful)},
	{"synchronous_commit=off", "", postgres, []check.Rule{check.AckedNotLost}, short("defect", 12*time.Second, plain).under(killDatabase(3 * time.Second)).on(forgetful)},
}

// timed has jobs that are due later, and jobs with a concurrency key.
var timed = load.Mix{Go: 1, Exec: 2, Work: 200 * time.Millisecond, Looks: 10, Scheduled: 40, Keyed: 50, Queues: 1}

// forgetful are settings that lose what was committed just before a crash.
func forgetful(_ *stage, name string) *dbserver.Options {
	if name == mariadb {
		return &dbserver.Options{Args: []string{"--innodb-flush-log-at-trx-commit=0", "--innodb-flush-log-at-timeout=2"}}
	}
	return &dbserver.Options{Args: []string{"-c", "synchronous_commit=off", "-c", "wal_writer_delay=5s"}}
}

// killOnce kills one worker of subprocesses after a while.
func killOnce(after time.Duration) func(context.Context, *running) {
	return func(ctx context.Context, r *running) {
		pauseFor(ctx, after)
		p := r.fleet.of(worker)[0]
		if process := p.now(); process != nil {
			r.fleet.note(history.KillWorker, process.Pid)
			process.Kill()
		}
	}
}

// discovery is what became of a planted defect.
type discovery struct {
	*planted
	rule check.Rule // that found it; "" = none did
	run  int        // in which run
	why  string     // the row is unsound: it finds this without the defect
}

func (d discovery) String() string {
	switch {
	case d.why != "":
		return fmt.Sprintf("UNSOUND    %s: the row finds this without the defect: %s", d.name, d.why)
	case d.rule == "":
		return fmt.Sprintf("NOT FOUND  %s, in %d runs", d.name, tries)
	}
	return fmt.Sprintf("found      %s, by rule %s, in run %d", d.name, d.rule, d.run)
}

// selfTest plants each defect and runs its row until the rule finds it, three times at most.
func selfTest(ctx context.Context, s settings) (all []discovery, ok bool, err error) {
	dir, err := os.MkdirTemp("", "slotq-faults-bin-")
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	bin, err := build(ctx, filepath.Join(dir, "mutant"), "mutant")
	if err != nil {
		return nil, false, err
	}
	l := &lab{servers: map[string]*dbserver.Server{}}
	defer func() { err = errors.Join(err, l.close()) }()
	ok = true
	for i := range defects {
		d := &defects[i]
		if !s.rows.MatchString(d.name) {
			continue
		}
		found := l.plant(ctx, d, bin)
		if ctx.Err() != nil {
			return all, false, ctx.Err()
		}
		fmt.Println(found)
		ok = ok && found.rule != ""
		all = append(all, found)
	}
	return all, ok, nil
}

func (l *lab) plant(ctx context.Context, d *planted, bin binaries) discovery {
	if why := l.accused(ctx, d, bin); why != "" {
		return discovery{planted: d, why: why}
	}
	for try := 1; try <= tries && ctx.Err() == nil; try++ {
		r := l.run(ctx, &d.row, d.database, bin, "SLOTQ_MUTANT="+d.mutant)
		for _, f := range r.verdict.Findings {
			if slices.Contains(d.finds, f.Rule) {
				return discovery{planted: d, rule: f.Rule, run: try}
			}
		}
		fmt.Println(r.summary())
	}
	return discovery{planted: d}
}

// accused is what a defect's row finds without the defect; "" = nothing, as it must be.
func (l *lab) accused(ctx context.Context, d *planted, bin binaries) string {
	sound := d.row
	if d.mutant == "" {
		sound.server = ownServer
	}
	r := l.run(ctx, &sound, d.database, bin)
	if r.err != nil {
		return r.err.Error()
	}
	for _, f := range r.verdict.Findings {
		if slices.Contains(d.finds, f.Rule) {
			return f.String()
		}
	}
	return ""
}
