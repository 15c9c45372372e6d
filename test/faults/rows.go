package main

import (
	"time"

	"github.com/slotq/slotq/test/faults/check"
	"github.com/slotq/slotq/test/faults/history"
	"github.com/slotq/slotq/test/faults/load"
)

// restart is what promise 8 says of a dead worker's jobs, with room for a machine that runs everything at once.
const restart = lease + 2*sweep + noise

// common are the rules that every mixed load gives something to judge.
var common = []check.Rule{check.AckedNotLost, check.NoPhantom, check.OneJobPerKey, check.OneCommitter, check.Limits, check.TerminalStays, check.NoEarlyStart, check.KeyLimit}

func with(more ...check.Rule) []check.Rule { return append(append([]check.Rule{}, common...), more...) }

// rows is the table. The floors are what a slow machine still reaches.
var rows = []row{
	{
		name: "baseline", databases: everywhere, lasts: 20 * time.Second, load: load.Mixed, clients: 6, think: 100 * time.Millisecond,
		workers: 2, goworkers: 1, floors: map[string]int{"acknowledged": 1000}, needs: common,
	},
	{
		name: "kill-api", databases: everywhere, lasts: 35 * time.Second, load: load.Mixed, clients: 12, think: 50 * time.Millisecond,
		workers: 1, goworkers: 1, faults: kill(1200*time.Millisecond, api),
		floors: map[string]int{"acknowledged": 1000, history.KillAPI: 20, "ambiguous": 20}, needs: common,
	},
	{
		name: "kill-worker", databases: everywhere, lasts: 45 * time.Second, load: load.Mixed, clients: 6, think: 100 * time.Millisecond,
		workers: 3, goworkers: 2, faults: kill(1700*time.Millisecond, worker, goworker), recovery: restart,
		floors: map[string]int{"acknowledged": 500, history.KillWorker: 20, "restarts": 20}, needs: with(check.NoOverlap, check.Recovery), ci: true,
	},
	{
		name: "kill-manager", databases: everywhere, lasts: 45 * time.Second, load: load.Mixed, clients: 6, think: 100 * time.Millisecond,
		workers: 2, goworkers: 1, managers: 2, faults: kill(1200*time.Millisecond, worker, goworker, manager, manager),
		floors: map[string]int{"acknowledged": 1000, history.KillManager: 10, history.KillWorker: 10, "restarts": 10}, needs: with(check.NoOverlap, check.Recovery),
	},
	{
		name: "kill-database", databases: servers, lasts: 45 * time.Second, load: load.Mixed, clients: 12, think: 50 * time.Millisecond,
		workers: 2, goworkers: 1, faults: killDatabase(2 * time.Second),
		floors: map[string]int{"acknowledged": 500, history.KillDatabase: 10, "ambiguous": 10}, needs: common,
	},
	{
		name: "kill-any", databases: everywhere, lasts: 50 * time.Second, load: load.Mixed, clients: 12, think: 50 * time.Millisecond,
		workers: 2, goworkers: 2, managers: 2, faults: killAny(time.Second), drains: 2 * time.Minute,
		floors: map[string]int{"acknowledged": 500, history.KillWorker: 10, "ambiguous": 10}, needs: with(check.NoOverlap, check.Recovery),
	},
}
