package main

import (
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/test/faults/check"
	"github.com/slotq/slotq/test/faults/history"
	"github.com/slotq/slotq/test/faults/load"
)

// restart is what promise 8 says of a dead worker's jobs, with room for a machine that runs everything at once.
const restart = lease + 2*sweep + noise

// common are the rules that every mixed load gives something to judge.
var common = []check.Rule{check.AckedNotLost, check.NoPhantom, check.OneJobPerKey, check.OneCommitter, check.Limits, check.TerminalStays, check.NoEarlyStart, check.KeyLimit}

func with(more ...check.Rule) []check.Rule { return append(append([]check.Rule{}, common...), more...) }

// poisoned has jobs that kill their worker, one at a time.
var poisoned = load.Mix{Go: 1, HTTP: 1, Exec: 1, Work: 200 * time.Millisecond, Looks: 10, Queues: 1, Kills: 3}

// steady is a mixed load without bursts: all that a dead worker ran becomes suspects, of which each worker runs one at a
// time, and a batch of 100 or long jobs would measure that rule and not how soon a death is noticed.
var steady = load.Mix{Go: 6, HTTP: 3, Exec: 3, Work: 100 * time.Millisecond, Looks: 15, Cancels: 3, Again: 6, Scheduled: 15, Failing: 10, Keyed: 40, Queues: 2}

// rows is the table. The floors are what a slow machine still reaches.
var rows = []row{
	{
		name: "baseline", databases: everywhere, lasts: 20 * time.Second, load: load.Mixed, clients: 6, think: 100 * time.Millisecond,
		workers: 2, goworkers: 1, noCrash: true, floors: map[string]int{"acknowledged": 1000}, needs: common,
	},
	{
		name: "kill-api", ci: []string{sqlite}, databases: everywhere, lasts: 30 * time.Second, load: load.Mixed, clients: 12, think: 50 * time.Millisecond,
		workers: 1, goworkers: 1, noCrash: true, faults: kill(1200*time.Millisecond, api),
		floors: map[string]int{"acknowledged": 1000, history.KillAPI: 15, "ambiguous": 15}, needs: common,
	},
	{
		name: "kill-worker", ci: []string{mariadb}, databases: everywhere, lasts: 40 * time.Second, load: steady, clients: 9, think: 20 * time.Millisecond,
		workers: 3, goworkers: 2, faults: kill(1500*time.Millisecond, worker, goworker), recovery: restart,
		floors: map[string]int{"acknowledged": 500, history.KillWorker: 15, "restarts": 10}, needs: with(check.NoOverlap, check.Recovery),
	},
	{
		name: "kill-manager", databases: everywhere, lasts: 45 * time.Second, load: load.Mixed, clients: 6, think: 100 * time.Millisecond,
		workers: 2, goworkers: 1, managers: 2, faults: kill(1200*time.Millisecond, worker, goworker, manager, manager),
		floors: map[string]int{"acknowledged": 1000, history.KillManager: 10, history.KillWorker: 10, "restarts": 10}, needs: with(check.NoOverlap, check.Recovery),
	},
	{ // before the next: for a change it runs beside kill-worker, which must have the machine to see its restarts
		name: "freeze", ci: []string{postgres}, databases: everywhere, lasts: 43 * time.Second, load: sleepers, clients: 5, think: 700 * time.Millisecond,
		workers: 2, goworkers: 2, jobs: 12, faults: freeze(goworker, worker, goworker), // its jobs run again one at a time, as suspects
		floors: map[string]int{"acknowledged": 50, history.Freeze: 2, "refused": 5}, needs: []check.Rule{check.AckedNotLost, check.OneCommitter, check.NoOverlap},
	},
	{
		name: "kill-database", ci: []string{postgres}, databases: servers, lasts: 36 * time.Second, load: load.Mixed, clients: 12, think: 50 * time.Millisecond,
		workers: 2, goworkers: 1, faults: killDatabase(2 * time.Second),
		floors: map[string]int{"acknowledged": 500, history.KillDatabase: 5, "ambiguous": 2}, needs: common,
	},
	{
		name: "kill-any", databases: everywhere, lasts: 50 * time.Second, load: load.Mixed, clients: 12, think: 50 * time.Millisecond,
		workers: 2, goworkers: 2, managers: 2, faults: killAny(time.Second), drains: 2 * time.Minute,
		floors: map[string]int{"acknowledged": 500, history.KillWorker: 10, history.KillAPI: 1, history.KillManager: 1, "ambiguous": 10}, needs: with(check.NoOverlap, check.Recovery),
	},
	{
		name: "commit-cut", ci: []string{mariadb}, databases: servers, lasts: 25 * time.Second, load: load.Mixed, clients: 12, think: 50 * time.Millisecond,
		workers: 2, goworkers: 1, behind: true, noCrash: true, faults: cutCommits(100),
		floors: map[string]int{"acknowledged": 500, "answers of COMMIT lost": 30, "COMMITs lost": 30}, needs: common,
	},
	{
		name: "network", databases: servers, lasts: 30 * time.Second, load: load.Mixed, clients: 12, think: 50 * time.Millisecond,
		workers: 2, goworkers: 1, behind: true, noCrash: true, faults: badNetwork,
		floors: map[string]int{"acknowledged": 300, "resets": 5}, needs: common,
	},
	{
		name: "silence", databases: servers, lasts: 40 * time.Second, load: load.Mixed, clients: 12, think: 50 * time.Millisecond,
		workers: 2, goworkers: 1, behind: true, faults: silence,
		floors: map[string]int{"acknowledged": 200, "silences": 3, "ambiguous": 5}, needs: []check.Rule{check.AckedNotLost, check.NoPhantom, check.OneJobPerKey, check.OneCommitter},
	},
	{
		name: "silent-holders", databases: servers, lasts: 40 * time.Second, load: load.Mixed, clients: 12, think: 50 * time.Millisecond,
		workers: 2, goworkers: 1, behind: true, faults: silentCommits,
		floors: map[string]int{"acknowledged": 200, "connections fallen silent": 10}, needs: []check.Rule{check.AckedNotLost, check.NoPhantom, check.OneJobPerKey},
	},
	{
		name: "poison", databases: everywhere, lasts: 60 * time.Second, load: poisoned, clients: 4, think: 100 * time.Millisecond,
		workers: 2, goworkers: 2, floors: map[string]int{"acknowledged": 100, "discarded by crashes": 2}, needs: []check.Rule{check.AckedNotLost, check.Limits},
	},
	{
		name: "read-only", databases: servers, lasts: 30 * time.Second, load: load.Mixed, clients: 8, think: 80 * time.Millisecond,
		workers: 2, goworkers: 1, prepare: plainUser, faults: readOnly, server: ownServer,
		floors: map[string]int{"acknowledged": 200, "read-only": 3, "ambiguous": 5}, needs: common,
	},
	{
		name: "connections", databases: servers, lasts: 30 * time.Second, load: load.Mixed, clients: 8, think: 80 * time.Millisecond,
		workers: 1, goworkers: 1, behind: true, environ: []string{"SLOTQ_DATABASE_CONNECTIONS=6"}, faults: hogConnections, server: narrow,
		floors: map[string]int{"acknowledged": 200, "no connection left": 2}, needs: common,
	},
	{
		name: "deadlocks", databases: servers, lasts: 25 * time.Second, load: load.Mixed, clients: 12, think: 30 * time.Millisecond,
		workers: 2, goworkers: 2, noCrash: true, faults: deadlocks,
		floors: map[string]int{"acknowledged": 200, "deadlocks": 10}, needs: common,
	},
	{
		name: "pool-of-2", databases: everywhere, lasts: 25 * time.Second, load: load.Mixed, clients: 12, think: 50 * time.Millisecond,
		workers: 2, goworkers: 1, environ: []string{"SLOTQ_DATABASE_CONNECTIONS=2"}, faults: kill(3*time.Second, api, worker, goworker),
		floors: map[string]int{"acknowledged": 500, history.KillWorker: 3}, needs: common,
	},
	{
		name: "disk-full", databases: everywhere, lasts: 30 * time.Second, load: load.Mixed, clients: 8, think: 80 * time.Millisecond,
		workers: 2, goworkers: 1, faults: diskFull, server: onSmallDisk, drains: 2 * time.Minute,
		floors: map[string]int{"acknowledged": 200, "disk full": 2, "ambiguous": 5}, needs: []check.Rule{check.AckedNotLost, check.NoPhantom, check.OneJobPerKey},
	},
	{
		name: "clock-jump", databases: servers, lasts: 35 * time.Second, load: jumped, clients: 8, think: 80 * time.Millisecond,
		workers: 2, goworkers: 1, behind: true, faults: clockJumps, noCrash: true,
		floors: map[string]int{"acknowledged": 200, "clock jumps": 4, "times asked for after a jump": 10}, needs: []check.Rule{check.AckedNotLost, check.NoPhantom, check.OneJobPerKey},
	},
	{
		name: "herd", databases: servers, lasts: 40 * time.Second, load: herded, clients: 4, jobs: 10,
		faults: herd, environ: []string{fmt.Sprintf("SLOTQ_DATABASE_CONNECTIONS=%d", herdCap)}, server: counted, drains: 2 * time.Minute,
		floors: map[string]int{"acknowledged": 5000, "workers at once": herdSize, "connections at once": 2 * herdSize}, needs: []check.Rule{check.AckedNotLost, check.NoPhantom},
	},
	{
		name: "soak", databases: everywhere, lasts: 30 * time.Minute, load: load.Mixed, clients: 4, think: 200 * time.Millisecond,
		workers: 2, goworkers: 2, managers: 2, faults: soak(10 * time.Second), byName: true, recovery: restart,
		floors: map[string]int{"acknowledged": 20_000, history.KillWorker: 60, "sizes compared": 3}, needs: with(check.NoOverlap, check.Recovery),
	},
}

// ownServer is a server of the row's own, with nothing changed yet.
func ownServer(*stage, string) *dbserver.Options { return &dbserver.Options{} }

// jumped has no job that is due later: whose clock is right is what the row is about.
var jumped = load.Mix{Go: 4, HTTP: 1, Exec: 1, Work: 500 * time.Millisecond, Bulk: 50, Batches: 5, Looks: 15, Again: 5, Queues: 1}

// herded is a backlog of cheap jobs.
var herded = load.Mix{Go: 1, Bulk: 500, Batches: 30, Work: 50 * time.Millisecond}
