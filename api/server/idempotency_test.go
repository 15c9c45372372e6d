package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func TestOneIDOrKeyMakesOneJobAndAnotherBodyIsRefused(t *testing.T) {
	e := start(t)
	const given = `{"kind":"k","id":"018f0000-0000-7000-8000-000000000001"}`
	for by, send := range map[string]func(body string) (string, []string){
		job.ByID: func(body string) (string, []string) { return strings.Replace(body, "{}", given, 1), nil },
		job.ByIdempotencyKey: func(body string) (string, []string) {
			return strings.Replace(body, "{}", `{"kind":"k"}`, 1), []string{keyHeader, `"a \"key\""`}
		},
	} {
		body, headers := send("{}")
		var first, again wire.Enqueued
		for _, c := range []struct {
			status int
			into   *wire.Enqueued
		}{{201, &first}, {200, &again}} {
			if err := json.Unmarshal([]byte(e.want(c.status, "POST", "/v1/jobs", body, headers...).body), c.into); err != nil {
				t.Fatal(err)
			}
		}
		if first.Deduplicated || !again.Deduplicated || again.DeduplicatedBy != by || first.ID != again.ID {
			t.Errorf("by %s: %+v, then %+v", by, first, again)
		}
		other := strings.Replace(body, `"k"`, `"k2"`, 1)
		if g := e.want(422, "POST", "/v1/jobs", other, headers...); g.problem.Code() != wire.CodeMismatch ||
			(g.problem.Errors[0].Pointer == "#/id") != (by == job.ByID) || (g.problem.Errors[0].Header == keyHeader) != (by == job.ByIdempotencyKey) {
			t.Errorf("another body, by %s: %s", by, g.body)
		}
		// As long as its history lives, too.
		if _, err := e.client.Cancel(t.Context(), first.ID); err != nil {
			t.Fatal(err)
		}
		if g := e.want(200, "POST", "/v1/jobs", body, headers...); !strings.Contains(g.body, `"state":"cancelled"`) {
			t.Errorf("after its end, by %s: %s", by, g.body)
		}
	}
	e.want(200, "POST", "/v1/jobs", `{"kind":"k"}`, keyHeader, `a "key"`) // quoted and bare are the same key
}

func TestAUniqueKeyIsABusinessRuleNotAKey(t *testing.T) {
	e := start(t)
	first := e.enqueue(`{"kind":"k","unique_key":"u"}`)
	g := e.want(200, "POST", "/v1/jobs", `{"kind":"other","unique_key":"u"}`)
	if !strings.Contains(g.body, `"deduplicated_by":"unique_key"`) || !strings.Contains(g.body, first) {
		t.Errorf("%s", g.body)
	}
	e.enqueue(`{"kind":"k","unique_key":"u","queue":"another"}`)
	e.want(200, "POST", "/v1/jobs/"+first+"/cancel", "")
	e.enqueue(`{"kind":"k","unique_key":"u"}`)
	e.want(409, "POST", "/v1/jobs/"+first+"/retry", "")
}

func TestOneKeyTwiceAtOnceMakesOneJob(t *testing.T) {
	e := start(t)
	for round := range 20 {
		var all sync.WaitGroup
		ids := make([]string, 8)
		statuses := make([]int, 8)
		for i := range ids {
			all.Go(func() {
				g := e.send("POST", "/v1/jobs", `{"kind":"k"}`, keyHeader, fmt.Sprint("key ", round))
				var j wire.Enqueued
				if err := json.Unmarshal([]byte(g.body), &j); err != nil {
					t.Error(err)
				}
				ids[i], statuses[i] = j.ID.String(), g.status
			})
		}
		all.Wait()
		created := 0
		for i := range ids {
			if statuses[i] == 201 {
				created++
			} else if statuses[i] != 200 {
				t.Errorf("status %d", statuses[i])
			}
			if ids[i] != ids[0] {
				t.Errorf("round %d made %v", round, ids)
			}
		}
		if created != 1 {
			t.Errorf("round %d: 201 was answered %d times", round, created)
		}
	}
	if n := e.count(); n != 20 {
		t.Errorf("%d jobs, want 20", n)
	}
}

func TestAKeyOutlivesTheJobItMade(t *testing.T) {
	e := start(t)
	id := e.enqueue(`{"kind":"k","id":"018f0000-0000-7000-8000-000000000009"}`)
	var first wire.Enqueued
	if err := json.Unmarshal([]byte(e.want(201, "POST", "/v1/jobs", `{"kind":"k"}`, keyHeader, "gone").body), &first); err != nil {
		t.Fatal(err)
	}
	e.want(200, "DELETE", "/v1/jobs/"+first.ID.String(), "")
	g := e.want(200, "POST", "/v1/jobs", `{"kind":"k"}`, keyHeader, "gone")
	if !strings.Contains(g.body, first.ID.String()) || !strings.Contains(g.body, `"deduplicated":true`) {
		t.Errorf("%s", g.body)
	}
	e.want(200, "GET", "/v1/jobs/"+id, "")
}

func TestABadKeyIsRefused(t *testing.T) {
	e := start(t)
	for _, key := range []string{``, ` `, `""`, `"open`, `"a"b"`, `"a\x"`, `"`, "\"ü\"", strings.Repeat("x", 256), "\xff"} {
		if g := e.want(422, "POST", "/v1/jobs", `{"kind":"k"}`, keyHeader, key); g.problem.Errors[0].Header != keyHeader {
			t.Errorf("%q: %s", key, g.body)
		}
	}
	for _, key := range []string{`x`, `"x y"`, "ü", `a"b`, strings.Repeat("x", 255)} {
		e.want(201, "POST", "/v1/jobs", `{"kind":"k"}`, keyHeader, key)
	}
}

func TestWhatWasSentIntoAnOutageIsFoundByItsKeyOrNotStored(t *testing.T) {
	e := start(t)
	e.enqueue(`{"kind":"warm"}`)
	goOn := e.store.stop()
	defer goOn()
	done := make(chan got)
	go func() { done <- e.send("POST", "/v1/jobs", `{"kind":"k"}`, keyHeader, "in doubt") }()
	var g got
	select {
	case g = <-done:
	case <-time.After(5*time.Second + stalls):
		t.Fatal("no answer within 5 s")
	}
	if g.status != 503 || g.problem.Code() != wire.CodeUnavailable {
		t.Fatalf("%d %s", g.status, g.body)
	}
	goOn()
	e.want(201, "POST", "/v1/jobs", `{"kind":"k"}`, keyHeader, "in doubt")
	e.want(200, "POST", "/v1/jobs", `{"kind":"k"}`, keyHeader, "in doubt")
}
