package ui

import (
	"net/url"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// action shows how far an action is.
func (s *site) action(l *look) (any, error) {
	id, err := job.ParseID(l.r.URL.Query().Get("id"))
	if err != nil {
		return nil, job.ErrNotFound
	}
	a, err := l.client.Action(l.ctx, id)
	if err != nil {
		return nil, err
	}
	l.title = "Action"
	l.still = a.State == wire.ActionFinished
	return a, nil
}

// act begins an action: Retry all of a kind that failed.
func act(l *look, form url.Values) (to, note string, err error) {
	if form.Get("do") != string(job.VerbRetry) || form.Get("kind") == "" {
		return "", "", errUnknownForm
	}
	a, err := l.client.Act(l.ctx, wire.NewAction{Action: string(job.VerbRetry), Filter: wire.ActionFilter{
		Kind: form.Get("kind"), States: []job.State{job.Retryable, job.Discarded},
	}})
	return "action?id=" + a.ID.String(), "", err
}
