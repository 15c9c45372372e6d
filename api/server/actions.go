package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/slotq/slotq/api/strict"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// newAction is the body of a request for an action.
type newAction struct {
	job.BulkAction
	all    bool
	filter strict.Value
}

// actionFields are the fields of an action, choiceFields those of its filter; wire.NewAction and wire.ActionFilter have the
// same, which a test checks.
var actionFields = fields[newAction]{
	"action": func(a *newAction, v strict.Value) string {
		return text((*string)(&a.Verb), v, accept) // the domain knows the verbs
	},
	"filter":  func(a *newAction, v strict.Value) string { a.filter = v; return "" },
	"all":     func(a *newAction, v strict.Value) string { return boolean(&a.all, v) },
	"dry_run": func(a *newAction, v strict.Value) string { return boolean(&a.DryRun, v) },
}

var choiceFields = fields[job.Choice]{
	"queue":           func(c *job.Choice, v strict.Value) string { return text(&c.Queue, v, job.CheckName) },
	"kind":            func(c *job.Choice, v strict.Value) string { return text(&c.Kind, v, job.CheckName) },
	"tag":             func(c *job.Choice, v strict.Value) string { return text(&c.Tag, v, job.CheckKey) },
	"concurrency_key": func(c *job.Choice, v strict.Value) string { return text(&c.ConcurrencyKey, v, job.CheckKey) },
	"created_after":   func(c *job.Choice, v strict.Value) string { return moment(&c.CreatedAfter, v) },
	"created_before":  func(c *job.Choice, v strict.Value) string { return moment(&c.CreatedBefore, v) },
	"state": func(c *job.Choice, v strict.Value) string {
		c.States = []job.State{}
		return elements(v, len(job.States), "must be an array of states: "+stateNames(), func(e strict.Value) bool {
			name, _ := e.Text()
			state, err := job.ParseState(name)
			c.States = append(c.States, state)
			return err == nil
		})
	},
	"ids": func(c *job.Choice, v strict.Value) string {
		c.IDs = []job.ID{}
		return elements(v, job.MaxActionIDs, "must be an array of 1 to 1000 UUIDs", func(e strict.Value) bool {
			name, _ := e.Text()
			id, err := job.ParseID(name)
			c.IDs = append(c.IDs, id)
			return err == nil
		})
	},
}

// elements reads an array of 1 to most strings. An empty one is refused: it chooses nothing, and left out it chooses all.
func elements(v strict.Value, most int, wrong string, take func(strict.Value) bool) string {
	if v.Is() != '[' {
		return wrong
	}
	n := 0
	for _, e := range v.Elements() {
		if n++; n > most || e.Is() != '"' || !take(e) {
			return wrong
		}
	}
	if n == 0 {
		return wrong
	}
	return ""
}

func readAction(v strict.Value) (a job.BulkAction, bad []wire.FieldError) {
	var in newAction
	bad = decode(v, "#", actionFields, &in)
	if in.filter != nil {
		bad = append(bad, decode(in.filter, "#/filter", choiceFields, &in.Choice)...)
	}
	if len(bad) == 0 {
		bad = wire.Fields("#", in.Ready(in.all))
	}
	return in.BulkAction, bad
}

func (s *Server) postAction(w http.ResponseWriter, r *http.Request) (answer, error) {
	key, err := idempotencyKey(r)
	if err != nil {
		return answer{}, err
	}
	v, release, err := s.body(w, r)
	defer release()
	if err != nil {
		return answer{}, err
	}
	a, bad := readAction(v)
	if err := refuse(bad); err != nil {
		return answer{}, err
	}
	who := accessOf(r.Context())
	if a.Choice.Queue != "" && !who.sees(a.Choice.Queue) {
		return answer{}, notYours("#/filter")
	}
	a.Choice.Queues = who.patterns() // stored with it: the manager that carries it out knows of no token
	a.CreatedAt, a.Digest = s.Clock.Now(), digest(v)
	a.ID = actionID(key, a.Choice.Queues, a.CreatedAt)
	there, err := within(r.Context(), s, func(ctx context.Context) (job.BulkAction, error) { return s.Store.Act(ctx, a) })
	switch {
	case errors.Is(err, job.ErrMismatch):
		return answer{}, wire.NewProblem(wire.CodeMismatch, "", wire.FieldError{Header: keyHeader, Detail: "was sent before with another body: a new action needs a new key"})
	case errors.Is(err, job.ErrLimit):
		return answer{}, wire.NewProblem(wire.CodeLimit, "100 actions are under way: ask again when some of them have finished. A manager must run for that.")
	case err != nil:
		return answer{}, unanswered(err)
	}
	return answer{status: http.StatusAccepted, location: "/v1/actions/" + there.ID.String(), body: wire.ActionOf(there)}, nil
}

// actionID is the id of an action: one made of its key and of what the sender may touch, so that an action which is sent
// again meets itself and no other's, or a new one.
func actionID(key string, patterns []string, now job.Time) job.ID {
	if key == "" {
		return job.NewID(now)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "slotq action %q %s", patterns, key))
	id := job.ID(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // a UUID of version 8
	return id
}

func (s *Server) getAction(_ http.ResponseWriter, r *http.Request) (answer, error) {
	id, err := job.ParseID(parameter(r, "id"))
	if err != nil {
		return answer{}, wire.NewProblem(wire.CodeNotFound, "The path should name an action by its UUID.")
	}
	a, err := within(r.Context(), s, func(ctx context.Context) (job.BulkAction, error) { return s.Store.Action(ctx, id) })
	if who := accessOf(r.Context()); err == nil && !who.everywhere() && !slices.Equal(a.Choice.Queues, who.patterns()) {
		err = job.ErrNotFound // of a sender who may touch other queues
	}
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: wire.ActionOf(a)}, nil
}
