package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// asserted are the settings that a store has a say in itself: they are right on any server that it connects to.
var asserted = []string{"transaction_isolation", "tx_isolation", "sql_mode", "autocommit", "idle_in_transaction_session_timeout", "journal_mode", "synchronous"}

var diagnoseTests = []Test{
	{"settings name the server, and slotq's own sessions are as it asked for", 0, func(f *fixture) {
		server, settings, err := f.store.Settings(f.ctx)
		f.ok(err)
		if server == "" {
			f.Error("the server has no name")
		}
		for _, s := range settings {
			if s.Name == "" || s.Value == "" || (s.Wrong == "") != (s.Remedy == "") {
				f.Errorf("%+v: half of it is missing", s)
			}
			if s.Wrong != "" && slices.Contains(asserted, s.Name) {
				f.Errorf("%s is %q: %s", s.Name, s.Value, s.Wrong)
			}
		}
	}},
	{"turns are those that were taken, by name, with their holders", 0, func(f *fixture) {
		want := []job.Turn{{Loop: "a", NextAt: f.now.Add(2 * time.Second), Holder: 8}, {Loop: "b", NextAt: f.now.Add(time.Minute), Holder: 7}}
		for _, t := range []job.Turn{want[1], want[0]} {
			_, err := f.store.Turn(f.ctx, t.Loop, t.Holder, t.NextAt.Sub(f.now), f.now)
			f.ok(err)
		}
		got, err := f.store.Turns(f.ctx)
		f.ok(err)
		if !slices.Equal(got, want) {
			f.Fatalf("turns are %+v, want %+v", got, want)
		}
	}},
	{"jobs in slots without a row are strays, all others are not", 0, func(f *fixture) {
		q, whole, gone := f.queue("holes", slots(5)), f.queue("whole", slots(3)), f.queue("gone", slots(2))
		for _, q := range []job.Queue{q, whole, gone} {
			for range 60 {
				f.add(q)
			}
		}
		strays := func(limit int) []job.Slot {
			f.Helper()
			got, err := f.store.Strays(f.ctx, limit)
			f.ok(err)
			return got
		}
		if got := strays(100); len(got) > 0 {
			f.Fatalf("strays of a healthy store: %v", got)
		}
		want := []job.Slot{{QueueID: q.ID, Slot: 2}, {QueueID: q.ID, Slot: 5}, {QueueID: gone.ID, Slot: 1}, {QueueID: gone.ID, Slot: 2}}
		slices.SortFunc(want, func(a, b job.Slot) int {
			return cmp.Or(cmp.Compare(a.QueueID, b.QueueID), cmp.Compare(a.Slot, b.Slot))
		})
		f.db.exec(f, fmt.Sprintf("DELETE FROM slotq_slots WHERE queue_id = %d AND slot IN (2, 5)", q.ID))
		f.db.exec(f, fmt.Sprintf("DELETE FROM slotq_queues WHERE id = %d", gone.ID))
		if got := strays(100); !slices.Equal(got, want) {
			f.Fatalf("strays are %v, want %v", got, want)
		}
		equal(f, "strays of a limit of 3", len(strays(3)), 3)
	}},
}

// Wrong are the names of the settings that are not as they should be.
func Wrong(settings []job.Setting) (names []string) {
	for _, s := range settings {
		if s.Wrong != "" {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}
