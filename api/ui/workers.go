package ui

import (
	"net/url"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// workerRow is a worker in a list.
type workerRow struct {
	wire.Worker
	Mark mark
	Held []wire.Job // what it runs now
	More bool       // and others
}

// heldShown is how many jobs of a worker are shown.
const heldShown = 10

func workerRows(workers []wire.Worker, marks map[job.WorkerID]mark) []workerRow {
	rows := make([]workerRow, len(workers))
	for i, w := range workers {
		rows[i] = workerRow{Worker: w, Mark: marks[w.ID]}
	}
	return rows
}

func (s *site) workers(l *look) (any, error) {
	b, err := l.busy()
	if err != nil {
		return nil, err
	}
	workers, err := l.allWorkers()
	if err != nil {
		return nil, err
	}
	rows := workerRows(workers, b.marks)
	for i := range rows {
		if rows[i].Held, rows[i].More, err = l.API.Held(l.ctx, rows[i].ID, heldShown); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func commandWorker(l *look, form url.Values) (to, note string, err error) {
	id, err := job.ParseWorkerID(form.Get("id"))
	if err != nil {
		return "", "", job.ErrNotFound
	}
	switch note = form.Get("do"); note {
	case "quiet":
		_, err = l.client.QuietWorker(l.ctx, id)
	case "stop":
		_, err = l.client.StopWorker(l.ctx, id)
	default:
		err = errUnknownForm
	}
	return "workers", note, err
}
