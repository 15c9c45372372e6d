package page

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/wire"
)

// token makes a token past the api and returns its secret.
func (s *stage) token(queues string, scopes ...job.Scope) string {
	s.Helper()
	ctx := s.t.Context()
	db, err := store.Open(ctx, s.DB.URL, store.Options{Connections: 1})
	if err != nil {
		s.Fatal(err)
	}
	defer db.Close()
	now, err := db.Now(ctx)
	if err != nil {
		s.Fatal(err)
	}
	secret := job.NewAPISecret()
	if _, err := db.CreateAPIToken(ctx, job.APIToken{ID: job.NewID(now), Hash: secret.Hash(), Name: "a person", Scopes: scopes, Queues: []string{queues}}, now); err != nil {
		s.Fatal(err)
	}
	return secret.Reveal()
}

func TestPeopleWithTokens(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("0123456789abcdef", 4)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	s := setUp(t, 1, "--bootstrap-token-file="+file)
	s.Client = s.Client.WithToken(secret)
	signIn := func(b *tab, secret string) {
		b.Helper()
		b.fill("[name=token]", secret)
		b.click("main button")
	}
	id := s.enqueue(wire.NewJob{Queue: "mail"}, orders{Output: "s3cret out", Stderr: "s3cret in"})
	foreign := s.enqueue(wire.NewJob{Queue: "pay", Kind: "report.build"}, orders{})
	s.awaitState(id, job.Completed)

	t.Run("they sign in and out", func(t *testing.T) {
		b := newTab(t, s.API, "401")
		b.open("/jobs/" + id.String())
		b.until("it asks who they are", `location.pathname === "/sign-in"`)
		signIn(b, job.NewAPISecret().Reveal())
		b.shows(".problem", "No token has this secret")
		signIn(b, secret)
		b.shows(".health", "All is well")
		b.click("header form[action$=sign-out] button")
		b.until("they are out", `location.pathname === "/sign-in"`)
		b.open("/")
		b.until("and stay out", `location.pathname === "/sign-in"`)
	})

	t.Run("they see what their token may see, and no payload without the right", func(t *testing.T) {
		b := newTab(t, s.API, "404")
		b.open("/sign-in")
		signIn(b, s.token("mail", job.ScopeRead))
		b.shows("#q-mail", "mail")
		if value[bool](b, `document.body.innerText.includes("pay") || document.querySelectorAll("button").length > 1`) {
			t.Error("it shows a foreign queue, or offers what the token may not do")
		}
		b.open("/jobs/" + id.String())
		b.shows("main", "Payload and output are hidden")
		if value[bool](b, `document.documentElement.outerHTML.includes("s3cret")`) {
			t.Error("the payload is there")
		}
		b.open("/jobs/" + foreign.String())
		b.shows(".problem", "There is no such thing")
	})

	t.Run("a token with more rights shows more and lets act", func(t *testing.T) {
		b := newTab(t, s.API)
		b.open("/sign-in")
		signIn(b, s.token("mail", job.ScopeOperate, job.ScopeReadPayload))
		b.until("signed in", `location.pathname === "/"`)
		b.open("/jobs/" + id.String())
		b.shows("pre", "s3cret out")
		b.click("button[value=retry]")
		b.shows(".note", "The job is available again.")
		b.open("/queue?name=mail")
		b.until("the settings are not for it", `document.querySelector(".settings fieldset").disabled`)
	})
}

func TestUnderAPathOfAProxyThePageIsWhole(t *testing.T) {
	t.Parallel()
	s := setUp(t, 1)
	target, err := url.Parse(s.API)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(http.StripPrefix("/ops/slotq", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}))
	t.Cleanup(proxy.Close)
	b := newTab(t, proxy.URL+"/ops/slotq")
	b.open("/")
	b.shows("main", "No queue yet")
	b.click("main a[href$=enqueue]")
	b.fill("[name=kind]", "mail.send")
	b.click("button.main")
	b.shows("h1 .state", "completed")
	b.click("nav a[data-key=o]")
	b.shows("#q-default", "default")
	b.until("the charts are drawn", `document.querySelectorAll(".plot canvas").length === 4`)
	if path := value[string](b, "location.pathname"); path != "/ops/slotq/" {
		t.Errorf("it is at %s", path)
	}
}
