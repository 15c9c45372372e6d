package e2e

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// TestNoSecretAndNoPayloadIsSeenWhereItDoesNotBelong puts canaries into everything that is secret and looks for them where
// people and machines look: logs at their most talkative, metrics, errors, and the environment of jobs.
func TestNoSecretAndNoPayloadIsSeenWhereItDoesNotBelong(t *testing.T) {
	t.Parallel()
	system.EachDatabase(t, func(t *testing.T, db system.Database) {
		t.Parallel()
		secret, stranger := job.NewAPISecret().Reveal(), job.NewAPISecret().Reveal()
		canaries := map[string]string{
			"the token": secret[len("slotq_"):], "a token that is none": stranger[len("slotq_"):], "a broken token": "br0kencanary",
			"a payload": "payl0adcanary", "the secret of a hook": strings.TrimPrefix(hookEnviron, "HOOK_SECRET=whsec_"),
		}
		if u, err := url.Parse(db.URL); err == nil {
			if password, ok := u.User.Password(); ok && len(password) > 5 {
				canaries["the database's password"] = password
			}
		}
		s := system.New(t, db, system.Short, handlersWith(hook(t).URL), hookEnviron)
		file := filepath.Join(s.Dir, "token")
		check(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))
		s.Setting("SLOTQ_LOG_LEVEL=debug")
		s.Setting("SLOTQ_BOOTSTRAP_TOKEN_FILE=" + file)
		s.Client = s.Client.WithToken(secret)
		parts, doomed := []*system.Process{s.StartAPI(), s.StartManager()}, s.StartWorker()
		authorized := "Authorization: Bearer " + secret

		// Jobs that succeed, fail, are retried and kill their worker, all with the canary in what they carry.
		carry := func(o string) []byte { return []byte(`{"canary":"payl0adcanary"` + o + `}`) }
		done := ran(t, s, wire.NewJob{Kind: "w.run", Payload: carry("")})
		if got := must(s.Client.Get(t.Context(), done.ID))(t); !strings.Contains(string(got.Payload), "payl0adcanary") || !strings.Contains(string(got.Output), "payl0adcanary") {
			t.Fatalf("the canary has not passed through the job: %s %s", got.Payload, got.Output)
		}
		ran(t, s, wire.NewJob{Kind: "w.run", Backoff: quick(0), MaxAttempts: 2, Payload: carry(`,"exit":1`)})
		ran(t, s, wire.NewJob{Kind: "w.limited", MaxAttempts: 1, Payload: carry(`,"ms":60000`)})
		for _, kind := range []string{"http.echo", "http.broken", "http.gone", "http.private"} {
			ran(t, s, wire.NewJob{Kind: kind, MaxAttempts: 1, Payload: carry("")})
		}
		environ := ran(t, s, wire.NewJob{Kind: "w.environ", Payload: carry("")})
		environ = must(s.Client.Get(t.Context(), environ.ID))(t)
		crashed := post(t, s, wire.NewJob{Kind: "w.run", MaxCrashes: 1, Payload: carry(`,"kill_worker":true`)})
		wants(t, ended(t, s, crashed), job.Discarded, job.ReasonMaxCrashes)

		seen := map[string]string{"log of the worker that died": doomed.Log()}
		refused := func(what string, status int, method, path, body string, headers ...string) {
			t.Helper()
			a := ask(t, s, method, path, body, headers...)
			problem(t, a, status)
			seen["the answer to "+what] = string(a.body)
		}
		const jobs, bad = "/v1/jobs", `{"kind":"k","payload":"payl0adcanary"`
		refused("no token", 401, http.MethodGet, jobs, "")
		refused("a foreign token", 401, http.MethodGet, jobs, "", "Authorization: Bearer "+stranger)
		refused("a broken token", 401, http.MethodGet, jobs, "", "Authorization: Bearer br0kencanary")
		refused("a token of another scheme", 401, http.MethodGet, jobs, "", "Authorization: Basic "+secret)
		refused("a wrong field", 422, http.MethodPost, jobs, bad+`,"priority":"payl0adcanary","payl0ad canary":1}`, authorized)
		refused("no JSON", 400, http.MethodPost, jobs, bad, authorized)
		refused("a kind that is none", 422, http.MethodPost, jobs, `{"kind":"payl0adcanary!"}`, authorized)
		refused("a batch", 422, http.MethodPost, jobs+"/batch", `{"atomic":true,"jobs":[`+bad+`,"run_at":"payl0adcanary"}]}`, authorized)
		ask(t, s, http.MethodPost, jobs, bad+"}", authorized, "Idempotency-Key: once")
		refused("another body", 422, http.MethodPost, jobs, bad+`,"priority":1}`, authorized, "Idempotency-Key: once")

		for _, p := range append(parts, s.StartWorker()) {
			a, err := send(p.URL, http.MethodGet, "/metrics", "", authorized)
			check(t, err)
			if !strings.Contains(string(a.body), "slotq_build_info") {
				t.Errorf("%s shows no metrics: %d %.200s", p.Name, a.status, a.body)
			}
			seen["metrics of "+p.Name] = string(a.body)
			if seen["log of "+p.Name] = p.Log(); p.Log() == "" {
				t.Errorf("%s logs nothing: nothing was looked at", p.Name)
			}
		}
		for what, text := range seen {
			for name, canary := range canaries {
				if strings.Contains(text, canary) {
					t.Errorf("%s is in %s", name, what)
				}
			}
		}
		delete(canaries, "the secret of a hook") // worker.yaml lists it for this handler
		output := string(environ.Output)
		if !strings.Contains(output, "SLOTQ_JOB_ID") {
			t.Fatalf("the environment of the job is not shown: %s", output)
		}
		for name, canary := range canaries {
			if strings.Contains(output, canary) {
				t.Errorf("%s is in a job's environment", name)
			}
		}
		if strings.Contains(output, "SLOTQ_DATABASE") || strings.Contains(output, "TOKEN") {
			t.Errorf("a job's environment names what is none of its business: %s", output)
		}
	})
}
