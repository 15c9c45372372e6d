package page

import (
	"fmt"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// The journeys of this file share a system, each with a queue of its own.
func TestJobs(t *testing.T) {
	t.Parallel()
	s := setUp(t, 2)

	t.Run("an enqueued job is seen to run", func(t *testing.T) {
		b := newTab(t, s.API)
		b.open("/enqueue")
		b.click(`a[href*="concurrency_key"]`) // an example
		b.until("the example fills the form", `document.querySelector("[name=concurrency_key]").value === "customer-42"`)
		b.fill("[name=kind]", "report.build")
		b.fill("[name=queue]", "journey")
		b.fill("[name=payload]", `{"output": "the report is built"}`)
		b.click("button.main")
		b.shows(".note", "The job is stored.")
		b.shows("h1", "report.build")
		b.shows("h1 .state", "completed")
		b.shows("pre", "the report is built")
		b.shows(".runs", "completed")
		if href := value[string](b, "location.search"); href != "" {
			t.Errorf("the note stays in the address: %s", href)
		}
		b.shot("job")
	})

	t.Run("what is wrong with a new job is said and what was typed is kept", func(t *testing.T) {
		b := newTab(t, s.API, "422")
		b.open("/enqueue")
		b.fill("[name=kind]", "report.build")
		b.fill("[name=payload]", `{"output": `)
		b.click("button.main")
		b.shows(".problem", "payload is no JSON")
		value[bool](b, "history.back(), true")
		b.until("the form is as it was", `document.querySelector("[name=payload]")?.value === '{"output": '`)
	})

	t.Run("a failed job is opened, read and retried", func(t *testing.T) {
		id := s.enqueue(wire.NewJob{Kind: "report.build", Queue: "broken", MaxAttempts: 1}, orders{Exit: 3, ExitUntil: 2, Stderr: "the printer is on fire"})
		s.awaitState(id, job.Discarded)
		b := newTab(t, s.API)
		b.open("/")
		b.shows("#failed-report\\.build", "the printer is on fire")
		b.click("#failed-report\\.build a.row")
		b.shows("h1 .state", "discarded")
		b.shows("tr.error pre", "the printer is on fire")
		b.shot("failed-job")
		b.click("button[value=retry]")
		b.shows(".note", "The job is available again.")
		b.shows("h1 .state", "completed")
		b.shows(".runs", "exit") // the errors are kept
	})

	t.Run("Retry all brings the failed jobs of a kind back", func(t *testing.T) {
		var ids []job.ID
		for range 5 {
			ids = append(ids, s.enqueue(wire.NewJob{Queue: "bulk", MaxAttempts: 1}, orders{Exit: 1, ExitUntil: 2, Stderr: "no route to host"}))
		}
		for _, id := range ids {
			s.awaitState(id, job.Discarded)
		}
		b := newTab(t, s.API)
		b.open("/")
		b.shows("#failed-mail\\.send", "5 ×")
		b.click("#failed-mail\\.send button")
		b.shows("h1", "retry all of mail.send")
		b.shows(".tag", "finished")
		if done := value[string](b, `document.getElementById("done").innerText`); done != "5" {
			t.Errorf("%s jobs were retried", done)
		}
		for _, id := range ids {
			s.awaitState(id, job.Completed)
		}
	})

	t.Run("filters stand in the address and Back goes back", func(t *testing.T) {
		for i := range 60 {
			s.enqueue(wire.NewJob{Queue: "filters", Tags: []string{fmt.Sprint("odd-", i%2)}, DelaySeconds: 3600}, orders{})
		}
		id := s.enqueue(wire.NewJob{Queue: "filters", Kind: "report.build"}, orders{})
		s.awaitState(id, job.Completed)
		b := newTab(t, s.API, "404")
		rows := func(n int) string {
			return fmt.Sprintf(`document.querySelectorAll("table.jobs tbody tr").length === %d`, n)
		}
		b.open("/jobs?queue=filters")
		b.until("a page of them", rows(50))
		b.click(`a[rel=next]`)
		b.until("the rest", rows(11))
		b.click(`a[rel=next], .pages a`) // Newest
		b.until("all jobs", `location.search === ""`)
		b.open("/jobs?queue=filters")
		b.fill("[name=tag]", "odd-1")
		b.click(".filters button")
		b.until("half of them", rows(30))
		b.until("the address says so", `new URLSearchParams(location.search).get("tag") === "odd-1"`)
		b.click("[value=completed]")
		b.fill("[name=tag]", "")
		b.click(".filters button")
		b.until("the one that is completed", rows(1))
		value[bool](b, "history.back(), true")
		b.until("half of them again", rows(30))
		b.fill(".search input", id.String())
		b.press("\r")
		b.shows("h1", "report.build")
		b.fill(".search input", "nothing")
		b.press("\r")
		b.shows(".problem", "There is no such thing")
	})

	t.Run("keys are enough", func(t *testing.T) {
		b := newTab(t, s.API)
		b.open("/")
		b.press("g")
		b.press("j")
		b.until("the jobs are open", `location.pathname === "/jobs" && document.readyState === "complete"`) // with their script
		b.press("n")
		b.press("n")
		b.press("p")
		b.until("the first row has the focus", `document.activeElement === document.querySelector("a.row")`)
		b.press("\r")
		b.until("it is open", `location.pathname.startsWith("/jobs/") && document.readyState === "complete"`)
		b.press("/")
		b.until("the search has the focus", `document.activeElement.name === "id"`)
		b.press("gq") // into the field
		b.until("it is typed", `document.activeElement.value.endsWith("gq") && location.pathname.startsWith("/jobs/")`)
	})
}
