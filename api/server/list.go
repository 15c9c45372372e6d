package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"
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
	query := r.URL.Query() // checked: no unknown name, none twice
	f := job.Filter{Queues: accessOf(r.Context()).patterns()}
	page := job.Page{Limit: defaultPage}
	var bad []wire.FieldError
	read := func(name string, into *string, check func(string) string) {
		if !query.Has(name) {
			return
		}
		*into = query.Get(name)
		if detail := check(*into); detail != "" {
			bad = append(bad, wire.FieldError{Parameter: name, Detail: detail})
		}
	}
	count := func(name string, into *int, most int) {
		var digits string
		read(name, &digits, func(v string) (wrong string) {
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 || n > most {
				return "must be an integer from 1 to " + strconv.Itoa(most)
			}
			*into = n
			return ""
		})
	}
	read("queue", &f.Queue, job.CheckName)
	read("kind", &f.Kind, job.CheckName)
	read("tag", &f.Tag, job.CheckKey)
	read("concurrency_key", &f.ConcurrencyKey, job.CheckKey)
	read("unique_key", &f.UniqueKey, job.CheckKey)
	count("slot", &f.Slot, job.MaxSlots)
	count("limit", &page.Limit, maxPage)
	var states, at string
	read("state", &states, func(v string) string {
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
	read("cursor", &at, func(v string) string {
		var ok bool
		if page.Before, ok = parseCursor(v, f); !ok {
			return "is none that this list has given: take next_cursor as it is, with the same filters"
		}
		return ""
	})
	if err := refuse(bad); err != nil {
		return answer{}, err
	}
	listed, err := within(r.Context(), s, func(ctx context.Context) (job.Listed, error) { return s.Store.List(ctx, f, page) })
	if err != nil {
		return answer{}, err
	}
	out := &wire.JobPage{Jobs: make([]wire.Job, len(listed.Jobs))}
	for i, j := range listed.Jobs {
		out.Jobs[i] = wire.JobOf(j)
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
