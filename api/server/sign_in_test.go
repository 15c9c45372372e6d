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

func TestTheCookieOfABrowserReadsAndChangesNothing(t *testing.T) {
	e := start(t)
	id := e.enqueue(`{"kind":"k"}`)
	header, made := e.token(job.APIToken{Scopes: []job.Scope{job.ScopeAdmin}})
	c, err := e.signIn(header)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "__Host-slotq" || c.Path != "/" || c.Domain != "" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
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

func TestOnlyATokenThatReadsEverythingSignsIn(t *testing.T) {
	e := start(t)
	for name, c := range map[string]struct {
		header []string
		code   wire.Code
	}{
		"enqueue alone": {e.may("*", job.ScopeEnqueue), wire.CodeForbidden},
		"some queues":   {e.may("own*", job.ScopeAdmin), wire.CodeForbidden},
		"no token":      {[]string{"", job.NewAPISecret().Reveal()}, wire.CodeUnauthorized},
		"no secret":     {[]string{"", "hunter2"}, wire.CodeUnauthorized},
	} {
		if _, err := e.signIn(c.header); wire.ProblemOf(err).Code() != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := e.signIn(e.may("*", job.ScopeRead)); err != nil {
		t.Error(err)
	}
}

func TestAStaleCookieOnAnOpenAPIIsAsNone(t *testing.T) {
	e := start(t)
	for _, value := range []string{"", "nonsense", job.NewAPISecret().Reveal()} {
		e.want(200, "GET", "/v1/queues", "", "Cookie", cookieName+"="+value)
	}
}

func TestABrowserWithoutATokenIsSentToTheForm(t *testing.T) {
	e := start(t, func(o *Options) { o.TokensOnly = true })
	page := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	e.url = serve(t, e.server.Handler(nil, map[string]http.Handler{"/": page, "/sign-in": page, "POST /sign-in": page}))
	g := e.want(303, "GET", "/", "", "Accept", "text/html,*/*")
	if g.header.Get("Location") != "/sign-in" {
		t.Errorf("%v", g.header)
	}
	e.want(200, "GET", "/sign-in", "")
	e.want(200, "POST", "/sign-in", "")
	e.want(403, "POST", "/sign-in", "", "Origin", "https://attacker.example", "Sec-Fetch-Site", "cross-site")
	e.want(401, "GET", "/", "")
}
