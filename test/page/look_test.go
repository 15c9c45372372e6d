package page

import (
	_ "embed"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// axe finds what keeps people from using a page: letters that do not stand out, fields without a name, a wrong order.
//
//go:embed testdata/axe.min.js
var axe string

// TestThePagesAreForEverybody looks at every page in both themes, wide and narrow, and keeps pictures of them.
func TestThePagesAreForEverybody(t *testing.T) {
	t.Parallel()
	s := setUp(t, 2, "--demo")
	done := s.enqueue(wire.NewJob{Queue: "mail", Tags: []string{"news"}, UniqueKey: "u"}, orders{Output: "made it"})
	s.awaitState(done, job.Completed)
	failed := s.enqueue(wire.NewJob{Queue: "mail", Kind: "report.build", MaxAttempts: 1}, orders{Exit: 1, Stderr: "the disk is full"})
	s.awaitState(failed, job.Discarded)
	for range 3 {
		s.enqueue(wire.NewJob{Queue: "mail"}, orders{Milliseconds: 300_000})
		s.enqueue(wire.NewJob{Queue: "later", DelaySeconds: 3600}, orders{})
	}
	s.enqueue(wire.NewJob{Queue: "stuck", Kind: "fax.send"}, orders{})
	action, err := s.Client.Act(t.Context(), wire.NewAction{Action: "retry", Filter: wire.ActionFilter{Kind: "fax.send"}})
	if err != nil {
		t.Fatal(err)
	}
	b := newTab(t, s.API, "404")
	for name, path := range map[string]string{
		"overview": "/", "jobs": "/jobs", "no-jobs": "/jobs?queue=none", "done-job": "/jobs/" + done.String(), "discarded-job": "/jobs/" + failed.String(),
		"queues": "/queues", "queue": "/queue?name=mail", "workers": "/workers", "enqueue": "/enqueue", "action": "/action?id=" + action.ID.String(),
		"trouble": "/queue?name=none", "sign-in": "/sign-in", "docs": "/docs",
	} {
		b.size(1280, "light")
		b.open(path)
		value[bool](b, axe+"; document.getElementById('main').removeAttribute('data-every'); true")
		for _, theme := range []string{"light", "dark"} {
			b.size(1280, theme)
			var found []struct {
				ID, Help string
				Nodes    []struct{ HTML string }
			}
			text := value[string](b, `axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations.map(v => ({ID: v.id, Help: v.help, Nodes: v.nodes.map(n => ({HTML: n.html + " " + n.failureSummary}))}))))`)
			if err := json.Unmarshal([]byte(text), &found); err != nil {
				t.Fatal(err)
			}
			for _, v := range found {
				t.Errorf("%s, %s: %s: %s: %.300s", name, theme, v.ID, v.Help, v.Nodes[0].HTML)
			}
			b.shot(name + "-" + theme)
			b.size(390, theme)
			if wide := value[int](b, "document.documentElement.scrollWidth"); wide > 390 {
				t.Errorf("%s is %d wide on a screen of 390", name, wide)
			}
			b.shot(name + "-" + theme + "-narrow")
		}
	}
}

// TestNothingOfAJobRuns puts what is hostile into every field and looks whether the browser takes anything of it for more than
// text. What the server sends is tested with the page; this is what a browser makes of it.
func TestNothingOfAJobRuns(t *testing.T) {
	t.Parallel()
	s := setUp(t, 1)
	file, err := os.ReadFile("../../api/ui/testdata/hostile.txt")
	if err != nil {
		t.Fatal(err)
	}
	list := strings.Split(strings.TrimSpace(string(file)), "\n")
	var last job.ID
	for _, evil := range list {
		last = s.enqueue(wire.NewJob{Queue: "mail", Tags: []string{evil}, UniqueKey: evil, ConcurrencyKey: evil, MaxAttempts: 1}, orders{Exit: 1, Stderr: evil, Output: evil})
	}
	s.awaitState(last, job.Discarded)
	b := newTab(t, s.API) // a script that the policy stops is told on the console
	text := `document.getElementById("main").innerText`
	b.open("/jobs?queue=mail")
	b.until("they are listed", text+`.includes("alert(61)")`)
	clean := func() {
		t.Helper()
		if n := value[int](b, `document.querySelectorAll("main :is(script, img, iframe, object, embed, style, link, math, video, [onerror], [onload], [onfocus])").length`); n != 0 {
			t.Errorf("%d elements of jobs at %s", n, value[string](b, "location.href"))
		}
	}
	clean()
	b.click("a.row")
	b.shows("pre", "alert(62)")
	clean()
	b.open("/")
	b.shows(".failed", "mail.send")
	b.until("it was refreshed", `(window.then ??= Date.now(), Date.now() - window.then > 2500)`) // what a morph makes of it
	clean()
}
