package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func (e *env) count() (n int) {
	e.Helper()
	for _, err := range e.client.List(e.Context(), wire.JobFilter{Limit: 1000}) {
		if err != nil {
			e.Fatal(err)
		}
		n++
	}
	return n
}

func TestABatchOfTenThousandIsStoredAndOneMoreIsNot(t *testing.T) {
	e := start(t)
	b := wire.Batch{Jobs: make([]wire.NewJob, wire.MaxBatch), Atomic: true}
	for i := range b.Jobs {
		b.Jobs[i] = wire.NewJob{Kind: "k", Payload: json.RawMessage(fmt.Sprint(i))}
	}
	out, err := e.client.EnqueueBatch(t.Context(), b, "")
	if err != nil || out.Created != wire.MaxBatch || len(out.Results) != wire.MaxBatch {
		t.Fatalf("%d created, %v", out.Created, err)
	}
	for _, i := range []int{0, 4999, 9999} { // the results stand in the order of the request
		if j, err := e.client.Get(t.Context(), out.Results[i].ID); err != nil || string(j.Payload) != fmt.Sprint(i) {
			t.Errorf("result %d has the payload %s, %v", i, j.Payload, err)
		}
	}
	items := strings.Repeat(`{"kind":"k"},`, wire.MaxBatch) + `{"kind":"k"}`
	for _, body := range []string{`{"jobs":[` + items + `]}`, `{"jobs":[]}`, `{"jobs":{}}`, `{"atomic":true}`} {
		if g := e.want(422, "POST", "/v1/jobs/batch", body); g.problem.Errors[0].Pointer != "#/jobs" {
			t.Errorf("%.40s: %s", body, g.body)
		}
	}
	e.want(422, "POST", "/v1/jobs/batch", `{"jobs":[{"kind":"k"}],"atomic":1}`)
}

const mixed = `{"kind":"good"}, {"kind":"bad kind"}, {"kind":"good","priority":7}, 5, {"kind":"good","id":"018f0000-0000-7000-8000-000000000001"},
	{"kind":"good","id":"018F0000-0000-7000-8000-000000000001"}, {"kind":"good","id":"018f0000-0000-7000-8000-0000000000ff"}`

func TestAnAtomicBatchWithABadJobStoresNothing(t *testing.T) {
	e := start(t)
	g := e.want(422, "POST", "/v1/jobs/batch", `{"atomic":true,"jobs":[`+mixed+`]}`)
	var pointers []string
	for _, f := range g.problem.Errors {
		pointers = append(pointers, f.Pointer)
	}
	if got := strings.Join(pointers, " "); got != "#/jobs/1/kind #/jobs/2/priority #/jobs/3 #/jobs/5/id" {
		t.Errorf("pointers %s", got)
	}
	if n := e.count(); n != 0 {
		t.Errorf("%d jobs were stored", n)
	}
}

func TestABatchThatIsNotAtomicStoresItsGoodJobs(t *testing.T) {
	e := start(t)
	e.want(201, "POST", "/v1/jobs", `{"kind":"other","id":"018f0000-0000-7000-8000-0000000000ff"}`)
	var out wire.BatchResult
	body := e.want(200, "POST", "/v1/jobs/batch", `{"jobs":[`+mixed+`]}`).body
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		t.Fatal(err)
	}
	var statuses, pointers []string
	for _, r := range out.Results {
		statuses = append(statuses, r.Status)
		if (r.ID != job.ID{}) == (r.Problem != nil) {
			t.Errorf("%+v has both or neither of id and problem", r)
		}
		if r.Problem != nil {
			pointers = append(pointers, r.Problem.Errors[0].Pointer)
		}
	}
	if got := strings.Join(statuses, " "); got != "created rejected rejected rejected created rejected rejected" || out.Created != 2 || out.Rejected != 5 {
		t.Errorf("%s: %+v", got, out)
	}
	if got := strings.Join(pointers, " "); got != "#/jobs/1/kind #/jobs/2/priority #/jobs/3 #/jobs/5/id #/jobs/6/id" || out.Results[6].Problem.Code() != wire.CodeMismatch {
		t.Errorf("pointers %s, %+v", got, out.Results[6].Problem)
	}
	if n := e.count(); n != 3 {
		t.Errorf("%d jobs are there, want 3", n)
	}
	if body := e.want(200, "POST", "/v1/jobs/batch", `{"jobs":[{"kind":""}]}`).body; !strings.Contains(body, `"rejected":1`) {
		t.Errorf("%s", body)
	}
}

func TestABatchSentAgainUnderItsKeyMakesNoSecondJobs(t *testing.T) {
	e := start(t)
	for name, key := range map[string]string{"short": "k1", "long": strings.Repeat("x", 255)} {
		var first, again wire.BatchResult
		for i, into := range []*wire.BatchResult{&first, &again} {
			body := e.want(201, "POST", "/v1/jobs/batch", `{"atomic":true,"jobs":[{"kind":"a"},{"kind":"a"}]}`, keyHeader, key).body
			if err := json.Unmarshal([]byte(body), into); err != nil {
				t.Fatal(err)
			}
			if into.Created != 2*(1-i) || into.Deduplicated != 2*i {
				t.Errorf("%s key, time %d: %s", name, i+1, body)
			}
		}
		if first.Results[0].ID != again.Results[0].ID || first.Results[1].ID != again.Results[1].ID || again.Results[0].DeduplicatedBy != job.ByIdempotencyKey {
			t.Errorf("%s key: %+v, then %+v", name, first, again)
		}
		g := e.want(422, "POST", "/v1/jobs/batch", `{"atomic":true,"jobs":[{"kind":"a"},{"kind":"b"}]}`, keyHeader, key)
		if g.problem.Code() != wire.CodeMismatch {
			t.Errorf("another body under the %s key: %s", name, g.body)
		}
	}
	if n := e.count(); n != 4 {
		t.Errorf("%d jobs, want 4", n)
	}
}
