package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// signIn gives a secret as a form would and returns the cookie.
func (e *env) signIn(header []string) (*http.Cookie, error) {
	e.Helper()
	rec := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(e.Context(), http.MethodPost, "/sign-in", nil)
	err := e.server.SignIn(rec, r, strings.TrimPrefix(header[1], "Bearer "))
	cookies := rec.Result().Cookies()
	if err != nil {
		if len(cookies) != 0 {
			e.Errorf("who was refused got %v", cookies)
		}
		return nil, err
	}
	if len(cookies) != 1 {
		e.Fatalf("cookies %v", cookies)
	}
	return cookies[0], nil
}

func TestTheCookieOfABrowserReadsAndCallsNothingThatChanges(t *testing.T) {
	e := start(t)
	id := e.enqueue(`{"kind":"k"}`)
	header, made := e.token(job.APIToken{Scopes: []job.Scope{job.ScopeAdmin}})
	c, err := e.signIn(header)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "__Host-slotq" || c.Path != "/" || c.Domain != "" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("the cookie is %+v", c)
	}
	with := []string{"Cookie", c.Name + "=" + c.Value}
	e.want(200, "GET", "/v1/jobs/"+id, "", with...)
	e.want(200, "HEAD", "/v1/jobs/"+id, "", with...)
	e.want(401, "POST", "/v1/jobs", `{"kind":"k"}`, with...)
	e.want(401, "POST", "/v1/jobs/"+id+"/cancel", "", with...)
	e.want(401, "DELETE", "/v1/jobs/"+id, "", with...)
	e.want(401, "GET", "/v1/jobs", "", append([]string{"Authorization", "Bearer nonsense"}, with...)...) // what was said goes before what was kept
	if _, err := e.store.RevokeAPIToken(t.Context(), made.ID, e.server.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	again := startOn(t, e.store.Store)
	again.want(401, "GET", "/v1/jobs", "", with...)
}

func TestOnlyATokenThatReadsSignsIn(t *testing.T) {
	e := start(t)
	for name, c := range map[string]struct {
		header []string
		code   wire.Code
	}{
		"enqueue alone": {e.may("*", job.ScopeEnqueue), wire.CodeForbidden},
		"no token":      {[]string{"", job.NewAPISecret().Reveal()}, wire.CodeUnauthorized},
		"no secret":     {[]string{"", "hunter2"}, wire.CodeUnauthorized},
	} {
		if _, err := e.signIn(c.header); wire.ProblemOf(err).Code() != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, queues := range []string{"*", "own*"} {
		if _, err := e.signIn(e.may(queues, job.ScopeRead)); err != nil {
			t.Errorf("a token for the queues %s: %v", queues, err)
		}
	}
}

func TestAStaleCookieOnAnOpenAPIIsAsNone(t *testing.T) {
	e := start(t)
	for _, value := range []string{"", "nonsense", job.NewAPISecret().Reveal()} {
		e.want(200, "GET", "/v1/queues", "", "Cookie", cookieName+"="+value)
	}
}

func TestAFormOfOurOwnPageIsTakenWithTheCookieAndNoOther(t *testing.T) {
	e := start(t)
	header, _ := e.token(job.APIToken{Scopes: []job.Scope{job.ScopeOperate}})
	c, err := e.signIn(header)
	if err != nil {
		t.Fatal(err)
	}
	for name, sent := range map[string]struct {
		status  int
		headers []string
	}{
		"of the page":                    {200, []string{"Sec-Fetch-Site", "same-origin"}},
		"of the page, by an old browser": {200, []string{"Origin", "ORIGIN"}},
		"of another site":                {403, []string{"Sec-Fetch-Site", "cross-site"}},
		"of another name of this site":   {403, []string{"Sec-Fetch-Site", "same-site"}},
		"of another origin":              {403, []string{"Origin", "https://attacker.example"}},
		"of nobody knows where":          {401, nil},
		"with the origin null":           {403, []string{"Origin", "null"}},
		"with the address bar":           {401, []string{"Sec-Fetch-Site", "none"}},
	} {
		page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, err := e.server.Admit(w, r)
			if err != nil {
				e.server.problem(w, r, err)
				return
			}
			if !e.server.May(ctx, job.ScopeOperate) || e.server.May(ctx, job.ScopeAdmin) {
				t.Errorf("%s: it may not do what its token may", name)
			}
		})
		e.url = serve(t, e.server.Handler(nil, map[string]http.Handler{"POST /queue": page}))
		for i, value := range sent.headers {
			if value == "ORIGIN" {
				sent.headers[i] = e.url
			}
		}
		if g := e.send("POST", "/queue", "", append([]string{"Cookie", c.Name + "=" + c.Value}, sent.headers...)...); g.status != sent.status {
			t.Errorf("a form %s: %d %s, want %d", name, g.status, g.body, sent.status)
		}
	}
}

func TestWithoutAdmitAPageSeesNothing(t *testing.T) {
	e := start(t)
	e.enqueue(`{"kind":"k"}`)
	if _, err := e.server.Client().Queues(t.Context()); wire.ProblemOf(err).Code() != wire.CodeForbidden {
		t.Errorf("a call without an access: %v", err)
	}
	if _, _, err := e.server.Census(t.Context()); wire.ProblemOf(err).Code() != wire.CodeForbidden {
		t.Errorf("a count without an access: %v", err)
	}
	if _, _, err := e.server.Held(t.Context(), 1, 1); wire.ProblemOf(err).Code() != wire.CodeForbidden {
		t.Errorf("jobs of a worker without an access: %v", err)
	}
}
