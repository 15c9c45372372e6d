package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// nowhere is an id that nobody has.
const nowhere = "00000000-0000-7000-8000-000000000000"

// testRoutes calls every route with good input; what is good about the answer is for the document to check, and for
// the tests of what the call does.
func testRoutes(t *testing.T, d *document) {
	want := func(status int, method, path, body string, headers ...string) answer {
		t.Helper()
		a := d.ask(t, method, path, body, headers...)
		if a.status != status {
			t.Errorf("%s %s: %d %.300s, want %d", method, path, a.status, a.body, status)
		}
		return a
	}
	made := func(a answer) (e wire.Enqueued) {
		t.Helper()
		check(t, json.Unmarshal(a.body, &e))
		return e
	}
	const get, put, patch, del, send = http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodPost
	enqueue := func(body string) string { t.Helper(); return made(want(201, send, "/v1/jobs", body)).ID.String() }

	a := want(201, send, "/v1/jobs", `{"kind":"nobody","queue":"routes","payload":{"a": 1},"metadata":{"b": 2},"tags":["x"],"priority":1}`)
	id := made(a).ID.String()
	if a.header.Get("Location") != "/v1/jobs/"+id || strings.Contains(string(a.body), "payload") {
		t.Errorf("Location %q, %s", a.header.Get("Location"), a.body)
	}
	if a := want(200, get, "/v1/jobs/"+id, ""); !strings.Contains(string(a.body), `"payload":{"a": 1}`) {
		t.Errorf("%s", a.body)
	}
	given := `{"id":"0197e3a0-0000-7000-8000-0123456789ab","kind":"nobody","queue":"routes"}`
	want(201, send, "/v1/jobs", given)
	if e := made(want(200, send, "/v1/jobs", given)); !e.Deduplicated || e.DeduplicatedBy != "id" {
		t.Errorf("%+v", e)
	}
	want(201, send, "/v1/jobs/batch", `{"atomic":true,"jobs":[{"kind":"nobody","queue":"routes"},{"kind":"nobody","queue":"routes"}]}`)
	batch := want(200, send, "/v1/jobs/batch", `{"jobs":[{"kind":"nobody","queue":"routes"},{"kind":""},`+given+`]}`)
	var result wire.BatchResult
	check(t, json.Unmarshal(batch.body, &result))
	if result.Created != 1 || result.Rejected != 1 || result.Deduplicated != 1 || result.Results[1].Status != wire.Rejected {
		t.Errorf("%s", batch.body)
	}
	want(200, get, "/v1/jobs?queue=routes&kind=nobody&state=available,scheduled&tag=x&limit=1", "")
	first := want(200, get, "/v1/jobs?limit=2", "")
	var page wire.JobPage
	check(t, json.Unmarshal(first.body, &page))
	if page.NextCursor == "" {
		t.Error("no cursor though there are more jobs")
	}
	want(200, get, "/v1/jobs?limit=2&cursor="+page.NextCursor, "")

	want(200, send, "/v1/jobs/"+id+"/cancel", "")
	want(409, send, "/v1/jobs/"+id+"/run", "")
	want(200, send, "/v1/jobs/"+id+"/retry", "")
	want(409, send, "/v1/jobs/"+id+"/retry", "")
	later := enqueue(`{"kind":"nobody","queue":"routes","delay_seconds":1000}`)
	want(200, send, "/v1/jobs/"+later+"/run", "")
	want(200, del, "/v1/jobs/"+later, "")
	running := enqueue(`{"kind":"w.run","queue":"routes","payload":{"ms":60000}}`)
	inState(t, d.s, must(job.ParseID(running))(t), patience, job.Running)
	want(409, del, "/v1/jobs/"+running, "")
	want(202, send, "/v1/jobs/"+running+"/cancel", "")
	done := ran(t, d.s, wire.NewJob{Kind: "go.echo", Queue: "routes"}).ID.String()
	want(409, send, "/v1/jobs/"+done+"/cancel", "")

	action := want(202, send, "/v1/jobs/actions", `{"action":"retry","filter":{"queue":"routes","state":["cancelled"]},"dry_run":true}`)
	want(200, get, action.header.Get("Location"), "")
	want(200, get, "/v1/kinds", "")
	want(200, get, "/v1/failures?queue=routes&limit=1", "")

	want(201, put, "/v1/queues/made", `{"slots":3,"order":"lifo","backoff":{"kind":"list","list":[1,2]}}`)
	want(200, put, "/v1/queues/made", `{"slots":2}`)
	want(200, get, "/v1/queues/made", "")
	want(200, patch, "/v1/queues/made", `{"slots":4,"keep_completed_seconds":0}`)
	want(200, patch, "/v1/queues/made", `{"slots":null}`, "Content-Type: application/merge-patch+json")
	want(200, send, "/v1/queues/made/pause", "")
	want(200, send, "/v1/queues/made/resume", "")
	want(200, send, "/v1/queues/made/purge", "")
	want(200, get, "/v1/queues/made/slots", "")
	want(200, get, "/v1/queues", "")
	want(204, del, "/v1/queues/made", "")
	want(409, del, "/v1/queues/routes", "")

	spare := d.s.StartWorker("--queues=spare")
	workers := want(200, get, "/v1/workers", "")
	var list wire.WorkerList
	check(t, json.Unmarshal(workers.body, &list))
	for _, w := range list.Workers {
		if len(w.Queues) == 1 && w.Queues[0] == "spare" {
			want(200, send, "/v1/workers/"+w.ID.String()+"/quiet", "")
			want(200, send, "/v1/workers/"+w.ID.String()+"/stop", "")
			spare.Exit(t, patience)
		}
	}
	want(200, get, "/v1/stats", "")
	want(200, get, "/v1/stats?queue=routes", "")
	want(404, get, "/v1/stats?queue=made", "")
	for _, path := range []string{"/", "/docs", "/healthz", "/readyz", "/metrics"} {
		if a := ask(t, d.s, get, path, ""); a.status != 200 || len(a.body) == 0 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	policy := ask(t, d.s, get, "/", "").header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'; script-src 'self';") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy of the page is %q", policy)
	}
}

// testRoutesRefuse gives every route what none takes.
func testRoutesRefuse(t *testing.T, d *document) {
	d.each(func(method, pattern string, o *openapi3.Operation) {
		path := filled(pattern, nowhere, "none")
		if strings.Contains(pattern, "workers") {
			path = filled(pattern, "0000000000000001", "none")
		}
		refused := func(status int, path, body string, headers ...string) {
			t.Helper()
			problem(t, d.ask(t, method, path, body, headers...), status)
		}
		takesBody := o.RequestBody != nil
		body := ""
		if takesBody {
			body = `{}`
		}
		refused(421, path, body, "Host: attacker.example")
		refused(421, path, body, "Host: attacker.example:8080")
		refused(401, path, body, "Authorization: Bearer nonsense")
		refused(422, path+"?nosuch=1", body)
		if method != http.MethodGet {
			refused(403, path, body, "Origin: https://attacker.example", "Sec-Fetch-Site: cross-site")
		}
		if strings.Contains(path, "{") {
			t.Fatalf("a parameter that this test does not know: %s", path)
		}
		if takesBody {
			refused(415, path, `kind=x`, "Content-Type: application/x-www-form-urlencoded")
			refused(415, path, `{}`, "Content-Type: text/plain")
			refused(400, path, `{"kind": `)
			refused(400, path, ``)
			refused(422, path, `[]`)
			refused(422, path, `{"nosuch": 1}`)
			refused(413, path, `{"x":"`+strings.Repeat("x", 17<<20)+`"}`)
		} else if method != http.MethodGet {
			refused(422, path, `{"nosuch": 1}`)
		}
		if strings.Contains(pattern, "{") && method != http.MethodPut {
			refused(404, path, body)
			refused(404, filled(pattern, "no-id", "none"), body)
		}
	})
	problem(t, ask(t, d.s, http.MethodGet, "/v2/jobs", ""), 404)
	a := ask(t, d.s, http.MethodPut, "/v1/jobs", "{}")
	problem(t, a, 405)
	if allow := a.header.Get("Allow"); !strings.Contains(allow, "POST") || !strings.Contains(allow, "GET") {
		t.Errorf("Allow: %q", allow)
	}
}

// problem fails the test unless an answer is a problem with this status that says what is wrong.
func problem(t testing.TB, a answer, status int) (p wire.Problem) {
	t.Helper()
	if a.status != status {
		t.Errorf("answer %d %.300s, want %d", a.status, a.body, status)
		return p
	}
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("Content-Type %q", kind)
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Errorf("%s: %v", a.body, err)
	}
	if !strings.HasPrefix(p.Type, "urn:slotq:problem:") || p.Title == "" || p.Status != status || p.Detail == "" && len(p.Errors) == 0 {
		t.Errorf("a problem that says too little: %s", a.body)
	}
	return p
}
