package server

import (
	"context"
	"net/http"
	"slices"

	"github.com/slotq/slotq/api/openapi"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/wire"
)

// statsPage is how many queues a page has: each has up to 228 minutes and hours.
const statsPage = 20

func statsParameters() []openapi.Parameter {
	return []openapi.Parameter{
		{Name: "queue", Doc: "Of this queue alone.", Schema: map[string]any{"type": "string", "minLength": 1, "maxLength": job.MaxName}},
		{Name: "limit", Doc: "The most queues of a page.", Schema: map[string]any{"type": "integer", "minimum": 1, "maximum": store.StatsQueues, "default": statsPage}},
		{Name: "cursor", Doc: "next_cursor of the page before.", Schema: map[string]any{"type": "string", "minLength": 1}},
	}
}

func (s *Server) listStats(_ http.ResponseWriter, r *http.Request) (answer, error) {
	q := query(r)
	name, at, after, limit := "", "", "", statsPage
	q.text("queue", &name, job.CheckName)
	q.count("limit", &limit, store.StatsQueues)
	q.text("cursor", &at, func(v string) (wrong string) {
		var ok bool
		if after, ok = parseStatsCursor(v); !ok || name != "" {
			return "is none that this list has given: take next_cursor as it is, without a queue"
		}
		return ""
	})
	if err := refuse(q.bad); err != nil {
		return answer{}, err
	}
	out, err := within(r.Context(), s, func(ctx context.Context) (wire.StatsPage, error) {
		return s.stats(ctx, accessOf(r.Context()), name, after, limit)
	})
	return answer{status: http.StatusOK, body: out}, err
}

func (s *Server) stats(ctx context.Context, a access, name, after string, limit int) (page wire.StatsPage, err error) {
	queues, err := s.Store.ListQueues(ctx, false)
	if err != nil {
		return page, err
	}
	queues = slices.DeleteFunc(queues, func(q job.Queue) bool { return name != "" && q.Name != name || q.Name <= after || !a.sees(q.Name) })
	if name != "" && len(queues) == 0 {
		return page, job.ErrNotFound
	}
	if len(queues) > limit {
		queues = queues[:limit]
		page.NextCursor = statsCursor(queues[limit-1].Name)
	}
	ids := make([]int32, len(queues))
	for i, q := range queues {
		ids[i] = q.ID
	}
	list, err := s.Store.ListStats(ctx, ids, s.Clock.Now())
	page.Queues = wire.QueueStatsOf(queues, list)
	return page, err
}
