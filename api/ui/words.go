package ui

import (
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"time"

	"github.com/slotq/slotq/shared/census"
	"github.com/slotq/slotq/shared/job"
)

// words are the functions of the templates.
var words = template.FuncMap{
	"ago": ago, "age": age, "num": num, "least": least, "at": at, "seconds": seconds, "version": func() string { return version },
	"asset": func(root, name string) string { return root + "assets/" + name + "?v=" + version },
	"jobs":  jobsLink, "short": short, "add": func(a, b int) int { return a + b },
	"spans": census.Spans, "list": func(all ...string) []string { return all }, "dict": dict,
}

// dict hands a part of a page what it shows: pairs of name and value.
func dict(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

// notes are what forms have done. A link names one and cannot bring its own text, which would look like the page's.
var notes = map[string]string{
	"retried": "The job is available again.", "run": "The job is due now.", "cancelled": "The job is cancelled.",
	"stopping": "The job is being stopped: its worker hears of it with its next heartbeat.", "deleted": "The job is deleted.",
	"paused": "The queue is paused: no more of its jobs start.", "resumed": "The queue is resumed.",
	"set": "The settings are stored; new jobs get them.", "purged": "The jobs that waited are cancelled.",
	"more": "Some are cancelled, and more wait: the time of one request was not enough. Purge again.", "removed": "The queue is deleted.",
	"quiet": "The worker takes no more jobs.", "stop": "The worker was asked to end what it runs and stop.",
	"enqueued": "The job is stored.", "there": "Nothing was stored: this job was there already.", "demo": "100 demo jobs are stored.",
}

// rough is a duration as people say it.
func rough(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", max(d, 0)/time.Millisecond)
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// age is for how long a time has been over; one that is to come has none.
func age(t, now time.Time) string {
	if t.IsZero() {
		return "–"
	}
	if now.Sub(t) < time.Second {
		return "0 s"
	}
	return rough(now.Sub(t))
}

// ago is a time seen from now.
func ago(t, now time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "–"
	case d <= -time.Second:
		return "in " + rough(-d)
	case d < time.Second:
		return "now"
	default:
		return rough(d) + " ago"
	}
}

// at is the time itself.
func at(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05.000 UTC")
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', -1, 64) }

// num writes 1,204 for 1204.
func num(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// least writes a number that may be a lower bound.
func least(n int64, more bool) string {
	if more {
		return "≥ " + num(n)
	}
	return num(n)
}

// count is a number of jobs in words.
func count(n int64, more bool) string {
	if n == 1 && !more {
		return "1 job"
	}
	return least(n, more) + " jobs"
}

// short is the end of an id, which is random and so tells jobs apart.
func short(id job.ID) string { return id.String()[24:] }

// jobsLink is a link, from the top, to the jobs that a filter chooses; pairs of name and value, "" = any.
func jobsLink(pairs ...any) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if v := fmt.Sprint(pairs[i+1]); v != "" {
			q.Set(fmt.Sprint(pairs[i]), v)
		}
	}
	if len(q) == 0 {
		return "jobs"
	}
	return "jobs?" + q.Encode()
}
