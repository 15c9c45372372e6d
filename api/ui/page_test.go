package ui

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// everything fills the pages with a little of everything, and returns the address of each.
func (e *env) everything() (paths []string) {
	e.Helper()
	w := e.worker("host-1")
	failed := e.enqueue("mail", job.Spec{Kind: "mail.send"})
	e.enqueue("later", job.Spec{Kind: "k", Delay: time.Hour, ConcurrencyKey: "c", UniqueKey: "u"})
	now := e.clock.Now()
	e.finish(w, e.claim(w, failed).Failed(now, job.RunError{Type: "exit", Message: "it broke", At: now, Worker: w.ID, Attempt: 1, Run: 1}, time.Hour))
	done := e.enqueue("mail", job.Spec{Kind: "k"})
	e.finish(w, job.Outcome{Job: e.claim(w, done), Action: job.Complete, Output: []byte("made it")})
	running := e.enqueue("mail", job.Spec{Kind: "mail.send", Tags: []string{"a"}})
	e.claim(w, running)
	a := job.BulkAction{ID: job.NewID(now), Verb: job.VerbRetry, CreatedAt: now, Digest: make([]byte, 16), Choice: job.Choice{Filter: job.Filter{Kind: "k"}}}
	if bad := a.Ready(false); len(bad) > 0 {
		e.Fatal(bad)
	}
	_, err := e.store.Act(e.Context(), a)
	e.ok(err)
	paths = []string{"/", "/?queue=later", "/jobs", "/jobs?state=completed", "/queues", "/queue?name=mail", "/workers", "/enqueue", "/docs", "/sign-in", "/action?id=" + a.ID.String()}
	for _, j := range []*job.Job{failed, running, done} {
		paths = append(paths, "/jobs/"+j.ID.String())
	}
	return paths
}

func TestEveryPageKeepsToThePolicyAndItsBytes(t *testing.T) {
	e := start(t, func(o *Options) { o.Demo = true })
	for _, path := range e.everything() {
		body := e.shows(path, "<h1", `href="`)
		for _, never := range []string{"style=", "<style", "javascript:", "//cdn", "https://", "<no value>", "%!"} {
			if strings.Contains(body, never) && path != "/docs" {
				t.Errorf("%s has %q", path, never)
			}
		}
		if n := len(regexp.MustCompile(`\son[a-z]+=`).FindAllString(body, -1)); n > 0 {
			t.Errorf("%s has %d scripts in attributes", path, n)
		}
	}
	sum := len(e.get("/").body)
	for _, m := range regexp.MustCompile(`(?:src|href)="\./(assets/[^"]+)"`).FindAllStringSubmatch(e.get("/").body, -1) {
		g := e.get("/" + m[1])
		if g.status != 200 || !strings.Contains(g.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", m[1], g.status, g.header)
		}
		sum += len(g.body)
	}
	const most = 200_000
	if t.Logf("the overview is %d bytes in all", sum); sum > most {
		t.Errorf("the overview is %d bytes in all, and may be %d", sum, most)
	}
	if g := e.get("/assets/nothing.js"); g.status != 404 {
		t.Errorf("an asset that is not there: %d", g.status)
	}
	if g := e.get("/assets/uPlot.LICENSE"); g.status != 200 || !strings.Contains(g.body, "MIT") {
		t.Errorf("a licence: %d %s", g.status, g.body)
	}
}

// TestEveryLinkHoldsUnderAProxysPath follows all links and sends a form through a proxy that takes a path away.
func TestEveryLinkHoldsUnderAProxysPath(t *testing.T) {
	e := start(t)
	paths := e.everything()
	target, err := url.Parse(e.url)
	e.ok(err)
	proxy := httptest.NewServer(http.StripPrefix("/tools/slotq", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}))
	defer proxy.Close()
	e.url = proxy.URL
	link := regexp.MustCompile(`(?:src|href)="([^"#]*)`)
	met := map[string]bool{}
	for _, path := range paths {
		at, err := url.Parse("/tools/slotq" + path)
		e.ok(err)
		g := e.get(at.String())
		if g.status != 200 {
			t.Errorf("%s: %d", at, g.status)
		}
		for _, m := range link.FindAllStringSubmatch(g.body, -1) {
			to, err := at.Parse(strings.ReplaceAll(m[1], "&amp;", "&"))
			e.ok(err)
			if met[to.String()] {
				continue
			}
			met[to.String()] = true
			if !strings.HasPrefix(to.Path, "/tools/slotq/") {
				t.Errorf("%s leads out to %s", at, to)
			} else if g := e.get(to.String()); g.status != 200 {
				t.Errorf("%s leads to %s: %d", at, to, g.status)
			}
		}
	}
	if len(met) < 40 {
		t.Errorf("only %d links were met", len(met))
	}
	g := e.post("/tools/slotq/queue", url.Values{"do": {"pause"}, "name": {"mail"}})
	if g.status != 303 || g.header.Get("Location") != "./queue?name=mail&note=paused" {
		t.Errorf("a form: %d %v", g.status, g.header)
	}
}

func TestAFailedCallIsShownAsSuch(t *testing.T) {
	e := start(t)
	paths := e.everything()
	e.store.gone.Store(true)
	for _, path := range paths {
		if strings.HasPrefix(path, "/jobs/") || strings.HasPrefix(path, "/action") || path == "/docs" || path == "/sign-in" {
			continue // they need no queues
		}
		g := e.get(path)
		if g.status != 500 || !strings.Contains(g.body, `class="problem" role="alert"`) || !strings.Contains(g.body, "Something went wrong here") || strings.Contains(g.body, "hunter2") || strings.Contains(g.body, "<table") {
			t.Errorf("%s: %d %s", path, g.status, g.body)
		}
	}
}
