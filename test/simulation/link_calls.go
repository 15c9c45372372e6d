package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// link is a process's way to the database. Every call meets the faults that are drawn for it, and the judge sees its
// effect.
type link struct {
	store.Store // what no process calls
	p           *process
}

func (l *link) db() store.Store { return l.p.w.db }

// bg is the context within a transaction: its caller's must not cut it.
var bg = context.Background()

// two carries two results through call.
type two[A, B any] struct {
	a A
	b B
}

func nothing(err error) (struct{}, error) { return struct{}{}, err }

func (l *link) Now(ctx context.Context) (job.Time, error) {
	return call(ctx, l.p, "now", false, func() (job.Time, error) { return l.p.w.now(), nil })
}

// OpenActions has none: nobody in the simulation makes one, and the look for them draws no fault.
func (l *link) OpenActions(context.Context, int) ([]job.ID, error) { return nil, nil }

func (l *link) Enqueue(ctx context.Context, jobs []*job.Job, atomic bool) ([]job.Enqueued, error) {
	return call(ctx, l.p, "enqueue", true, func() ([]job.Enqueued, error) {
		out, err := l.db().Enqueue(bg, jobs, atomic)
		l.p.w.judge.enqueued(jobs, out)
		return out, err
	})
}

// EnqueueClaimed is a claim as well: for a worker, whoever stores the jobs.
func (l *link) EnqueueClaimed(ctx context.Context, jobs []*job.Job, c job.Claim) ([]job.Enqueued, error) {
	return call(ctx, l.p, "enqueue claimed", true, func() ([]job.Enqueued, error) {
		out, err := l.db().EnqueueClaimed(bg, jobs, c)
		l.p.w.judge.enqueued(jobs, out)
		if err == nil && anyClaimed(out) {
			held, err := l.db().Fetch(bg, c, c.ClaimedAt)
			l.p.w.judge.claimed(l.p, job.ClaimRequest{Slot: c.Slot, Token: c.Token, Now: c.ClaimedAt}, job.Claimed{Jobs: held}, err)
			l.p.w.counts["jobs claimed as they are stored"] += len(held)
		}
		return out, err
	})
}

func anyClaimed(out []job.Enqueued) bool {
	return slices.ContainsFunc(out, func(e job.Enqueued) bool { return e.Claimed })
}

func (l *link) Fetch(ctx context.Context, c job.Claim, now job.Time) ([]*job.Job, error) {
	return callOn(ctx, l.p, "fetch", short(c.IDs[0]), false, func() ([]*job.Job, error) { return l.db().Fetch(bg, c, now) })
}

func (l *link) NewClaims(ctx context.Context, id job.WorkerID, known func(job.Token) bool) ([]job.Claim, error) {
	return call(ctx, l.p, "new claims", false, func() ([]job.Claim, error) {
		claims, err := l.db().NewClaims(bg, id, known)
		l.p.w.counts["claims that a worker was not told of"] += len(claims)
		return claims, err
	})
}

func (l *link) Get(ctx context.Context, id job.ID) (*job.Job, error) {
	return call(ctx, l.p, "get", false, func() (*job.Job, error) { return l.db().Get(bg, id) })
}

func (l *link) Cancel(ctx context.Context, id job.ID, now job.Time) (*job.Job, error) {
	return call(ctx, l.p, "cancel", true, func() (*job.Job, error) {
		j, err := l.db().Cancel(bg, id, now)
		l.p.w.judge.cancelled(id, j, err)
		return j, err
	})
}

func (l *link) Retry(ctx context.Context, id job.ID, now job.Time) (*job.Job, error) {
	return call(ctx, l.p, "retry", true, func() (*job.Job, error) {
		before, err := l.db().Get(bg, id)
		if err != nil {
			return nil, err
		}
		j, err := l.db().Retry(bg, id, now)
		l.p.w.judge.retried(id, before.State.Finished(), now, err)
		return j, err
	})
}

func (l *link) RunNow(ctx context.Context, id job.ID, now job.Time) (*job.Job, error) {
	return call(ctx, l.p, "run now", true, func() (*job.Job, error) {
		j, err := l.db().RunNow(bg, id, now)
		l.p.w.judge.dueNow(id, j, err)
		return j, err
	})
}

func (l *link) ListQueues(ctx context.Context, deleted bool) ([]job.Queue, error) {
	return call(ctx, l.p, "queues", false, func() ([]job.Queue, error) { return l.db().ListQueues(bg, deleted) })
}

func (l *link) UpdateQueue(ctx context.Context, name string, change func(*job.Queue) error) (job.Queue, error) {
	return call(ctx, l.p, "update queue", true, func() (job.Queue, error) { return l.db().UpdateQueue(bg, name, change) })
}

func (l *link) PauseQueue(ctx context.Context, name string, paused bool) (job.Queue, error) {
	return call(ctx, l.p, "pause queue", true, func() (job.Queue, error) {
		q, err := l.db().PauseQueue(bg, name, paused)
		if err == nil {
			l.p.w.judge.paused[q.ID] = paused
			l.p.w.count("pauses and resumes")
		}
		return q, err
	})
}

func (l *link) Slots(ctx context.Context, queueID int32) ([]job.SlotRow, error) {
	return call(ctx, l.p, "slots", false, func() ([]job.SlotRow, error) { return l.db().Slots(bg, queueID) })
}

func (l *link) Count(ctx context.Context, s job.Slot, after job.Position, now job.Time) ([]job.Count, *job.Position, error) {
	r, err := call(ctx, l.p, "count", false, func() (two[[]job.Count, *job.Position], error) {
		counts, next, err := l.db().Count(bg, s, after, now)
		return two[[]job.Count, *job.Position]{counts, next}, err
	})
	return r.a, r.b, err
}

func (l *link) Register(ctx context.Context, w job.Worker) error {
	_, err := call(ctx, l.p, "register", true, func() (struct{}, error) { return nothing(l.db().Register(bg, w)) })
	return err
}

func (l *link) Beat(ctx context.Context, id job.WorkerID, running []job.ID) (job.Beat, error) {
	return call(ctx, l.p, "beat", true, func() (job.Beat, error) {
		b, err := l.db().Beat(bg, id, running)
		if err == job.ErrWorkerDead {
			l.p.w.count("dead workers told so")
		}
		return b, err
	})
}

func (l *link) Leave(ctx context.Context, id job.WorkerID) error {
	_, err := call(ctx, l.p, "leave", true, func() (struct{}, error) { return nothing(l.db().Leave(bg, id)) })
	return err
}

func (l *link) Poll(ctx context.Context, slots []job.Slot, now job.Time) ([]job.Slot, error) {
	return call(ctx, l.p, "poll", false, func() ([]job.Slot, error) { return l.db().Poll(bg, slots, now) })
}

func (l *link) Claim(ctx context.Context, r job.ClaimRequest) (job.Claimed, error) {
	return callOn(ctx, l.p, "claim", fmt.Sprint(r.Slot), true, func() (job.Claimed, error) {
		out, err := l.db().Claim(bg, r)
		l.p.w.judge.claimed(l.p, r, out, err)
		return out, err
	})
}

func (l *link) Finish(ctx context.Context, id job.WorkerID, outcomes []job.Outcome, done []job.Token, now job.Time) ([]job.Verdict, error) {
	return call(ctx, l.p, "finish", true, func() ([]job.Verdict, error) {
		verdicts, err := l.db().Finish(bg, id, outcomes, done, now)
		l.p.w.judge.finished(l.p, outcomes, verdicts)
		return verdicts, err
	})
}

func (l *link) Claims(ctx context.Context, id job.WorkerID) ([]job.Claim, error) {
	return call(ctx, l.p, "claims", false, func() ([]job.Claim, error) { return l.db().Claims(bg, id) })
}

func (l *link) GiveBack(ctx context.Context, c job.Claim, now job.Time) (int, error) {
	return call(ctx, l.p, "give back", true, func() (int, error) {
		n, err := l.db().GiveBack(bg, c, now)
		l.p.w.judge.givenBack(c, n)
		return n, err
	})
}

func (l *link) Workers(ctx context.Context) ([]job.Worker, error) {
	return call(ctx, l.p, "workers", false, func() ([]job.Worker, error) { return l.db().Workers(bg) })
}

func (l *link) DeclareDead(ctx context.Context, id job.WorkerID, beat int64) (bool, error) {
	return call(ctx, l.p, "declare dead", true, func() (bool, error) {
		dead, err := l.db().DeclareDead(bg, id, beat)
		if dead {
			l.p.w.count("workers declared dead")
		}
		return dead, err
	})
}

func (l *link) Orphans(ctx context.Context, limit int) ([]job.Claim, error) {
	return call(ctx, l.p, "orphans", false, func() ([]job.Claim, error) { return l.db().Orphans(bg, limit) })
}

func (l *link) Rescue(ctx context.Context, c job.Claim, counted bool, lease time.Duration, now job.Time) ([]job.Outcome, error) {
	return call(ctx, l.p, "rescue", true, func() ([]job.Outcome, error) {
		out, err := l.db().Rescue(bg, c, counted, lease, now)
		l.p.w.judge.rescued(c, counted, out)
		return out, err
	})
}

func (l *link) Expire(ctx context.Context, limit int, now job.Time) ([]*job.Job, error) {
	return call(ctx, l.p, "expire", true, func() ([]*job.Job, error) {
		expired, err := l.db().Expire(bg, limit, now)
		l.p.w.counts["jobs expired by a sweep"] += len(expired)
		return expired, err
	})
}

func (l *link) Prune(ctx context.Context, limit int, now job.Time) (int, error) {
	return call(ctx, l.p, "prune", true, func() (int, error) { return l.db().Prune(bg, limit, now) })
}

func (l *link) Unblock(ctx context.Context, after *job.Key, limit int) (*job.Key, int, error) {
	r, err := call(ctx, l.p, "unblock", true, func() (two[*job.Key, int], error) {
		next, freed, err := l.db().Unblock(bg, after, limit)
		return two[*job.Key, int]{next, freed}, err
	})
	return r.a, r.b, err
}

func (l *link) Turn(ctx context.Context, loop string, holder job.WorkerID, interval time.Duration, now job.Time) (bool, error) {
	return call(ctx, l.p, "turn", true, func() (bool, error) { return l.db().Turn(bg, loop, holder, interval, now) })
}

func (l *link) ReportStats(ctx context.Context, r job.StatsReport) (int64, error) {
	return call(ctx, l.p, "report stats", true, func() (int64, error) { return l.db().ReportStats(bg, r) })
}

func (l *link) FoldStats(ctx context.Context, limit int, now job.Time) (int, error) {
	return call(ctx, l.p, "fold stats", true, func() (int, error) { return l.db().FoldStats(bg, limit, now) })
}
