package server

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// Sizes of a page.
const (
	defaultPage = 100
	maxPage     = 1000
)

func (s *Server) listJobs(_ http.ResponseWriter, r *http.Request) (answer, error) {
	q := query(r)
	f := job.Filter{Queues: accessOf(r.Context()).patterns()}
	page := job.Page{Limit: defaultPage}
	q.text("queue", &f.Queue, job.CheckName)
	q.text("kind", &f.Kind, job.CheckName)
	q.text("tag", &f.Tag, job.CheckKey)
	q.text("concurrency_key", &f.ConcurrencyKey, job.CheckKey)
	q.text("unique_key", &f.UniqueKey, job.CheckKey)
	q.count("slot", &f.Slot, job.MaxSlots)
	q.count("limit", &page.Limit, maxPage)
	var states, at string
	q.text("state", &states, func(v string) string {
		for name := range strings.SplitSeq(v, ",") {
			state, err := job.ParseState(name)
			if err != nil {
				return "must be a comma-separated list of " + stateNames()
			}
			if !slices.Contains(f.States, state) {
				f.States = append(f.States, state)
			}
		}
		return ""
	})
	q.text("cursor", &at, func(v string) string {
		var ok bool
		if page.Before, ok = parseCursor(v, f); !ok {
			return "is none that this list has given: take next_cursor as it is, with the same filters"
		}
		return ""
	})
	if err := refuse(q.bad); err != nil {
		return answer{}, err
	}
	listed, err := within(r.Context(), s, func(ctx context.Context) (job.Listed, error) { return s.Store.List(ctx, f, page) })
	if err != nil {
		return answer{}, err
	}
	out := &wire.JobPage{Jobs: make([]wire.Job, len(listed.Jobs))}
	for i, j := range listed.Jobs {
		out.Jobs[i] = wire.JobOf(j)
		out.Jobs[i].Conceal()
	}
	if listed.Next != (job.ID{}) {
		out.NextCursor = cursor(listed.Next, f)
	}
	return answer{status: http.StatusOK, body: out}, nil
}

func stateNames() string {
	names := make([]string, len(job.States))
	for i, st := range job.States {
		names[i] = st.String()
	}
	return strings.Join(names, ", ")
}
