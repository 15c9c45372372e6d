package page

import (
	"fmt"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func TestQueuesAndSlots(t *testing.T) {
	t.Parallel()
	s := setUp(t, 1)

	t.Run("a queue is paused by hand, named as the trouble, and resumed by its link", func(t *testing.T) {
		s.awaitState(s.enqueue(wire.NewJob{Queue: "mail"}, orders{}), job.Completed)
		b := newTab(t, s.API)
		b.open("/queues")
		b.click(`button[aria-label="Pause mail"]`)
		b.shows("h1 .tag", "paused")
		for range 3 {
			s.enqueue(wire.NewJob{Queue: "mail"}, orders{})
		}
		b.open("/")
		b.shows(".health.bad", "mail is paused: 3 waiting")
		b.click(".health .mend")
		b.click("button[value=resume]")
		b.shows(".note", "The queue is resumed.")
		b.open("/")
		b.shows(".health.good", "All is well: 1 worker runs 0 jobs, nothing waits.")
	})

	t.Run("jobs that nobody has a handler for are named with the link to them", func(t *testing.T) {
		for range 2 {
			s.enqueue(wire.NewJob{Queue: "lost", Kind: "fax.send"}, orders{})
		}
		b := newTab(t, s.API)
		b.open("/")
		b.shows(".health.bad", "lost stands still: 2 waiting, oldest")
		b.shows(".health.bad", "no worker serves fax.send.")
		b.click(".health .mend")
		b.until("they are listed", `document.querySelectorAll("table.jobs tbody tr").length === 2`)
		if _, err := s.Client.PurgeQueue(t.Context(), "lost"); err != nil {
			t.Error(err)
		}
	})

	t.Run("slots are lanes, and those above a smaller number drain", func(t *testing.T) {
		s.awaitState(s.enqueue(wire.NewJob{Queue: "lanes"}, orders{}), job.Completed)
		b := newTab(t, s.API)
		b.open("/queue?name=lanes")
		b.until("all slots are lanes", `document.querySelectorAll(".lane").length === 24`)
		if _, err := s.Client.PauseQueue(t.Context(), "lanes"); err != nil {
			t.Fatal(err)
		}
		for range 60 {
			s.enqueue(wire.NewJob{Queue: "lanes"}, orders{})
		}
		b.until("a lane is filled as its slot is", `[...document.querySelectorAll(".lane")].reduce((n, l) => n + Number(l.querySelector(".depth").innerText), 0) === 60`)
		b.fill("[name=slots]", "4")
		b.click("button[value=set]")
		b.shows(".note", "The settings are stored")
		b.until("those above drain, hatched", `document.querySelectorAll(".lane.draining rect.hatch").length > 5 && document.querySelectorAll(".lane:not(.draining)").length === 4`)
		b.shot("draining")
		b.fill("[name=slots]", "0")
		value[bool](b, `document.querySelector(".settings").noValidate = true`)
		b.allowed = []string{"422"}
		b.click("button[value=set]")
		b.shows(".problem", "slots")
		if _, err := s.Client.ResumeQueue(t.Context(), "lanes"); err != nil {
			t.Fatal(err)
		}
		b.open("/?queue=lanes")
		b.until("they are worked off", `document.querySelectorAll(".lane").length === 4`)
	})
}

func TestWorkers(t *testing.T) {
	t.Parallel()
	s := setUp(t, 2)
	hues := func(b *tab) map[string]string {
		return value[map[string]string](b, `Object.fromEntries([...document.querySelectorAll(".lane")].map(l => [l.querySelector(".slot").innerText, [...l.classList].find(c => /^h\d$|^none$/.test(c)) + " " + l.querySelector(".mark").innerText]))`)
	}
	s.enqueue(wire.NewJob{Queue: "mail"}, orders{})

	t.Run("a worker is quieted, and its lanes are another's", func(t *testing.T) {
		b := newTab(t, s.API)
		b.open("/?queue=mail")
		b.until("two workers have lanes", `document.querySelectorAll(".lane.h0").length > 0 && document.querySelectorAll(".lane.h1").length > 0 && document.querySelectorAll(".lane").length === 24`)
		third := s.StartWorker()
		b.until("the third has some too", `document.querySelectorAll(".lane.h2").length > 0`)
		id := s.enqueue(wire.NewJob{Queue: "mail"}, orders{Milliseconds: 120_000})
		b.open("/workers")
		b.until("the job is where it runs", fmt.Sprintf(`document.querySelector(".worker a.id[href$='%s']")`, id))
		name := fmt.Sprint(":", third.Pid)
		b.click(fmt.Sprintf(`button[value=quiet][aria-label$=%q]`, name))
		b.shows(".note", "The worker takes no more jobs.")
		b.shows(".tag", "quiet")
		b.open("/?queue=mail")
		b.until("it has no lane any more", `document.querySelectorAll(".lane").length === 24 && document.querySelectorAll(".lane.h2").length === 0`)
		b.open("/workers")
		b.click(`.worker:has(h2 .w-quiet) summary`)
		b.until("it asks first", `document.querySelector("details[open] button[value=stop]")`)
		b.open("/workers")
		stop := fmt.Sprintf(`[...document.querySelectorAll(".worker")].find(w => w.innerText.includes(%q))`, name)
		value[bool](b, stop+`.querySelector("summary").click(), true`)
		value[bool](b, stop+`.querySelector("button[value=stop]").click(), true`)
		b.shows(".note", "asked to end what it runs")
		if code := third.Exit(t, limit*4); code != 0 {
			t.Errorf("the worker ended with %d", code)
		}
		b.open("/jobs/" + id.String())
		b.click("button[value=cancel]")
	})

	t.Run("a worker is killed, and its lanes lose their colour and take another's", func(t *testing.T) {
		b := newTab(t, s.API)
		b.open("/?queue=mail")
		b.until("all lanes have a worker", `document.querySelectorAll(".lane").length === 24 && document.querySelectorAll(".lane.none").length === 0`)
		before := hues(b)
		names := value[map[string]string](b, `Object.fromEntries([...document.querySelectorAll("[id^='w-']")].map(r => [r.querySelector(".row").innerText, r.querySelector(".mark").innerText]))`)
		killed := s.workers[0]
		var letter string
		for name, l := range names {
			if strings.HasSuffix(name, fmt.Sprint(":", killed.Pid)) {
				letter = l
			}
		}
		mine := fmt.Sprintf(`[...document.querySelectorAll(".lane .mark")].filter(m => m.innerText === %q).length`, letter)
		if letter == "" || !value[bool](b, mine+" > 0") {
			t.Fatalf("the worker has no lane: %v", names)
		}
		b.shot("before-the-kill")
		killed.Kill()
		b.until("no lane is the dead one's", mine+" === 0")
		after := hues(b)
		b.shot("after-the-kill")
		for slot, was := range before {
			now := after[slot]
			switch dead := strings.HasSuffix(was, " "+letter); {
			case dead && (now == was || strings.HasPrefix(now, "none")):
				t.Errorf("slot %s was %s and is %s", slot, was, now)
			case !dead && now != was:
				t.Errorf("slot %s was %s, whose worker lives, and is %s", slot, was, now)
			}
		}
		s.workers[1].Kill()
		b.until("nobody serves them", `document.querySelectorAll(".lane.none").length === 24`)
		b.shows(".health.bad", "no worker is alive")
	})
}
