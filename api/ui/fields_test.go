package ui

import (
	"net/url"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
)

func TestANameInAFormOrLinkReachesItsQueueAndNothingElse(t *testing.T) {
	e := start(t)
	j := e.enqueue("mail", job.Spec{Kind: "k"})
	for _, name := range []string{"../jobs/" + j.ID.String(), "..", "", "mail/slots", "../workers"} {
		if g := e.post("/queue", url.Values{"do": {"delete"}, "name": {name}}); g.status != 404 && g.status != 422 {
			t.Errorf("deleting queue %q: %d %s", name, g.status, g.body)
		}
		if g := e.get("/queue?name=" + url.QueryEscape(name)); g.status != 404 && g.status != 422 {
			t.Errorf("showing queue %q: %d %s", name, g.status, g.body)
		}
	}
	e.shows("/jobs/"+j.ID.String(), "available")
}

func TestANumberThatIsNoneIsAProblemOfItsField(t *testing.T) {
	e := start(t)
	e.enqueue("mail", job.Spec{Kind: "k"})
	for _, bad := range []string{"NaN", "Inf", "-Infinity", "0x10", "1_000", "one", "1,5"} {
		for path, form := range map[string]url.Values{
			"/enqueue": {"kind": {"k"}, "delay_seconds": {bad}},
			"/queue":   {"do": {"set"}, "name": {"mail"}, "timeout_seconds": {bad}},
		} {
			if g := e.post(path, form); g.status != 422 || !strings.Contains(g.body, "_seconds") {
				t.Errorf("%s with %q: %d %s", path, bad, g.status, g.body)
			}
		}
		if g := e.post("/queue", url.Values{"do": {"set"}, "name": {"mail"}, "backoff": {"list"}, "backoff_list": {"1, " + bad}}); bad != "1,5" && g.status != 422 {
			t.Errorf("a list with %q: %d", bad, g.status)
		}
	}
	for _, bad := range []string{"0", "1.9", "-1", "x"} {
		if g := e.post("/enqueue", url.Values{"kind": {"k"}, "priority": {bad}}); g.status != 422 {
			t.Errorf("priority %q: %d", bad, g.status)
		}
	}
}

func TestAFilterThatIsMistypedDoesNotShowEverything(t *testing.T) {
	e := start(t)
	e.enqueue("mail", job.Spec{Kind: "k"})
	for _, query := range []string{"kinds=nothing", "tag=%zz", "state=gone", "slot=x"} {
		if g := e.get("/jobs?" + query); g.status != 422 || strings.Contains(g.body, "<table") {
			t.Errorf("/jobs?%s: %d", query, g.status)
		}
	}
}

func TestAFormThatFailedSaysWhetherItMayHaveDoneSomething(t *testing.T) {
	e := start(t)
	e.enqueue("mail", job.Spec{Kind: "k"})
	if g := e.post("/queue", url.Values{"do": {"pause"}, "name": {"nobody"}}); !strings.Contains(g.body, "Nothing was changed.") {
		t.Errorf("a refusal: %s", g.body)
	}
	e.store.gone.Store(true)
	g := e.post("/queue", url.Values{"do": {"pause"}, "name": {"mail"}})
	if g.status < 500 || strings.Contains(g.body, "Nothing was changed.") || !strings.Contains(g.body, "It may have been done all the same") {
		t.Errorf("a failure: %d %s", g.status, g.body)
	}
}
