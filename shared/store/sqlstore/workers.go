package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Register implements store.Work.
func (s *Store) Register(ctx context.Context, w job.Worker) error {
	queues, slots, kinds, err := encodeShare(w)
	if err != nil {
		return err
	}
	return s.write(ctx, "register", func(ctx context.Context, tx Tx, again bool) error {
		// Quiet: an id is drawn from 63 random bits, so a row of that id is an earlier try of this very call.
		return tx.Insert(ctx, "slotq_workers", []string{"id", "name", "beat", "dead", "quiet", "stop", "lease_us", "concurrency", "running", "queues", "slots", "kinds", "nudge", "started_at", "beat_at"},
			[][]any{{w.ID, w.Name, 0, 0, flag(w.Quiet), 0, w.Lease.Microseconds(), w.Concurrency, 0, queues, slots, kinds, w.Nudge, w.StartedAt, w.StartedAt}}, again)
	})
}

func encodeShare(w job.Worker) (queues, slots, kinds []byte, err error) {
	if queues, err = json.Marshal(w.Queues); err != nil {
		return
	}
	if slots, err = json.Marshal(w.Slots); err != nil {
		return
	}
	kinds, err = json.Marshal(w.Kinds)
	return
}

// Beat implements store.Work. It has a connection of its own, and reads only after its write said that the worker
// lives. No transaction: a beat more or less does no harm, and an idle worker should cost little.
func (s *Store) Beat(ctx context.Context, w job.WorkerID, running []job.ID) (job.Beat, error) {
	var b job.Beat
	err := s.try(ctx, s.beats, "beat", func(ctx context.Context, _ bool) (_ bool, err error) {
		b, err = s.beat(ctx, w, running)
		return false, err
	})
	return b, err
}

func (s *Store) beat(ctx context.Context, w job.WorkerID, running []job.ID) (b job.Beat, err error) {
	n, err := s.beats.Exec(ctx, "UPDATE slotq_workers SET beat = beat + 1, beat_at = {now}, running = ? WHERE id = ? AND dead = 0", len(running), w)
	if err == nil && n != 1 {
		err = job.ErrWorkerDead
	}
	if err != nil {
		return b, err
	}
	if len(running) > 0 {
		rows, err := s.beats.Query(ctx, "SELECT id, token FROM slotq_jobs j {by id} WHERE id IN (??) AND cancel_at <> 0", running)
		err = each(rows, err, func(r Rows) error {
			var h job.Held
			err := r.Scan(&h.ID, &h.Token)
			if h.Token.Worker() == w {
				b.Cancelled = append(b.Cancelled, h.ID)
			}
			return err
		})
		if err != nil {
			return b, err
		}
	}
	// The time is read last, and is not beat_at, from before the write was safe: its way back is what the worker's clock may be behind.
	rows, err := s.beats.Query(ctx, "SELECT {now}, quiet, stop FROM slotq_workers WHERE id = ?", w)
	err = each(rows, err, func(r Rows) error {
		var quiet, stop int
		err := r.Scan(&b.Now, &quiet, &stop)
		b.Quiet, b.Stop = quiet != 0, stop != 0
		return err
	})
	return b, err
}

// Leave implements store.Work.
func (s *Store) Leave(ctx context.Context, w job.WorkerID) error {
	return s.write(ctx, "leave", func(ctx context.Context, tx Tx, _ bool) error {
		n, err := tx.Exec(ctx, "DELETE FROM slotq_workers WHERE id = ? AND NOT EXISTS (SELECT 1 FROM slotq_claims c WHERE c.worker_id = ?)", w, w)
		if err != nil || n == 1 {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE slotq_workers SET dead = 1 WHERE id = ?", w) // it is gone; what it left is rescued at once
		return err
	})
}

// Workers implements store.Manage.
func (s *Store) Workers(ctx context.Context) (workers []job.Worker, err error) {
	err = s.read(ctx, "workers", workerQuery+" ORDER BY started_at, id", nil, func(r Rows) error {
		w, err := scanWorker(r)
		workers = append(workers, w)
		return err
	})
	return workers, err
}

const workerQuery = "SELECT id, name, beat, dead, quiet, stop, lease_us, concurrency, running, queues, slots, kinds, nudge, started_at, beat_at FROM slotq_workers"

func scanWorker(r Rows) (job.Worker, error) {
	var w job.Worker
	var dead, quiet, stop int
	var lease int64
	var queues, slots, kinds []byte
	if err := r.Scan(&w.ID, &w.Name, &w.Beat, &dead, &quiet, &stop, &lease, &w.Concurrency, &w.Running, &queues, &slots, &kinds, &w.Nudge, &w.StartedAt, &w.BeatAt); err != nil {
		return w, err
	}
	w.Dead, w.Quiet, w.Stop, w.Lease = dead != 0, quiet != 0, stop != 0, time.Duration(lease)*time.Microsecond
	for _, f := range []struct {
		b  []byte
		to any
	}{{queues, &w.Queues}, {slots, &w.Slots}, {kinds, &w.Kinds}} {
		if err := json.Unmarshal(f.b, f.to); err != nil {
			return w, err
		}
	}
	return w, nil
}

// CommandWorker implements store.Manage.
func (s *Store) CommandWorker(ctx context.Context, id job.WorkerID, quiet, stop bool) (w job.Worker, err error) {
	err = s.write(ctx, "command_worker", func(ctx context.Context, tx Tx, _ bool) error {
		n, err := tx.Exec(ctx, "UPDATE slotq_workers SET quiet = ?, stop = ? WHERE id = ? AND dead = 0", flag(quiet || stop), flag(stop), id)
		if err != nil {
			return err
		}
		if n != 1 {
			return job.ErrNotFound
		}
		rows, err := tx.Query(ctx, workerQuery+" WHERE id = ?", id)
		return each(rows, err, func(r Rows) (err error) {
			w, err = scanWorker(r)
			return err
		})
	})
	return w, err
}
