package storetest

import (
	"time"

	"github.com/slotq/slotq/shared/job"
)

// front is how many jobs stand before the one that may be taken: more than one try reads.
const front = 2500

var scanTests = []Test{
	{"2,500 jobs of an unserved kind delay a served one and never hide it", 8, func(f *fixture) {
		q := f.queue("scan")
		f.fill(q, kind("nobody"))
		f.tick(time.Millisecond)
		served := f.add(q, kind("mine"))
		f.foundBehind(q, served, false)
	}},
	{"2,500 newer jobs of an unserved kind never hide a served one from lifo", 8, func(f *fixture) {
		q := f.queue("scan")
		served := f.add(q, kind("mine"))
		f.tick(time.Millisecond)
		f.fill(q, kind("nobody"))
		f.foundBehind(q, served, true)
	}},
	{"an unserved front in one priority does not hide the next priority", 8, func(f *fixture) {
		q := f.queue("scan")
		f.fill(q, kind("nobody"), priority(1))
		served := f.add(q, kind("mine"), priority(4))
		f.foundBehind(q, served, false)
	}},
	{"2,500 suspects in front never hide another job", 8, func(f *fixture) {
		q := f.queue("scan")
		f.fill(q, kind("mine"))
		f.db.exec(f, "UPDATE slotq_jobs SET crashes = 1")
		f.tick(time.Millisecond)
		f.foundBehind(q, f.add(q, kind("mine")), false)
	}},
	{"a job put back before the mark is found when the mark has passed", 8, func(f *fixture) {
		q := f.queue("scan")
		first := f.add(q, kind("mine"))
		holder, w := f.worker(), f.worker()
		held := holder.one(q)
		f.fill(q, kind("nobody"))
		marks := job.NewMarks()
		with := func(r *job.ClaimRequest) { r.Marks = marks }
		for range 4 {
			equal(f, "jobs", len(w.claim(q, 5, serves("mine"), with)), 0)
		}
		holder.commit(released(held))
		f.now += job.MarkTTL + 1
		jobs := w.claim(q, 5, serves("mine"), with)
		equal(f, "jobs", len(jobs), 1)
		equal(f, "job", jobs[0].ID, first.ID)
	}},
	{"a job committed late, before the mark, is found by the next claim that looks for what is new", 8, func(f *fixture) {
		q := f.queue("scan")
		f.add(q, kind("nobody"))
		due := f.now
		f.tick(10 * time.Millisecond)
		f.add(q, kind("nobody"))
		marks, w := job.NewMarks(), f.worker()
		with := func(r *job.ClaimRequest) { r.Marks = marks }
		equal(f, "jobs", len(w.claim(q, 5, serves("mine"), with)), 0)
		late := f.dueAt(q, due, kind("mine"))
		f.enqueue(late)
		marks.Unsettle()
		jobs := w.claim(q, 5, serves("mine"), with)
		equal(f, "jobs", len(jobs), 1)
		equal(f, "job", jobs[0].ID, late.ID)
	}},
	{"a front that is gone lets no lower priority pass", 0, func(f *fixture) {
		q := f.queue("scan")
		f.enqueue(f.jobs(q, 60, kind("nobody"), priority(1))...)
		marks, w := job.NewMarks(), f.worker()
		with := func(r *job.ClaimRequest) { r.Marks = marks }
		equal(f, "jobs", len(w.claim(q, 50, serves("mine"), with)), 0)
		f.db.exec(f, "UPDATE slotq_jobs SET kind = 'mine'")
		f.now += job.MarkTTL + 1
		low := f.add(q, kind("mine"), priority(4))
		for taken := 0; taken < 60; {
			jobs := w.claim(q, 50, serves("mine"), with)
			if len(jobs) == 0 {
				f.Fatalf("%d of 60 jobs of the first priority were taken", taken)
			}
			for _, j := range jobs {
				if j.ID == low.ID && taken < 60 {
					f.Fatalf("the last priority was taken after %d of 60 of the first", taken)
				}
				taken++
			}
		}
	}},
	{"marks of claims that may take no suspect hide none from those that may", 8, func(f *fixture) {
		q := f.queue("scan")
		f.fill(q, kind("nobody"))
		bad := f.add(q, kind("mine"), maxCrashes(9))
		f.db.exec(f, "UPDATE slotq_jobs SET crashes = 1 WHERE kind = 'mine'")
		f.tick(time.Millisecond)
		f.fill(q, kind("nobody"))
		marks, w := job.NewMarks(), f.worker()
		for range 8 {
			equal(f, "jobs", len(w.claim(q, 5, serves("mine"), func(r *job.ClaimRequest) { r.Marks = marks })), 0)
		}
		for range 8 {
			for _, j := range w.claim(q, 5, serves("mine"), suspects, func(r *job.ClaimRequest) { r.Marks = marks }) {
				equal(f, "the suspect", j.ID, bad.ID)
				return
			}
		}
		f.Fatal("the suspect was not found")
	}},
	{"a suspect is skipped by who may take none, and is a claim's only job", 6, func(f *fixture) {
		q := f.queue("suspect")
		bad := f.add(q, maxCrashes(9))
		w := f.worker()
		w.one(q)
		f.crash(w)
		f.tick(time.Millisecond)
		good := f.jobs(q, 3)
		f.enqueue(good...)
		w = f.worker()
		blind, err := w.take(w.request(q, 1, 10, f.now))
		f.ok(err)
		jobs := blind.Jobs
		equal(f, "jobs without the suspect", len(jobs), 3)
		equal(f, "says that there is a suspect", blind.Suspects, true)
		for _, j := range jobs {
			w.commit(released(j))
		}
		c, err := w.take(w.request(q, 1, 10, f.now, suspects))
		f.ok(err)
		equal(f, "jobs with the suspect", len(c.Jobs), 1)
		equal(f, "the suspect", c.Jobs[0].ID, bad.ID)
		equal(f, "more", c.More, true)
		claims, err := f.store.Claims(f.ctx, w.id)
		f.ok(err)
		equal(f, "claim of a suspect", claims[0].Suspect, true)
		equal(f, "the rest", len(w.claim(q, 10, suspects)), 3)
	}},
	{"a suspect behind other jobs is not taken with them", 6, func(f *fixture) {
		q := f.queue("suspect")
		f.enqueue(f.jobs(q, 2, priority(1))...)
		bad := f.add(q, priority(4), maxCrashes(9))
		f.db.exec(f, "UPDATE slotq_jobs SET crashes = 1 WHERE priority = 4")
		w := f.worker()
		for range 3 {
			jobs := w.claim(q, 10, suspects)
			for _, j := range jobs {
				if j.ID == bad.ID && len(jobs) != 1 {
					f.Fatalf("the suspect was claimed with %d others", len(jobs)-1)
				}
			}
			if len(jobs) == 1 && jobs[0].ID == bad.ID {
				return
			}
		}
		f.Fatal("the suspect was not claimed")
	}},
}

// fill puts a front of jobs into slot 1.
func (f *fixture) fill(q job.Queue, set ...func(*job.Spec)) {
	f.Helper()
	for range front / 500 {
		f.enqueue(f.jobs(q, 500, set...)...)
	}
}

// foundBehind claims with marks until the served job comes; every try that ends early must say that there is more.
func (f *fixture) foundBehind(q job.Queue, served *job.Job, newest bool) {
	f.Helper()
	w := f.worker()
	marks := job.NewMarks()
	for try := 1; try <= 2*front/job.ScanRows+2; try++ {
		c, err := w.take(w.request(q, 1, 5, f.now, serves("mine"), func(r *job.ClaimRequest) { r.Marks, r.LIFO = marks, newest }))
		f.ok(err)
		if len(c.Jobs) == 1 && c.Jobs[0].ID == served.ID {
			return
		}
		equal(f, "jobs", len(c.Jobs), 0)
		equal(f, "more", c.More, true)
	}
	f.Fatal("the served job was not found")
}
