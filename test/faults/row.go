package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/store/dbproxy"
	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/test/e2e/system"
	"github.com/slotq/slotq/test/faults/check"
	"github.com/slotq/slotq/test/faults/history"
	"github.com/slotq/slotq/test/faults/load"
	"github.com/slotq/slotq/test/faults/witness"
)

// Times of all rows but those that name others.
const (
	heartbeat = time.Second
	lease     = 4 * time.Second
	sweep     = 500 * time.Millisecond
	// noise is what a promise in seconds is given on a machine that runs everything at once.
	noise = time.Second
	// drainLimit only tells slow from stuck: all jobs of dead workers run one at a time in each of those that are left.
	drainLimit = 3 * time.Minute
)

// row is one line of the table: a load, faults under it, and the least that has to happen for it to prove anything.
type row struct {
	name      string
	databases []string
	faults    func(ctx context.Context, r *running) // until ctx ends; nil = none
	lasts     time.Duration                         // of load and faults together
	load      load.Mix
	clients   int
	think     time.Duration
	workers   int // of subprocess and HTTP jobs
	goworkers int
	managers  int
	jobs      int // at once in a worker; 0 = 24
	environ   []string
	server    func(s *stage, name string) *dbserver.Options // a server of its own; nil = the lab's
	prepare   func(x *running) error                        // before the services start
	behind    bool                                          // the services reach the server through a proxy
	floors    map[string]int
	needs     []check.Rule
	drains    time.Duration // how long the rest may take after the faults; 0 = drainLimit
	recovery  time.Duration // see check.Record
	clock     time.Duration
	noRefusal bool
	noCrash   bool
	ci        []string // databases on which every change must pass it
	byName    bool     // runs only when it is named
}

// running is a row on one database.
type running struct {
	*row
	*stage
	db    database
	proxy *dbproxy.Proxy // nil = the row is not behind one

	servicesURL string // of the database, as the services reach it
	fleet       *fleet
	load        *load.Load
	dir         string
	url         string // of the api
	count       *counts
	heals       []heal
	stopped     int64 // when the clients had stopped
}

// result is what became of a row.
type result struct {
	row      *row
	database string
	verdict  *check.Verdict
	err      error // of the harness
	took     time.Duration
}

func (r result) passed() bool { return r.err == nil && r.verdict.Passed() }

// invalid says that the run broke no rule and proves nothing all the same.
func (r result) invalid() bool {
	return r.err == nil && len(r.verdict.Findings) == 0 && len(r.verdict.Invalid) > 0
}

// run runs a row: load under faults, heal, drain, and then the judgement of what was recorded.
func (l *lab) run(ctx context.Context, r *row, name string, bin binaries, environ ...string) (out result) {
	out = result{row: r, database: name, verdict: &check.Verdict{}}
	began := time.Now()
	defer func() { out.took = time.Since(began) }()
	out.err = perform(l.slack, func(s *stage) {
		var own *dbserver.Options
		if r.server != nil {
			own = r.server(s, name)
		}
		db, err := l.fresh(ctx, s, name, own)
		if err != nil {
			s.Fatal(err)
		}
		x := &running{row: r, stage: s, db: db, dir: s.TempDir(), count: &counts{n: map[string]int{}}}
		x.servicesURL = db.url
		if r.prepare != nil {
			if err := r.prepare(x); err != nil {
				s.Fatal(err)
			}
		}
		if r.behind {
			if x.proxy, x.servicesURL, err = dbproxy.New(x.servicesURL); err != nil {
				s.Fatal(err)
			}
			s.Cleanup(x.proxy.Close)
		}
		record, err := x.all(ctx, bin, environ)
		if err != nil {
			s.Fatalf("%w", err)
		}
		out.verdict = check.Check(record)
		if slices.ContainsFunc(out.verdict.Findings, func(f check.Finding) bool { return f.Rule == check.Recovery }) && out.verdict.Slowest.Job != "" {
			fmt.Fprint(os.Stderr, x.story(out.verdict.Slowest))
		}
	})
	return out
}

func (x *running) all(ctx context.Context, bin binaries, environ []string) (*check.Record, error) {
	events, err := history.Open(filepath.Join(x.dir, "events.jsonl"))
	if err != nil {
		return nil, err
	}
	defer events.Close()
	if err := x.start(bin, events, environ); err != nil {
		return nil, err
	}
	x.load = load.Start(ctx, load.Options{
		API: x.url, History: events, Clients: max(x.clients, 1), Think: x.think, Mix: x.row.load, Seed: uint64(time.Now().UnixNano()),
	})
	faults, end := context.WithTimeout(ctx, x.lasts)
	defer end()
	if x.faults != nil {
		x.faults(faults, x)
	}
	<-faults.Done()
	if err := x.load.Stop(30 * time.Second); err != nil {
		return nil, err
	}
	x.stopped = history.Monotonic()
	limit := x.drains
	if limit == 0 {
		limit = drainLimit
	}
	drained := x.drain(ctx, limit)
	finals, err := x.finals(ctx)
	if err != nil {
		return nil, fmt.Errorf("read how the jobs ended: %w", err)
	}
	if drained {
		x.nothingLeft(ctx, len(finals))
	}
	record, err := x.record(finals, drained)
	if err != nil {
		return nil, err
	}
	x.fleet.stop()
	if err := x.fleet.panics(); err != nil {
		return nil, err
	}
	return record, nil
}

// start starts the services and waits until they are ready.
func (x *running) start(bin binaries, events *history.File, environ []string) error {
	watched := filepath.Join(x.dir, "witness")
	w, err := witness.Open(watched)
	if err != nil {
		return err
	}
	x.Cleanup(func() { _ = w.Close() })
	target := x.target(w)
	handlers, err := x.handlers(bin, watched, target)
	if err != nil {
		return err
	}
	base := []string{
		"PATH=/usr/bin:/bin", "HOME=" + x.dir, "TMPDIR=" + x.dir, "LANG=C.UTF-8", "SLOTQ_DATABASE_URL=" + x.servicesURL,
		"SLOTQ_LOG_FORMAT=json", "SLOTQ_HEARTBEAT=" + heartbeat.String(), "SLOTQ_LEASE=" + lease.String(), "SLOTQ_SWEEP=" + sweep.String(),
		"FAULTS_WITNESS=" + watched,
	}
	x.fleet = &fleet{
		s: x.stage, dir: x.dir, bin: bin, environ: append(append(base, x.environ...), environ...), events: events, counts: x.count,
		stopping: make(chan struct{}),
	}
	x.url = "http://" + x.fleet.add(api).address
	if err := x.fleet.ready(); err != nil { // one makes the tables
		return err
	}
	jobs := x.jobs
	if jobs == 0 {
		jobs = 24
	}
	for range max(x.managers, 1) {
		x.fleet.add(manager)
	}
	for range x.workers {
		x.fleet.add(worker, "--handlers="+handlers, "--insecure", fmt.Sprintf("--concurrency=%d", jobs))
	}
	for range x.goworkers {
		x.fleet.add(goworker, fmt.Sprintf("--concurrency=%d", jobs))
	}
	return x.fleet.ready()
}

// record puts together what there is to judge.
func (x *running) record(finals []history.Final, drained bool) (*check.Record, error) {
	r := &check.Record{
		Finals: finals, Drained: drained, Floors: x.floors, Needs: x.needs, RecoveryLimit: x.recovery, ClockError: x.clock, NoCrash: x.noCrash, NoRefusal: x.noRefusal,
	}
	if r.ClockError == 0 {
		r.ClockError = 2 * time.Millisecond
	}
	if r.RecoveryLimit > 0 { // 0 = not judged
		r.RecoveryLimit += x.slack
	}
	var err error
	if r.Events, err = history.Read[history.Event](filepath.Join(x.dir, "events.jsonl")); err != nil {
		return nil, err
	}
	if r.Notes, err = history.Read[history.Note](witness.NotesIn(filepath.Join(x.dir, "witness"))); err != nil {
		return nil, err
	}
	x.noneIdle(r.Notes, x.stopped)
	if r.Commits, err = commits(x.fleet.logs(worker, goworker)); err != nil {
		return nil, err
	}
	x.count.mu.Lock()
	defer x.count.mu.Unlock()
	r.Counts = maps.Clone(x.count.n)
	return r, nil
}

// summary is a line for people.
func (r result) summary() string {
	v := r.verdict
	lines := []string{fmt.Sprintf("%-8s %-16s %-9s %4.0f s  acked %d, lost %d, phantom %d, duplicated %d, second commits %d, overwritten %d, early %d, overlap %d (Go/HTTP %d), over limits %d/%d/%d, refused %d, ambiguous %d, longest restart %s",
		r.word(), r.row.name, r.database, r.took.Seconds(), v.Acknowledged, v.Lost, v.Phantom, v.Duplicated, v.SecondCommits, v.Overwritten, v.Early,
		v.OverlapExec, v.OverlapOther, v.OverAttempts, v.OverCrashes, v.OverKey, v.Refused, v.Ambiguous, v.LongestRestart.Round(time.Millisecond))}
	if r.err != nil {
		lines = append(lines, "         "+r.err.Error())
	}
	for _, f := range v.Findings {
		lines = append(lines, "         "+f.String())
	}
	for _, why := range v.Invalid {
		lines = append(lines, "         invalid: "+why)
	}
	return strings.Join(lines, "\n")
}

var _ system.TB = (*stage)(nil)
