package storetest

import (
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/store/dbproxy"
)

// reporter is a process that counts completed jobs, one second of run each.
type reporter struct {
	f      *fixture
	report job.StatsReport
}

func (f *fixture) reporter() *reporter {
	return &reporter{f, job.StatsReport{Process: job.NewWorkerID()}}
}

// completedStats is n completed jobs of a queue in the minute of a time.
func completedStats(queue int32, at job.Time, n int64) job.Stats {
	st := job.Stats{StatsKey: job.StatsKey{QueueID: queue, Span: job.Minute, At: job.Minute.Begin(at)}}
	st.Completed = n
	for range n {
		st.Run.Observe(time.Second)
	}
	return st
}

// add counts something under the next number; it is not sent yet.
func (r *reporter) add(stats ...job.Stats) {
	r.report.Parts = append(r.report.Parts, job.StatsPart{Seq: int64(len(r.report.Parts) + 1), Stats: stats})
}

// send sends all parts as to somebody who knows of none that was taken, and returns the last one that was.
func (r *reporter) send(s store.Store) int64 {
	r.f.Helper()
	r.report.Now = r.f.now
	taken, err := s.ReportStats(r.f.ctx, r.report)
	r.f.ok(err)
	return taken
}

func (f *fixture) fold() int {
	f.Helper()
	n, err := f.store.FoldStats(f.ctx, 100, f.now)
	f.ok(err)
	return n
}

// stats is what is kept of a queue: minutes, then hours, each in order.
func (f *fixture) stats(queues ...int32) (minutes, hours []job.Stats) {
	f.Helper()
	list, err := f.store.ListStats(f.ctx, queues, f.now)
	f.ok(err)
	for _, st := range list {
		if st.Span == job.Minute {
			minutes = append(minutes, st)
		} else {
			hours = append(hours, st)
		}
	}
	return minutes, hours
}

// counted ends the test unless all that is kept of the queue says n completed jobs, by minutes and by hours.
func (f *fixture) counted(queue int32, n int64) {
	f.Helper()
	minutes, hours := f.stats(queue)
	for what, list := range map[string][]job.Stats{"in minutes": minutes, "in hours": hours} {
		var sum job.Counts
		for i := range list {
			sum.Add(&list[i].Counts)
		}
		equal(f, "completed "+what, sum.Completed, n)
		equal(f, "runs "+what, sum.Run.Count(), n)
	}
}

var statsTests = []Test{
	{"what processes report is added up by queue, minute and hour", 0, func(f *fixture) {
		a, b := f.reporter(), f.reporter()
		next := f.now.Add(time.Minute)
		a.add(completedStats(1, f.now, 2), completedStats(2, f.now, 5))
		b.add(completedStats(1, f.now, 3), completedStats(1, next, 4))
		a.send(f.store)
		b.send(f.store)
		f.now = next
		equal(f, "taken", f.fold(), 2)
		equal(f, "taken again", f.fold(), 0)
		minutes, hours := f.stats(1)
		equal(f, "minutes", len(minutes), 2)
		equal(f, "the first minute", minutes[0].At, job.Minute.Begin(T0))
		equal(f, "completed in it", minutes[0].Completed, 5)
		equal(f, "completed in the next", minutes[1].Completed, 4)
		equal(f, "hours", len(hours), 1)
		equal(f, "the hour", hours[0].At, job.Hour.Begin(T0))
		equal(f, "completed in it", hours[0].Completed, 9)
		f.counted(2, 5)
	}},
	{"a minute in which nothing was counted is not there", 0, func(f *fixture) {
		r := f.reporter()
		r.add(completedStats(1, f.now, 1), completedStats(1, f.now.Add(5*time.Minute), 1))
		r.send(f.store)
		f.tick(6 * time.Minute)
		f.fold()
		minutes, _ := f.stats(1)
		equal(f, "minutes", len(minutes), 2)
		minutes, hours := f.stats(2)
		equal(f, "rows of a queue of which nothing is known", len(minutes)+len(hours), 0)
	}},
	{"a report that is sent again is added once, whether it was taken meanwhile or not", 0, func(f *fixture) {
		r := f.reporter()
		r.add(completedStats(1, f.now, 2))
		equal(f, "taken", r.send(f.store), 0)
		equal(f, "taken", r.send(f.store), 0)
		equal(f, "folded", f.fold(), 1)
		equal(f, "taken", r.send(f.store), 1)
		equal(f, "folded again", f.fold(), 0)
		f.counted(1, 2)
	}},
	{"of a report whose first part was taken meanwhile only the rest is added", 0, func(f *fixture) {
		r := f.reporter()
		r.add(completedStats(1, f.now, 2))
		r.send(f.store)
		f.fold()
		r.add(completedStats(1, f.now, 3))
		equal(f, "taken", r.send(f.store), 1)
		f.fold()
		f.counted(1, 5)
	}},
	{"a report that replaces one nobody took has all of it", 0, func(f *fixture) {
		r := f.reporter()
		r.add(completedStats(1, f.now, 2))
		r.send(f.store)
		r.add(completedStats(1, f.now, 3))
		equal(f, "taken", r.send(f.store), 0)
		equal(f, "folded", f.fold(), 1)
		f.counted(1, 5)
	}},
	{"a report that comes late changes nothing", 0, func(f *fixture) {
		r := f.reporter()
		r.add(completedStats(1, f.now, 2))
		late := r.report
		r.add(completedStats(1, f.now, 3))
		r.send(f.store)
		_, err := f.store.ReportStats(f.ctx, late)
		if err != nil {
			f.Logf("refused: %v", err)
		}
		f.fold()
		f.counted(1, 5)
	}},
	{"8 managers that fold at once add each report once", 0, func(f *fixture) {
		other := f.again()
		want := int64(0)
		for round := range int64(4) {
			for range 5 {
				r := f.reporter()
				r.add(completedStats(1, f.now, round+1))
				r.send(f.store)
				want += round + 1
			}
			f.together(8, func(i int) error {
				s := f.store
				if i%2 == 1 {
					s = other
				}
				_, err := s.FoldStats(f.ctx, 2+i, f.now)
				return err
			})
		}
		for f.fold() > 0 {
		}
		f.counted(1, want)
	}},
	{"a fold takes the reports of at most limit processes", 0, func(f *fixture) {
		for range 5 {
			r := f.reporter()
			r.add(completedStats(1, f.now, 1))
			r.send(f.store)
		}
		for _, want := range []int{2, 2, 1, 0} {
			n, err := f.store.FoldStats(f.ctx, 2, f.now)
			f.ok(err)
			equal(f, "taken", n, want)
		}
		f.counted(1, 5)
	}},
	{"an hour of minutes and a week of hours are kept of each queue, and no more", 0, func(f *fixture) {
		for range 3 * 60 {
			r := f.reporter()
			r.add(completedStats(1, f.now, 1))
			r.send(f.store)
			f.fold()
			f.tick(time.Minute)
		}
		f.fold()
		minutes, hours := f.stats(1)
		equal(f, "minutes", len(minutes), job.KeepMinutes-1) // of the one under way nothing was reported
		equal(f, "hours", len(hours), 3)
		equal(f, "completed in the first hour", hours[0].Completed, 60)
		equal(f, "rows", f.db.count(f, "SELECT COUNT(*) FROM slotq_stats"), job.KeepMinutes-1+3)
		f.tick((job.KeepHours - 3) * time.Hour)
		f.fold()
		_, hours = f.stats(1)
		equal(f, "hours a week later", len(hours), 2)
		f.tick(2 * time.Hour)
		f.fold()
		equal(f, "rows in the end", f.db.count(f, "SELECT COUNT(*) FROM slotq_stats"), 0)
	}},
	{"rows that are no longer kept are not shown before they are removed", 0, func(f *fixture) {
		r := f.reporter()
		r.add(completedStats(1, f.now, 1))
		r.send(f.store)
		f.fold()
		f.tick(job.KeepMinutes * time.Minute)
		minutes, hours := f.stats(1)
		equal(f, "minutes", len(minutes), 0)
		equal(f, "hours", len(hours), 1)
	}},
	{"a report that is an hour late goes into its hour, one that is days late nowhere", 0, func(f *fixture) {
		r := f.reporter()
		r.add(completedStats(1, f.now.Add(-2*time.Hour), 3), completedStats(1, f.now.Add(-job.StatsGood-2*time.Hour), 5), completedStats(1, f.now.Add(3*time.Hour), 7))
		r.send(f.store)
		equal(f, "taken", f.fold(), 1)
		minutes, hours := f.stats(1)
		equal(f, "minutes", len(minutes), 0)
		equal(f, "hours", len(hours), 1)
		equal(f, "completed", hours[0].Completed, 3)
	}},
	{"the row of a process that is silent for days goes, and never before it was taken", 0, func(f *fixture) {
		const rows = "SELECT COUNT(*) FROM slotq_counters"
		taken, waits := f.reporter(), f.reporter()
		taken.add(completedStats(1, f.now, 1))
		taken.send(f.store)
		f.fold()
		waits.add(completedStats(1, f.now, 1))
		waits.send(f.store)
		f.tick(2*job.StatsGood - time.Second)
		equal(f, "rows before", f.db.count(f, rows), 2)
		f.tick(2 * time.Second)
		equal(f, "taken", f.fold(), 1)
		equal(f, "rows", f.db.count(f, rows), 1)
		f.fold()
		equal(f, "rows in the end", f.db.count(f, rows), 0)
		// The process goes on as if nothing had happened.
		taken.add(completedStats(2, f.now, 4))
		taken.report.Taken = 1
		taken.send(f.store)
		f.fold()
		f.counted(2, 4)
	}},
	{"a claim tells which jobs somebody's own INSERT has stored", 0, func(f *fixture) {
		q := f.queue("direct")
		own := f.add(q)
		f.db.exec(f, "UPDATE slotq_jobs SET nonce = 0")
		f.tick(time.Millisecond)
		ours := f.add(q)
		w := f.worker()
		jobs := w.claim(q, 2)
		equal(f, "jobs", len(jobs), 2)
		for _, j := range jobs {
			equal(f, "direct", j.Direct, j.ID == own.ID)
			equal(f, "run", j.Run, 1)
			w.commit(released(j))
		}
		for _, j := range w.claim(q, 2) {
			equal(f, "direct", j.Direct, j.ID != ours.ID)
			equal(f, "run", j.Run, 2)
			w.commit(completed(j))
		}
	}},
	{"a claim tells how many expired jobs it has ended", 0, func(f *fixture) {
		q := f.queue("late")
		f.enqueue(f.jobs(q, 3, expiresAt(f.now.Add(time.Second)))...)
		f.tick(time.Minute)
		w := f.worker()
		c, err := w.take(w.request(q, 1, 10, f.now))
		f.ok(err)
		equal(f, "expired", c.Expired, 3)
	}},
	{"a report whose answer is lost is added once", 0, func(f *fixture) { f.accident(dbproxy.Lost, "", reportAccident) }},
	{"a report whose COMMIT is lost is added once", 0, func(f *fixture) { f.accident(dbproxy.Cut, "", reportAccident) }},
	{"a fold whose answer is lost adds once", 0, func(f *fixture) { f.accident(dbproxy.Lost, "", foldAccident) }},
	{"a fold whose COMMIT is lost adds once", 0, func(f *fixture) { f.accident(dbproxy.Cut, "", foldAccident) }},
	{"a fold whose COMMIT lands later adds once", 0, func(f *fixture) { f.accident(dbproxy.Late, "update slotq_counters", foldAccident) }},
}

func reportAccident(f *fixture, behind store.Store, arm func()) {
	r := f.reporter()
	r.add(completedStats(1, f.now, 2))
	arm()
	r.send(behind)
	f.fold()
	r.add(completedStats(1, f.now, 3))
	r.send(behind)
	f.fold()
	f.counted(1, 5)
}

func foldAccident(f *fixture, behind store.Store, arm func()) {
	r := f.reporter()
	r.add(completedStats(1, f.now, 2))
	r.send(f.store)
	f.fold()
	r.add(completedStats(1, f.now, 3))
	r.send(f.store)
	arm()
	_, err := behind.FoldStats(f.ctx, 10, f.now)
	f.ok(err)
	f.fold()
	f.counted(1, 5)
}
