package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// token stores a token and returns the header that sends its secret.
func (e *env) token(t job.APIToken) (header []string, made job.APIToken) {
	e.Helper()
	secret, now := job.NewAPISecret(), e.server.Clock.Now()
	t.ID, t.Hash, t.Name = job.NewID(now), secret.Hash(), "test"
	made, err := e.store.CreateAPIToken(e.Context(), t, now)
	if err != nil {
		e.Fatal(err)
	}
	return []string{"Authorization", "Bearer " + secret.Reveal()}, made
}

// may makes a token for scopes, on queues that match the pattern.
func (e *env) may(pattern string, scopes ...job.Scope) []string {
	e.Helper()
	header, _ := e.token(job.APIToken{Scopes: scopes, Queues: []string{pattern}})
	return header
}

// scene makes things to call on, past the api.
type scene struct {
	*env
	n int
}

func (s *scene) queue(kind string) string {
	s.Helper()
	s.n++
	name := fmt.Sprintf("%s-%d", kind, s.n)
	if _, err := s.store.EnsureQueue(s.Context(), job.NewQueue(name), s.server.Clock.Now()); err != nil {
		s.Fatal(err)
	}
	return name
}

func (s *scene) job(kind string, delay time.Duration) job.ID {
	s.Helper()
	now := s.server.Clock.Now()
	q, err := s.store.EnsureQueue(s.Context(), job.NewQueue(s.queue(kind)), now)
	if err != nil {
		s.Fatal(err)
	}
	j := (&job.Spec{Kind: "k", Payload: []byte(`"s3cret payload"`), Delay: delay}).Make(q, now)
	if _, err := s.store.Enqueue(s.Context(), []*job.Job{j}, true); err != nil {
		s.Fatal(err)
	}
	return j.ID
}

func (s *scene) worker(queues ...string) job.WorkerID {
	s.Helper()
	w := job.Worker{ID: job.NewWorkerID(), Name: "w", Lease: time.Minute, Queues: queues, Kinds: []string{"*"}}
	if err := s.store.Register(s.Context(), w); err != nil {
		s.Fatal(err)
	}
	return w.ID
}

// rule is what a call must answer.
type rule struct {
	scopes  string // those that may call it; admin always may
	good    int    // to who may
	foreign int    // to who may, but not on this queue
	on      func(s *scene, kind string) (path, body string)
}

const reads, operates = "read read-payload operate", "operate"

// rules has every call. It says anew who may what, on purpose: a slip in the server's own table is found here.
var rules = map[string]rule{
	"POST /v1/jobs": {"enqueue", 201, 403, func(_ *scene, kind string) (string, string) {
		return "/v1/jobs", `{"kind":"k","queue":"` + kind + `"}`
	}},
	"POST /v1/jobs/batch": {"enqueue", 201, 403, func(_ *scene, kind string) (string, string) {
		return "/v1/jobs/batch", `{"atomic":true,"jobs":[{"kind":"k","queue":"own"},{"kind":"k","queue":"` + kind + `"}]}`
	}},
	"GET /v1/jobs": {reads, 200, 200, func(_ *scene, kind string) (string, string) { return "/v1/jobs?queue=" + kind, "" }},
	"GET /v1/jobs/{id}": {reads, 200, 404, func(s *scene, kind string) (string, string) {
		return "/v1/jobs/" + s.job(kind, 0).String(), ""
	}},
	"DELETE /v1/jobs/{id}": {operates, 200, 404, func(s *scene, kind string) (string, string) {
		return "/v1/jobs/" + s.job(kind, 0).String(), ""
	}},
	"POST /v1/jobs/{id}/cancel": {operates, 200, 404, func(s *scene, kind string) (string, string) {
		return "/v1/jobs/" + s.job(kind, 0).String() + "/cancel", ""
	}},
	"POST /v1/jobs/{id}/retry": {operates, 200, 404, func(s *scene, kind string) (string, string) {
		id := s.job(kind, 0)
		if _, err := s.store.Cancel(s.Context(), id, s.server.Clock.Now()); err != nil {
			s.Fatal(err)
		}
		return "/v1/jobs/" + id.String() + "/retry", ""
	}},
	"POST /v1/jobs/{id}/run": {operates, 200, 404, func(s *scene, kind string) (string, string) {
		return "/v1/jobs/" + s.job(kind, time.Hour).String() + "/run", ""
	}},

	"GET /v1/queues":                {reads, 200, 200, func(*scene, string) (string, string) { return "/v1/queues", "" }},
	"GET /v1/queues/{name}":         {reads, 200, 404, onQueue("", "")},
	"PUT /v1/queues/{name}":         {"", 200, 403, onQueue("", `{"slots":2}`)},
	"PATCH /v1/queues/{name}":       {"", 200, 404, onQueue("", `{"slots":2}`)},
	"DELETE /v1/queues/{name}":      {"", 204, 404, onQueue("", "")},
	"GET /v1/queues/{name}/slots":   {reads, 200, 404, onQueue("/slots", "")},
	"POST /v1/queues/{name}/pause":  {operates, 200, 404, onQueue("/pause", "")},
	"POST /v1/queues/{name}/resume": {operates, 200, 404, onQueue("/resume", "")},
	"POST /v1/queues/{name}/purge":  {operates, 200, 404, onQueue("/purge", "")},

	"GET /v1/kinds": {reads, 200, 200, func(s *scene, kind string) (string, string) {
		s.job(kind, 0)
		return "/v1/kinds", ""
	}},
	"GET /v1/failures": {reads, 200, 200, func(_ *scene, kind string) (string, string) { return "/v1/failures?queue=" + kind, "" }},
	"POST /v1/jobs/actions": {operates, 202, 403, func(_ *scene, kind string) (string, string) {
		return "/v1/jobs/actions", `{"action":"cancel","dry_run":true,"filter":{"queue":"` + kind + `"}}`
	}},
	"GET /v1/actions/{id}": {reads, 200, 404, func(s *scene, kind string) (string, string) {
		return "/v1/actions/" + s.action(kind).String(), ""
	}},
	"GET /v1/stats": {reads, 200, 404, func(s *scene, kind string) (string, string) {
		return "/v1/stats?queue=" + s.queue(kind), ""
	}},

	"GET /v1/workers":             {reads, 200, 200, func(*scene, string) (string, string) { return "/v1/workers", "" }},
	"POST /v1/workers/{id}/quiet": {operates, 200, 404, onWorker("/quiet")},
	"POST /v1/workers/{id}/stop":  {operates, 200, 404, onWorker("/stop")},
}

// action makes one as a token for the queues that begin with kind would.
func (s *scene) action(kind string) job.ID {
	s.Helper()
	now := s.server.Clock.Now()
	a := job.BulkAction{ID: job.NewID(now), Verb: job.VerbCancel, DryRun: true, CreatedAt: now, Digest: make([]byte, 16),
		Choice: job.Choice{Filter: job.Filter{Queue: kind, Queues: []string{kind + "*"}}}}
	if bad := a.Ready(false); len(bad) > 0 {
		s.Fatal(bad)
	}
	if _, err := s.store.Act(s.Context(), a); err != nil {
		s.Fatal(err)
	}
	return a.ID
}

func onQueue(call, body string) func(*scene, string) (string, string) {
	return func(s *scene, kind string) (string, string) { return "/v1/queues/" + s.queue(kind) + call, body }
}

func onWorker(call string) func(*scene, string) (string, string) {
	return func(s *scene, kind string) (string, string) {
		return "/v1/workers/" + s.worker(kind).String() + call, ""
	}
}

func TestEveryCallAsksForItsScopeAndForTheQueuesOfTheToken(t *testing.T) {
	e := start(t)
	s := &scene{env: e}
	now := e.server.Clock.Now()
	expired, _ := e.token(job.APIToken{Scopes: job.Scopes, ExpiresAt: now})
	revoked, made := e.token(job.APIToken{Scopes: job.Scopes})
	if _, err := e.store.RevokeAPIToken(t.Context(), made.ID, now); err != nil {
		t.Fatal(err)
	}
	own, all := map[job.Scope][]string{}, map[job.Scope][]string{}
	for _, scope := range job.Scopes {
		own[scope], all[scope] = e.may("own*", scope), e.may("*", scope)
	}
	for _, r := range e.server.routes {
		rule, known := rules[r.String()]
		if !known {
			t.Errorf("%s has no rule: say in access_test.go who may call it, and in access.go the scope that it needs", r)
			continue
		}
		if _, known := scopes[r.String()]; !known {
			t.Errorf("%s has no scope in access.go", r)
		}
		want := func(status int, code wire.Code, kind string, header ...string) {
			t.Helper()
			path, body := rule.on(s, kind)
			g := e.want(status, r.Method, path, body, header...)
			if status >= 400 && (g.problem.Code() != code || g.problem.Detail == "" && len(g.problem.Errors) == 0) {
				t.Errorf("%s: %s, want %s and what to do", r, g.body, code)
			}
			if strings.Contains(g.body, "foreign") && kind == "own" {
				t.Errorf("%s shows something of a foreign queue: %s", r, g.body)
			}
		}
		want(401, wire.CodeUnauthorized, "own")
		want(401, wire.CodeUnauthorized, "own", expired...)
		want(401, wire.CodeUnauthorized, "own", revoked...)
		for _, scope := range job.Scopes {
			if scope != job.ScopeAdmin && !slices.Contains(strings.Fields(rule.scopes), string(scope)) {
				want(403, wire.CodeForbidden, "own", own[scope]...)
				want(403, wire.CodeForbidden, "foreign", own[scope]...)
				want(403, wire.CodeForbidden, "own", all[scope]...)
				continue
			}
			code := wire.CodeNotFound
			if rule.foreign == 403 {
				code = wire.CodeForbidden
			}
			want(rule.good, "", "own", own[scope]...)
			want(rule.foreign, code, "foreign", own[scope]...)
			want(rule.good, "", "foreign", all[scope]...)
		}
	}
	for call := range rules {
		if !slices.ContainsFunc(e.server.routes, func(r route) bool { return r.String() == call }) {
			t.Errorf("there is a rule for %s, which is no call", call)
		}
	}
}

func TestNothingIsChangedForWhoMayNot(t *testing.T) {
	e := start(t)
	s := &scene{env: e}
	operator := e.may("own*", job.ScopeOperate, job.ScopeAdmin, job.ScopeEnqueue)
	id, queue := s.job("foreign", time.Hour), s.queue("foreign")
	for _, call := range []string{"POST /v1/jobs/%s/cancel", "POST /v1/jobs/%s/run", "DELETE /v1/jobs/%s"} {
		method, path, _ := strings.Cut(fmt.Sprintf(call, id), " ")
		e.want(404, method, path, "", operator...)
	}
	e.want(404, "POST", "/v1/queues/"+queue+"/pause", "", operator...)
	e.want(404, "DELETE", "/v1/queues/"+queue, "", operator...)
	e.want(403, "PUT", "/v1/queues/foreign-new", "{}", operator...)
	e.want(403, "POST", "/v1/jobs", `{"kind":"k","queue":"foreign-new"}`, operator...)
	w := s.worker("own", "foreign")
	e.want(403, "POST", "/v1/workers/"+w.String()+"/stop", "", operator...)
	j, err := e.store.Get(t.Context(), id)
	if err != nil || j.State != job.Scheduled {
		t.Errorf("the foreign job: %+v, %v", j, err)
	}
	queues, err := e.store.ListQueues(t.Context(), false)
	if err != nil || slices.ContainsFunc(queues, func(q job.Queue) bool { return q.Name == "foreign-new" || q.Paused }) || len(queues) != 2 {
		t.Errorf("queues %+v, %v", queues, err)
	}
	if b, err := e.store.Beat(t.Context(), w, nil); err != nil || b.Quiet || b.Stop {
		t.Errorf("the worker hears %+v, %v", b, err)
	}
}

func TestListsShowOnlyWhatTheTokenMaySee(t *testing.T) {
	e := start(t)
	s := &scene{env: e}
	mine := s.job("own", 0)
	for range 150 { // more than a page: the foreign ones must not fill it
		s.job("foreign", 0)
	}
	s.worker("own", "foreign-a")
	s.worker("foreign-b")
	s.worker()
	reader := e.may("own*", job.ScopeRead)
	jobs := decoded[wire.JobPage](t, e.want(200, "GET", "/v1/jobs", "", reader...))
	if len(jobs.Jobs) != 1 || jobs.Jobs[0].ID != mine || jobs.NextCursor != "" {
		t.Errorf("jobs %+v", jobs)
	}
	if queues := decoded[wire.QueueList](t, e.want(200, "GET", "/v1/queues", "", reader...)).Queues; len(queues) != 1 || queues[0].Name != "own-1" {
		t.Errorf("queues %+v", queues)
	}
	workers := e.want(200, "GET", "/v1/workers", "", reader...)
	if list := decoded[wire.WorkerList](t, workers).Workers; len(list) != 2 || strings.Contains(workers.body, "foreign") {
		t.Errorf("workers %s", workers.body)
	}
	e.want(422, "GET", "/v1/jobs?cursor="+cursor(mine, job.Filter{}), "", reader...) // of another's list
	// What is there and what is not must look the same.
	foreign, none := e.want(404, "GET", "/v1/queues/foreign-2", "", reader...), e.want(404, "GET", "/v1/queues/foreign-none", "", reader...)
	if foreign.body != none.body {
		t.Errorf("%s differs from %s", foreign.body, none.body)
	}
}

func decoded[T any](t *testing.T, g got) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(g.body), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPayloadAndOutputAreHiddenWithoutReadPayload(t *testing.T) {
	e := start(t)
	s := &scene{env: e}
	id := s.job("own", 0)
	w, claimed := e.claim(id.String())
	e.finish(w, job.Outcome{Job: claimed, Action: job.Complete, Output: []byte(`"s3cret output"`)})
	for _, c := range []struct {
		scope job.Scope
		shows bool
	}{{job.ScopeRead, false}, {job.ScopeOperate, false}, {job.ScopeReadPayload, true}, {job.ScopeAdmin, true}} {
		g := e.want(200, "GET", "/v1/jobs/"+id.String(), "", e.may("own*", c.scope)...)
		if strings.Contains(g.body, "s3cret payload") != c.shows || strings.Contains(g.body, "s3cret output") != c.shows {
			t.Errorf("%s: %s", c.scope, g.body)
		}
	}
	g := e.want(200, "POST", "/v1/jobs/"+id.String()+"/retry", "", e.may("own*", job.ScopeOperate)...)
	if strings.Contains(g.body, "s3cret") {
		t.Errorf("a retry shows %s", g.body)
	}
}

func TestWhatATargetAnsweredIsHiddenWithoutReadPayloadAndInLists(t *testing.T) {
	e := start(t)
	s := &scene{env: e}
	id := s.job("own", 0)
	w, claimed := e.claim(id.String())
	e.finish(w, claimed.Failed(e.server.Clock.Now(), job.RunError{Type: "http_status", Message: "status 500", Answer: "s3cret answer"}, 0))
	for _, c := range []struct {
		scope job.Scope
		shows bool
	}{{job.ScopeRead, false}, {job.ScopeOperate, false}, {job.ScopeReadPayload, true}, {job.ScopeAdmin, true}} {
		g := e.want(200, "GET", "/v1/jobs/"+id.String(), "", e.may("own*", c.scope)...)
		if strings.Contains(g.body, "s3cret answer") != c.shows || !strings.Contains(g.body, "status 500") {
			t.Errorf("%s: %s", c.scope, g.body)
		}
		for _, list := range []string{"/v1/jobs", "/v1/failures"} {
			if g := e.want(200, "GET", list, "", e.may("own*", c.scope)...); strings.Contains(g.body, "s3cret") || !strings.Contains(g.body, "status") {
				t.Errorf("%s with %s: %s", list, c.scope, g.body)
			}
		}
	}
	again := fmt.Sprintf(`{"id":"%s","kind":"k","queue":"own"}`, id)
	if g := e.send("POST", "/v1/jobs", again, e.may("own*", job.ScopeEnqueue, job.ScopeReadPayload)...); strings.Contains(g.body, "s3cret") {
		t.Errorf("a duplicate shows %s", g.body)
	}
}

func TestWhoMayOnlyEnqueueLearnsOfADuplicateNothingButItsID(t *testing.T) {
	e := start(t)
	body := `{"kind":"k","queue":"own","unique_key":"once","metadata":{"by":"somebody else"},"tags":["theirs"]}`
	e.want(201, "POST", "/v1/jobs", body, e.may("own", job.ScopeEnqueue)...)
	g := e.want(200, "POST", "/v1/jobs", `{"kind":"k","queue":"own","unique_key":"once"}`, e.may("own", job.ScopeEnqueue)...)
	if j := decoded[wire.Enqueued](t, g); !j.Deduplicated || strings.Contains(g.body, "somebody") || strings.Contains(g.body, "theirs") {
		t.Errorf("%s", g.body)
	}
	g = e.want(200, "POST", "/v1/jobs", `{"kind":"k","queue":"own","unique_key":"once"}`, e.may("own", job.ScopeEnqueue, job.ScopeRead)...)
	if !strings.Contains(g.body, "somebody") {
		t.Errorf("who may read sees %s", g.body)
	}
}

func TestTheIDOfAForeignJobShowsNothingOfIt(t *testing.T) {
	e := start(t)
	s := &scene{env: e}
	id := s.job("foreign", 0)
	sender := e.may("own*", job.ScopeEnqueue, job.ScopeReadPayload, job.ScopeOperate)
	for _, body := range []string{`{"id":"%s","kind":"k","queue":"own"}`, `{"jobs":[{"id":"%s","kind":"k","queue":"own"}]}`} {
		path := "/v1/jobs"
		if strings.Contains(body, "jobs") {
			path += "/batch"
		}
		g := e.send("POST", path, fmt.Sprintf(body, id), sender...)
		if strings.Contains(g.body, "foreign") || strings.Contains(g.body, "s3cret") || strings.Contains(g.body, "created_at") {
			t.Errorf("%d %s", g.status, g.body)
		}
	}
}

func TestOneForeignJobOfABatchIsRejectedAloneOrTheWholeWithIt(t *testing.T) {
	e := start(t)
	sender := e.may("own*", job.ScopeEnqueue)
	jobs := `"jobs":[{"kind":"k","queue":"own"},{"kind":"k","queue":"foreign"}]`
	g := e.want(200, "POST", "/v1/jobs/batch", "{"+jobs+"}", sender...)
	if out := decoded[wire.BatchResult](t, g); out.Created != 1 || out.Rejected != 1 || out.Results[1].Problem.Code() != wire.CodeForbidden {
		t.Errorf("%s", g.body)
	}
	g = e.want(403, "POST", "/v1/jobs/batch", `{"atomic":true,`+jobs+"}", sender...)
	if len(g.problem.Errors) != 1 || g.problem.Errors[0].Pointer != "#/jobs/1/queue" {
		t.Errorf("%s", g.body)
	}
	queues, err := e.store.ListQueues(t.Context(), false)
	if err != nil || len(queues) != 1 {
		t.Errorf("queues %v, %v: the foreign one must not be made", queues, err)
	}
}

func TestPagesThatShowAllQueuesNeedATokenForAllOfThem(t *testing.T) {
	e := start(t)
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "page") })
	mux := e.server.Handler(nil, map[string]http.Handler{"/metrics": page, "/docs": page, "/new": page})
	e.url = serve(t, mux)
	e.want(200, "GET", "/new", "")
	all, own := e.may("*", job.ScopeRead), e.may("own", job.ScopeRead)
	e.want(200, "GET", "/docs", "", all...) // from now on it is known that there are tokens
	e.want(200, "GET", "/metrics", "", all...)
	for _, path := range []string{"/metrics", "/new"} {
		e.want(200, "GET", path, "", all...)
		e.want(403, "GET", path, "", own...)
		e.want(403, "GET", path, "", e.may("*", job.ScopeEnqueue)...)
		e.want(401, "GET", path, "")
	}
	e.want(200, "GET", "/docs", "")
	e.want(200, "GET", "/openapi.json", "")
}
