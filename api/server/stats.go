package server

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"

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
	query := r.URL.Query() // checked: no unknown name, none twice
	var bad []wire.FieldError
	name, after, limit := query.Get("queue"), "", statsPage
	if detail := job.CheckName(name); query.Has("queue") && detail != "" {
		bad = append(bad, wire.FieldError{Parameter: "queue", Detail: detail})
	}
	if query.Has("limit") {
		var err error
		if limit, err = strconv.Atoi(query.Get("limit")); err != nil || limit < 1 || limit > store.StatsQueues {
			bad = append(bad, wire.FieldError{Parameter: "limit", Detail: "must be an integer from 1 to " + strconv.Itoa(store.StatsQueues)})
		}
	}
	if query.Has("cursor") {
		var ok bool
		if after, ok = parseStatsCursor(query.Get("cursor")); !ok || name != "" {
			bad = append(bad, wire.FieldError{Parameter: "cursor", Detail: "is none that this list has given: take next_cursor as it is, without a queue"})
		}
	}
	if err := refuse(bad); err != nil {
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

// A cursor of this list is the last queue's name and a hash over it, for the reason that the other list's has one.
func statsCursor(name string) string {
	return base64.RawURLEncoding.EncodeToString(append(statsSum(name), name...))
}

func parseStatsCursor(s string) (name string, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) <= cursorHash {
		return "", false
	}
	name = string(b[cursorHash:])
	return name, slices.Equal(b[:cursorHash], statsSum(name))
}

func statsSum(name string) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "slotq stats cursor 1 %q", name))
	return sum[:cursorHash]
}
