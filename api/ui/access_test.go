package ui

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
)

func TestAVisitorSeesWhatTheTokenMaySeeAndNothingElse(t *testing.T) {
	e := start(t)
	e.worker("foreign-host", "foreign")
	w := e.worker("own-host", "own")
	own := e.enqueue("own", job.Spec{Kind: "own.kind"})
	foreign := e.enqueue("foreign", job.Spec{Kind: "foreign.kind", Tags: []string{"foreign-tag"}})
	now := e.clock.Now()
	e.finish(w, e.claim(w, foreign).Failed(now, job.RunError{Type: "exit", Message: "foreign error", At: now}, time.Hour))
	reader := e.token("own", job.ScopeRead)
	for _, path := range []string{"/", "/jobs", "/queues", "/queue?name=own", "/workers", "/jobs/" + own.ID.String(), "/?queue=foreign"} {
		g := e.get(path, reader...)
		if g.status != 200 || !strings.Contains(g.body, "own") {
			t.Errorf("%s: %d %s", path, g.status, g.body)
		}
		if path != "/?queue=foreign" && strings.Contains(g.body, "foreign") {
			t.Errorf("%s shows something of a foreign queue: %s", path, g.body)
		}
		if strings.Contains(g.body, `name="do"`) || strings.Contains(g.body, "/enqueue") {
			t.Errorf("%s offers what the token may not do", path)
		}
	}
	for _, path := range []string{"/queue?name=foreign", "/jobs/" + foreign.ID.String()} {
		if g := e.get(path, reader...); g.status != 404 || strings.Contains(g.body, "foreign.kind") {
			t.Errorf("%s: %d %s", path, g.status, g.body)
		}
	}
	if g := e.get("/", e.token("*", job.ScopeEnqueue)...); g.status != 403 {
		t.Errorf("a token that may not read: %d", g.status)
	}
	if g := e.get("/"); g.status != 303 || g.header.Get("Location") != "./sign-in" {
		t.Errorf("without a token: %d %v", g.status, g.header)
	}
	if g := e.get("/", "Accept", "*/*"); g.status != 401 {
		t.Errorf("a program without a token: %d", g.status)
	}
	if g := e.get("/jobs/" + own.ID.String()); g.header.Get("Location") != "../sign-in" {
		t.Errorf("without a token, further down: %v", g.header)
	}
}

func TestPayloadAndOutputAreHiddenWithoutTheRight(t *testing.T) {
	e := start(t)
	w := e.worker("w")
	j := e.enqueue("mail", job.Spec{Kind: "k", Payload: []byte(`"s3cret in"`)})
	e.finish(w, job.Outcome{Job: e.claim(w, j), Action: job.Complete, Output: []byte("s3cret out")})
	path := "/jobs/" + j.ID.String()
	e.shows(path, "s3cret in", "s3cret out")
	if g := e.get(path, e.token("*", job.ScopeOperate)...); g.status != 200 || strings.Contains(g.body, "s3cret") || !strings.Contains(g.body, "hidden") {
		t.Errorf("%d %s", g.status, g.body)
	}
	if g := e.get(path, e.token("*", job.ScopeReadPayload)...); !strings.Contains(g.body, "s3cret in") {
		t.Errorf("%d %s", g.status, g.body)
	}
}

func TestAFormDoesWhatTheTokenMayDoAndNothingElse(t *testing.T) {
	e := start(t, func(o *Options) { o.Demo = true })
	w := e.worker("w", "own")
	j := e.enqueue("own", job.Spec{Kind: "k", Delay: time.Hour})
	foreign := e.enqueue("foreign", job.Spec{Kind: "k", Delay: time.Hour})
	reader, operator, admin := e.token("*", job.ScopeRead), e.token("own", job.ScopeOperate), e.token("own", job.ScopeAdmin)
	form := func(pairs ...string) url.Values {
		v := url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	job1, worker := "/jobs/"+j.ID.String(), fmt.Sprint(w.ID)
	for _, try := range []struct {
		path   string
		form   url.Values
		who    []string
		status int
	}{
		{job1, form("do", "run"), reader, 403},
		{"/jobs/" + foreign.ID.String(), form("do", "cancel"), operator, 404},
		{job1, form("do", "run"), operator, 303},
		{job1, form("do", "cancel"), operator, 303},
		{job1, form("do", "retry"), operator, 303},
		{job1, form("do", "burn"), operator, 400},
		{job1, form("do", "delete"), operator, 303},
		{job1, form("do", "retry"), operator, 404},
		{"/queue", form("do", "pause", "name", "own"), reader, 403},
		{"/queue", form("do", "pause", "name", "foreign"), operator, 404},
		{"/queue", form("do", "pause", "name", "own"), operator, 303},
		{"/queue", form("do", "resume", "name", "own"), operator, 303},
		{"/queue", form("do", "purge", "name", "own"), operator, 303},
		{"/queue", form("do", "set", "name", "own", "slots", "3", "backoff", "list", "backoff_list", "1, 2"), operator, 403},
		{"/queue", form("do", "set", "name", "own", "slots", "3", "backoff", "list", "backoff_list", "1, 2"), admin, 303},
		{"/queue", form("do", "set", "name", "own", "slots", "many"), admin, 422},
		{"/queue", form("do", "set", "name", "own", "slots", "0"), admin, 422},
		{"/queue", form("do", "delete", "name", "own"), operator, 403},
		{"/workers", form("do", "quiet", "id", worker), reader, 403},
		{"/workers", form("do", "quiet", "id", worker), operator, 303},
		{"/workers", form("do", "stop", "id", worker), operator, 303},
		{"/workers", form("do", "stop", "id", "x"), operator, 404},
		{"/action", form("do", "retry", "kind", "k"), reader, 403},
		{"/action", form("do", "retry", "kind", "k"), operator, 303},
		{"/action", form("do", "delete", "kind", "k"), operator, 400},
		{"/enqueue", form("kind", "k", "queue", "own"), operator, 403},
		{"/enqueue", form("kind", "k", "queue", "own", "payload", `{"a":1}`, "tags", "x, y", "delay_seconds", "60"), admin, 303},
		{"/enqueue", form("kind", "k", "queue", "own", "payload", `{"a":1`), admin, 422},
		{"/enqueue", form("kind", "k", "queue", "own", "payload", `1,"queue":"foreign"`), admin, 422},
		{"/enqueue", form("kind", "k", "queue", "foreign"), admin, 403},
		{"/demo", nil, admin, 403}, // its queue is no queue of the token's
		{"/demo", nil, e.token("*", job.ScopeEnqueue, job.ScopeRead), 303},
		{"/queue", form("do", "pause", "name", "own"), nil, 303}, // to the form to sign in
	} {
		g := e.post(try.path, try.form, try.who...)
		if g.status != try.status {
			t.Errorf("%s %v: %d, want %d\n%s", try.path, try.form, g.status, try.status, g.body)
		}
		if try.status >= 400 && !strings.Contains(g.body, `class="problem"`) {
			t.Errorf("%s %v does not say what is wrong: %s", try.path, try.form, g.body)
		}
	}
	queues, err := e.store.ListQueues(t.Context(), false)
	e.ok(err)
	for _, q := range queues {
		if q.Paused || q.Name == "own" && (q.Slots != 3 || q.Backoff.Kind != job.BackoffList) {
			t.Errorf("%+v", q)
		}
	}
}

// hostile has what people put into fields to see whether it becomes more than text, one a line: markup, ways out of attributes
// and elements, scripts in links, encodings, templates.
//
//go:embed testdata/hostile.txt
var hostile string

func TestNothingOfAJobIsHTML(t *testing.T) {
	e := start(t)
	all := strings.Split(strings.TrimSpace(hostile), "\n")
	if len(all) < 60 {
		t.Fatalf("%d payloads", len(all))
	}
	paths := []string{"/", "/jobs", "/workers"}
	for i, evil := range all {
		w := e.worker(evil)
		j := e.enqueue("mail", job.Spec{Kind: fmt.Sprintf("k%d", i), Payload: quoted(evil), Tags: []string{evil}, UniqueKey: evil, ConcurrencyKey: evil,
			Metadata: []byte(`{"a": ` + string(quoted(evil)) + `}`)})
		now := e.clock.Now()
		failed := e.claim(w, j).Failed(now, job.RunError{Type: "exit", Message: evil, At: now, Worker: w.ID, Run: 1, Attempt: 1}, 0)
		failed.Action, failed.Reason, failed.Output = job.Discard, job.ReasonHandler, []byte(evil)
		e.finish(w, failed)
		q := "?" + url.Values{"tag": {evil}, "concurrency_key": {evil}, "unique_key": {evil}}.Encode()
		paths = append(paths, "/jobs/"+j.ID.String(), "/jobs"+q, "/enqueue?"+url.Values{"kind": {evil}, "payload": {evil}, "queue": {evil}, "tags": {evil}}.Encode(),
			"/queue?"+url.Values{"name": {evil}}.Encode(), "/?"+url.Values{"queue": {evil}, "note": {evil}}.Encode(), "/jobs?"+url.Values{"state": {evil}, "id": {evil}}.Encode())
	}
	raw := 0
	for _, path := range paths {
		g := e.get(path)
		if g.status >= 500 || len(g.body) == 0 {
			t.Errorf("%s: %d", path, g.status)
		}
		for _, evil := range all {
			if strings.ContainsAny(evil, "<\"'") && strings.Contains(g.body, evil) {
				raw++
				t.Errorf("%s has %q as it is", path, evil)
			}
		}
		text := strings.ToLower(g.body)
		if n := strings.Count(text, "<script"); n != strings.Count(text, "<script defer src=") {
			t.Errorf("%s has a script that is not the page's", path)
		}
		for _, tag := range []string{"<img", "<iframe", "<style", "<math", "<details open", `href="javascript:`} {
			if i := strings.Index(text, tag); i >= 0 {
				t.Errorf("%s has %q: …%.200s", path, tag, text[max(0, i-80):])
			}
		}
	}
	t.Logf("%d payloads on %d pages, %d raw", len(all), len(paths), raw)
}

func quoted(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings always marshal
	}
	return b
}

func TestASignInTakesATokenAndASignOutGivesItBack(t *testing.T) {
	e := start(t)
	secret := strings.TrimPrefix(e.token("own", job.ScopeRead)[1], "Bearer ")
	g := e.post("/sign-in", url.Values{"token": {" " + secret + "\n"}}) // pasted
	cookie, _, _ := strings.Cut(g.header.Get("Set-Cookie"), ";")
	if g.status != 303 || g.header.Get("Location") != "./" || !strings.Contains(cookie, secret) {
		t.Errorf("signed in: %d %v", g.status, g.header)
	}
	if g := e.get("/", "Cookie", cookie); g.status != 200 || !strings.Contains(g.body, `action="./sign-out"`) {
		t.Errorf("with the cookie: %d %s", g.status, g.body)
	}
	if g := e.post("/sign-out", nil, "Cookie", cookie); g.status != 303 || g.header.Get("Location") != "./sign-in" || !strings.Contains(g.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("signed out: %d %v", g.status, g.header)
	}
	wrong := "wr0ng" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 30)))
	if g := e.post("/sign-in", url.Values{"token": {wrong}}); g.status != 401 || strings.Contains(g.body, "wr0ng") || !strings.Contains(g.body, "No token has this secret") {
		t.Errorf("a wrong token: %d %s", g.status, g.body)
	}
	if g := e.post("/sign-in", url.Values{"token": {strings.Repeat("x", secretBytes)}}); g.status != 400 {
		t.Errorf("a form that is too large: %d", g.status)
	}
}
