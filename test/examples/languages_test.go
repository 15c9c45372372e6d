package examples

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// language is how the examples of one are run.
type language struct {
	name    string
	program string   // that runs them
	enqueue []string // takes a kind and a payload
	kind    string   // which its handler serves, or another's
	answer  bool     // it prints the api's answer and not just the id
}

func languages(t *testing.T) []language {
	return []language{
		{name: "curl", program: "curl", enqueue: []string{"sh", "docs/examples/curl/enqueue.sh"}, kind: "python.mail", answer: true},
		{name: "php", program: "php", enqueue: []string{"php", "docs/examples/php/enqueue.php"}, kind: "php.mail"},
		{name: "python", program: "python3", enqueue: []string{"python3", "docs/examples/python/enqueue.py"}, kind: "python.mail"},
		{name: "javascript", program: "node", enqueue: []string{"node", "docs/examples/javascript/enqueue.mjs"}, kind: "javascript.mail"},
		{name: "go", program: "go", enqueue: []string{built(t, "docs/examples/go/enqueue/main.go")}, kind: "go.mail"},
	}
}

// built compiles an example in Go as `go run` would.
func built(t *testing.T, file string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "example")
	cmd := exec.Command("go", "build", "-o", out, file)
	cmd.Dir = top
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", file, err, output)
	}
	return out
}

// run enqueues by the language's example and returns what it printed.
func (l language) run(t *testing.T, url, token, kind, payload string) (string, error) {
	t.Helper()
	interpreter(t, l.program)
	cmd := exec.Command(l.enqueue[0], append(l.enqueue[1:], kind, payload)...)
	cmd.Dir = top
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "SLOTQ_URL=" + url, "SLOTQ_TOKEN=" + token}
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil {
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s %s", err, exit.Stderr, out)
		}
		return "", err
	}
	return strings.TrimSpace(string(out)), nil
}

func TestEachLanguageStoresAndRunsAJobOnceThoughAnswersAreLost(t *testing.T) {
	t.Parallel()
	db := system.Database{Name: "sqlite", URL: "sqlite:" + filepath.Join(t.TempDir(), "slotq.db")}
	s := start(t, db, read(t, "docs/examples/worker.yaml"), "HOOK_SECRET=whsec_"+first)
	worker := built(t, "docs/examples/go/worker/main.go")
	goWorker := system.Start(t, "goworker", s.Dir, worker, []string{fmt.Sprintf("--listen=127.0.0.1:%d", system.FreePort(t)), "--database-url=" + db.URL},
		[]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir})
	secret := token(t, s, "enqueue")
	for _, l := range languages(t) {
		t.Run(l.name, func(t *testing.T) {
			way := startLossy(t, s.API)
			to := l.name + "@example.org"
			printed, err := l.run(t, way.URL, secret, l.kind, fmt.Sprintf(`{"to": %q}`, to))
			if err != nil {
				t.Fatal(err)
			}
			if n := way.requests.Load(); n != 3 {
				t.Errorf("it sent %d requests, want 3: a lost answer, a refusal, and one that is answered", n)
			}
			if l.answer {
				var made wire.Enqueued
				if err := json.Unmarshal([]byte(printed), &made); err != nil {
					t.Fatalf("%v in %s", err, printed)
				}
				printed = made.ID.String()
			}
			j := ended(t, s, printed)
			var got struct {
				Sent      string
				MessageID string `json:"message_id"`
				Attempt   int
			}
			if err := json.Unmarshal(j.Output, &got); err != nil || j.State != job.Completed || got.Sent != to || got.MessageID != printed || got.Attempt != 1 {
				t.Errorf("%s with %s, errors %v", j.State, j.Output, j.Errors)
			}

			// A payload that the handler cannot use is given up at once, and its error says why.
			printed, err = l.run(t, s.API, token(t, s, "enqueue,read"), l.kind, `{"subject": "no address"}`)
			if err != nil {
				t.Fatal(err)
			}
			if l.answer {
				return // the handler is another language's
			}
			j = ended(t, s, printed)
			if j.State != job.Discarded || j.StateReason != job.ReasonHandler || len(j.Errors) != 1 || !strings.Contains(j.Errors[0].Message, `no address in "to"`) {
				t.Errorf("%s (%s), errors %v", j.State, j.StateReason, j.Errors)
			}
		})
		t.Run(l.name+"/refused", func(t *testing.T) {
			way := startLossy(t, s.API)
			way.requests.Store(2)
			if _, err := l.run(t, way.URL, secret, "no kind", `{}`); err == nil || !strings.Contains(err.Error(), "A value is wrong") {
				t.Errorf("a kind that is wrong: %v", err)
			}
			if _, err := l.run(t, way.URL, "slotq_wrong", l.kind, `{}`); err == nil || !strings.Contains(err.Error(), "A token is needed") {
				t.Errorf("a token that is wrong: %v", err)
			}
			if n := way.requests.Load() - 2; n != 2 {
				t.Errorf("%d requests for 2 mistakes", n)
			}
		})
	}
	all := 0
	for _, err := range s.Client.List(t.Context(), wire.JobFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		all++
	}
	if want := 2 * len(languages(t)); all != want {
		t.Errorf("%d jobs are there, want %d: some were stored twice", all, want)
	}
	goWorker.Kill()
}

// ended waits until a job has ended.
func ended(t *testing.T, s *system.System, text string) (j wire.Job) {
	t.Helper()
	id, err := job.ParseID(text)
	if err != nil {
		t.Fatalf("%q is no id", text)
	}
	err = system.Await(t.Context(), patience, func() (err error) {
		j, err = s.Client.Get(t.Context(), id)
		if err == nil && !j.State.Finished() {
			err = fmt.Errorf("it is %s, errors %v", j.State, j.Errors)
		}
		return err
	})
	if err != nil {
		t.Fatalf("the job has not ended: %v", err)
	}
	return j
}
