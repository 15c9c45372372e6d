package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// tricky is a payload that a JSON library would write differently: order and spaces, numbers beyond float64, characters
// that get escaped.
const tricky = `{"b": 1,  "a":9007199254740993, "e":1e400,"s":"<&>\u00e9é\u2028/\/", "n" : [ ] , "z":-0.0}`

// hookSecret signs the requests of http handlers.
var hookSecret = []byte("0123456789abcdef0123456789abcdef")

// hook is a target that refuses what is not signed as Standard Webhooks prescribes.
func hook(t *testing.T) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		id, stamp := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
		mac := hmac.New(sha256.New, hookSecret)
		mac.Write([]byte(id + "." + stamp + "." + string(body)))
		want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		if id == "" || stamp == "" || !slices.Contains(strings.Fields(r.Header.Get("webhook-signature")), want) {
			t.Errorf("a request whose signature is wrong: %v", r.Header)
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/gone":
			http.Error(w, "gone", http.StatusGone)
		case "/broken":
			http.Error(w, "broken", http.StatusInternalServerError)
		case "/away":
			http.Redirect(w, r, "/echo", http.StatusTemporaryRedirect)
		default:
			_, _ = w.Write(body)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// handlersWith are the handlers that most tests use.
func handlersWith(hook string) string {
	// By its name: an address that may not be called is found when the worker starts.
	local := strings.Replace(hook, "127.0.0.1", "localhost", 1)
	return strings.NewReplacer("{hook}", hook, "{local}", local).Replace(`
handlers:
  w.run:
    exec: [{witness}]
    grace: 300ms
  w.limited:
    exec: [{witness}]
    timeout: 300ms
    grace: 300ms
  w.environ:
    exec: [env]
    env: [HOOK_SECRET]
  w.gone:
    exec: [sh, -c, 'kill -SEGV $$']
  http.echo: {http: '{hook}/echo', secret_env: HOOK_SECRET, allow: [127.0.0.0/8]}
  http.gone: {http: '{hook}/gone', secret_env: HOOK_SECRET, allow: [127.0.0.0/8]}
  http.broken: {http: '{hook}/broken', secret_env: HOOK_SECRET, allow: [127.0.0.0/8]}
  http.away: {http: '{hook}/away', secret_env: HOOK_SECRET, allow: [127.0.0.0/8]}
  http.private: {http: '{local}/echo', secret_env: HOOK_SECRET}
`)
}

const hookEnviron = "HOOK_SECRET=whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// whole starts a system with all parts.
func whole(t *testing.T, db system.Database) *system.System {
	t.Helper()
	s := system.New(t, db, system.Short, handlersWith(hook(t).URL), hookEnviron)
	s.StartAPI()
	s.StartManager()
	s.StartWorker()
	s.StartGoHandler()
	return s
}

func testExecutors(t *testing.T, s *system.System) {
	for _, kind := range []string{"w.run", "http.echo", "go.echo"} {
		t.Run(kind+" gets the payload byte for byte and its output is kept so", func(t *testing.T) {
			j := ran(t, s, wire.NewJob{Kind: kind, Payload: []byte(tricky)})
			wants(t, j, job.Completed, "")
			if string(j.Payload) != tricky {
				t.Errorf("payload\n%s, want\n%s", j.Payload, tricky)
			}
			if string(j.Output) != tricky {
				t.Errorf("the handler got\n%s, want\n%s", j.Output, tricky)
			}
			if j.Attempt != 1 || len(j.Errors) > 0 || j.FinishedAt.Before(j.StartedAt) { // a busy worker may have given it back unstarted, which is a run
				t.Errorf("%+v", j)
			}
		})
	}
	t.Run("a subprocess sees the variables of the contract and no others", func(t *testing.T) {
		j := ran(t, s, wire.NewJob{Kind: "w.environ"})
		wants(t, j, job.Completed, "")
		var names []string
		for line := range strings.Lines(text(t, j.Output)) {
			name, _, _ := strings.Cut(line, "=")
			names = append(names, name)
		}
		slices.Sort(names)
		want := []string{"HOME", "HOOK_SECRET", "LANG", "PATH", "SLOTQ_ATTEMPT", "SLOTQ_DEADLINE", "SLOTQ_JOB_ID", "SLOTQ_KIND",
			"SLOTQ_MAX_ATTEMPTS", "SLOTQ_QUEUE", "SLOTQ_RUN", "SLOTQ_SLOT", "TMPDIR"}
		if !slices.Equal(names, want) {
			t.Errorf("it sees %v, want %v", names, want)
		}
	})
	for _, c := range []struct {
		kind, name string
		state      job.State
		reason     string
		says       string
	}{
		{"http.gone", "a target that answers 410 discards", job.Discarded, job.ReasonHandler, "410"},
		{"http.broken", "a target that answers 500 fails", job.Discarded, job.ReasonMaxAttempts, "500"},
		{"http.away", "a redirect is not followed", job.Discarded, job.ReasonMaxAttempts, "307"},
		{"http.private", "a private target that is not listed is not called", job.Discarded, job.ReasonMaxAttempts, "allow"},
		{"w.gone", "a subprocess that a signal ends fails", job.Discarded, job.ReasonMaxAttempts, "signal"},
		{"go.fail", "an error of a Go handler fails", job.Discarded, job.ReasonMaxAttempts, "no luck"},
		{"go.discard", "a Go handler discards", job.Discarded, job.ReasonHandler, "no use"},
		{"go.panic", "a panic of a Go handler fails the job, not the worker", job.Discarded, job.ReasonMaxAttempts, "oh no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := ran(t, s, wire.NewJob{Kind: c.kind, MaxAttempts: 1, Payload: []byte(`{}`)})
			wants(t, j, c.state, c.reason)
			if len(j.Errors) != 1 || !strings.Contains(j.Errors[0].Message, c.says) {
				t.Errorf("errors %+v, want one that says %q", j.Errors, c.says)
			}
		})
	}
	t.Run("a job of a kind that nobody serves waits and slows nobody down", func(t *testing.T) {
		id := post(t, s, wire.NewJob{Kind: "nobody"})
		began := time.Now()
		wants(t, ran(t, s, wire.NewJob{Kind: "go.echo", Payload: []byte(`1`)}), job.Completed, "")
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("another job took %s", took)
		}
		if j := must(s.Client.Get(t.Context(), id))(t); j.State != job.Available || j.Run != 0 {
			t.Errorf("the job is %v, run %d", j.State, j.Run)
		}
	})
}
