package wire

import (
	"encoding/json"
	"errors"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRawValuesAreWrittenByteForByte(t *testing.T) {
	const value = "{ \"z\" : [9007199254740993, 1e400] ,\r\n\"a\":\"<&>\\u003c\" }"
	n := NewJob{Kind: "a<b", Payload: json.RawMessage(value), Metadata: json.RawMessage(`{"m" : 1}`), IdempotencyKey: "not sent here"}
	want := `{"kind":"a<b","metadata":{"m" : 1},"payload":` + value + `}`
	if got, err := Marshal(&n); err != nil || string(got) != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
	batch := Batch{Jobs: []NewJob{n, {Kind: "k"}}, Atomic: true}
	if got, err := Marshal(&batch); err != nil || string(got) != `{"jobs":[`+want+`,{"kind":"k"}],"atomic":true}` {
		t.Errorf("%s, %v", got, err)
	}
	j := JobOf(&job.Job{Payload: []byte(value), Output: []byte("\n" + value + "\n"), Metadata: []byte(value)})
	e := Enqueued{Job: j, Deduplicated: true, DeduplicatedBy: job.ByID}
	page := JobPage{Jobs: []Job{j, {}}, NextCursor: "next"}
	for name, body := range map[string]any{"job": &j, "enqueued": &e, "page": &page} {
		got, err := Marshal(body)
		if err != nil || !json.Valid(got) || strings.Count(string(got), value) != 3 {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	var back Enqueued
	got, _ := Marshal(&e)
	if err := json.Unmarshal(got, &back); err != nil || string(back.Payload) != value || string(back.Output) != value || !back.Deduplicated || back.DeduplicatedBy != job.ByID {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestOutputThatIsNoJSONIsAString(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "plain <text>\n": `"plain <text>\n"`, " 1e400 ": `1e400`, "{": `"{"`, "\"\xff\"": `"\"\ufffd\""`, "null": "null", "a\x00b": `"a\u0000b"`,
	} {
		if got := output([]byte(in)); string(got) != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestAJobIsConvertedWhole(t *testing.T) {
	w := job.NewWorkerID()
	j := JobOf(&job.Job{
		ID: job.NewID(1), Queue: "q", Kind: "k", Slot: 3, State: job.Available, Blocked: true, Priority: 1, Attempt: 2, MaxAttempts: 3, Run: 4, Crashes: 5, MaxCrashes: 6,
		Timeout: 1500 * time.Millisecond, Backoff: job.Backoff{Kind: job.BackoffExponential, Base: time.Second, Cap: time.Minute},
		RunAt: job.MinTime, ExpiresAt: job.MinTime + 1, CreatedAt: job.MinTime + 2, StartedAt: job.MinTime + 3, FinishedAt: job.MinTime + 4, CancelAt: job.MinTime + 5,
		UniqueKey: "u", ConcurrencyKey: "c", ConcurrencyLimit: 7, Tags: []byte(`["a"]`), Token: job.NewToken(w),
		Errors: []job.RunError{{Attempt: 1, Run: 1, At: job.MinTime, Worker: w, Type: "exit", Message: "m"}},
	})
	got, err := Marshal(&j)
	want := `{"id":"` + j.ID.String() + `","queue":"q","kind":"k","slot":3,"state":"available","state_reason":"blocked","priority":1,"attempt":2,"max_attempts":3,"run":4,"crashes":5,"max_crashes":6,` +
		`"timeout_seconds":1.5,"backoff":{"kind":"exponential","base_seconds":1,"cap_seconds":60},"run_at":"2000-01-01T00:00:00Z","expires_at":"2000-01-01T00:00:00.000001Z",` +
		`"unique_key":"u","concurrency_key":"c","concurrency_limit":7,"tags":["a"],"created_at":"2000-01-01T00:00:00.000002Z","started_at":"2000-01-01T00:00:00.000003Z",` +
		`"finished_at":"2000-01-01T00:00:00.000004Z","cancel_requested_at":"2000-01-01T00:00:00.000005Z","worker_id":"` + w.String() + `",` +
		`"errors":[{"attempt":1,"run":1,"at":"2000-01-01T00:00:00Z","worker_id":"` + w.String() + `","type":"exit","message":"m"}]}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v\nwant\n%s", got, err, want)
	}
}

func TestQueuesAndWorkersAreConverted(t *testing.T) {
	q := job.NewQueue("q")
	q.LIFO, q.Backoff = true, job.Backoff{Kind: job.BackoffList, List: []float64{1}}
	if w := QueueOf(q); w.Order != LIFO || w.Backoff.Kind != job.BackoffList || w.KeepCompletedSeconds != 86400 || w.Slots != 24 {
		t.Errorf("%+v", w)
	}
	for state, w := range map[string]job.Worker{WorkerActive: {}, WorkerQuiet: {Quiet: true}, WorkerStopping: {Quiet: true, Stop: true}, WorkerDead: {Dead: true, Stop: true}} {
		if got := WorkerOf(w).State; got != state {
			t.Errorf("%+v: %s, want %s", w, got, state)
		}
	}
	var s Slot
	s.SetCount(job.Count{Scheduled: 1, Available: 2, Blocked: 3, Running: 4, Retryable: 5}, true)
	if *s.Depth != 15 || s.States.Available != 5 || s.States.Blocked != 3 || *s.Running != 4 || !s.Capped {
		t.Errorf("%+v %+v", s, s.States)
	}
}

func TestSecondsBeyondADurationAreTheLongestOne(t *testing.T) {
	for in, want := range map[float64]time.Duration{1.5: 1500 * time.Millisecond, 1e300: math.MaxInt64, -1e300: -math.MaxInt64, 0: 0} {
		if got := Duration(in); got != want {
			t.Errorf("%g: %d, want %d", in, got, want)
		}
	}
}

func TestEveryCodeGoesToAStatusAndBackToTheSameError(t *testing.T) {
	met := map[Code]bool{}
	for _, c := range codes {
		if met[c.code] || c.title == "" || c.status < 400 {
			t.Errorf("%+v", c)
		}
		met[c.code] = true
		p := NewProblem(c.code, "detail")
		if p.Code() != c.code || p.Status != c.status {
			t.Errorf("%s: %+v", c.code, p)
		}
		if c.err != nil && (!errors.Is(p, c.err) || ProblemOf(c.err).Code() != c.code) {
			t.Errorf("%s: %v is not found, or goes to %s", c.code, c.err, ProblemOf(c.err).Code())
		}
	}
	if p := ProblemOf(errors.New("secret")); p.Code() != CodeInternal || strings.Contains(p.Error(), "secret") {
		t.Errorf("an unknown error: %+v", p)
	}
	if p := ProblemOf(job.Invalid{{Pointer: "/kind", Detail: "is wrong"}}); p.Code() != CodeInvalid || p.Errors[0].Pointer != "#/kind" || !strings.Contains(p.Error(), "#/kind is wrong") {
		t.Errorf("%+v", p)
	}
	inner := NewProblem(CodeState, "x")
	if ProblemOf(errors.Join(errors.New("around"), inner)) != inner {
		t.Error("a problem within an error is not found")
	}
}

func TestItDependsOnTheDomainAndTheStandardLibraryAlone(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if path != "github.com/slotq/slotq/shared/job" && path != "github.com/slotq/slotq/shared/wire" {
			t.Errorf("it depends on %s, and so would every client", path)
		}
	}
}
