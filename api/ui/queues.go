package ui

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/slotq/slotq/shared/census"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// queueRow is a queue in a list.
type queueRow struct {
	wire.Queue
	Chosen  bool
	Counted bool
	Least   bool // there is more than was counted
	Depth   int64
	Due     int64 // running and available jobs
	Parts   []part
	Oldest  time.Time
	In, Out string // a minute; "" = not known
	Takers  int
}

// part is the jobs of a state in the bar of a queue, and where in the bar it stands, in percent.
type part struct {
	State    job.State
	Jobs     int64
	X, Width float64
	Link     string
}

func queueRows(b busy, stats []wire.QueueStats, now time.Time) []queueRow {
	rows := make([]queueRow, len(b.queues))
	scale := int64(1)
	sums := make([]job.Count, len(rows))
	for i, q := range b.queues {
		row := queueRow{Queue: q}
		if j := slices.IndexFunc(b.census.Queues, func(c census.Queue) bool { return c.Queue.Name == q.Name }); j >= 0 {
			sums[i], row.Least = b.census.Queues[j].Sum()
			row.Counted = b.census.Queues[j].Slots != nil
			row.Depth, row.Oldest = sums[i].Depth(), sums[i].OldestAvailable.Time()
			row.Due = sums[i].Running + sums[i].Available + sums[i].Blocked
			scale = max(scale, row.Depth)
		}
		if j := slices.IndexFunc(stats, func(s wire.QueueStats) bool { return s.Queue == q.Name }); j >= 0 {
			in, out := rates(stats[j], now)
			row.In, row.Out = perMinute(in), perMinute(out)
		}
		for _, w := range b.takers {
			if len(w.Queues) == 0 || slices.Contains(w.Queues, q.Name) {
				row.Takers++
			}
		}
		rows[i] = row
	}
	for i := range rows {
		rows[i].Parts = partsOf(rows[i].Name, sums[i], scale)
	}
	return rows
}

func partsOf(queue string, sum job.Count, scale int64) (parts []part) {
	x := 0.0
	for _, p := range []part{
		{State: job.Running, Jobs: sum.Running}, {State: job.Available, Jobs: sum.Available + sum.Blocked},
		{State: job.Retryable, Jobs: sum.Retryable}, {State: job.Scheduled, Jobs: sum.Scheduled},
	} {
		p.X, p.Width = x, 100*float64(p.Jobs)/float64(scale)
		x += p.Width
		p.Link = jobsLink("queue", queue, "state", p.State)
		parts = append(parts, p)
	}
	return parts
}

func (s *site) queues(l *look) (any, error) {
	b, err := l.busy()
	if err != nil {
		return nil, err
	}
	stats, _ := l.lastStats() // the rates are left out then
	return queueRows(b, stats, l.now), nil
}

type queuePage struct {
	Row   queueRow
	Lanes *lanes
	Form  settings
}

func (s *site) queue(l *look) (any, error) {
	name := l.r.URL.Query().Get("name")
	q, err := l.client.Queue(l.ctx, name)
	if err != nil {
		return nil, err
	}
	b, err := l.busy()
	if err != nil {
		return nil, err
	}
	stats, _ := l.lastStats()
	page := queuePage{Row: queueRow{Queue: q}, Lanes: lanesOf(b, name), Form: settingsOf(q)}
	for _, row := range queueRows(b, stats, l.now) {
		if row.Name == name {
			page.Row = row
		}
	}
	l.title = name
	return page, nil
}

// settings are a queue's as the form has them.
type settings struct {
	Fields          []field
	Order           string
	Backoff         string
	Base, Cap, List string
}

type field struct{ Name, Label, Value, Min, Max, Step string }

func settingsOf(q wire.Queue) settings {
	whole := func(name, label string, value int, most string) field {
		return field{name, label, strconv.Itoa(value), "1", most, "1"}
	}
	time := func(name, label string, value float64, least string) field {
		return field{name, label, seconds(value), least, "", "any"}
	}
	v := settings{Order: q.Order, Backoff: q.Backoff.Kind, Fields: []field{
		whole("slots", "Slots", q.Slots, strconv.Itoa(job.MaxSlots)), whole("priority", "Priority, 1 first to 4 last", q.Priority, "4"),
		whole("max_attempts", "Attempts", q.MaxAttempts, "1000"), whole("max_crashes", "Crashes", q.MaxCrashes, "1000"),
		time("timeout_seconds", "Timeout, s", q.TimeoutSeconds, "0.001"), time("keep_completed_seconds", "Keep completed, s", q.KeepCompletedSeconds, "0"),
		time("keep_discarded_seconds", "Keep discarded, s", q.KeepDiscardedSeconds, "0"), time("keep_cancelled_seconds", "Keep cancelled, s", q.KeepCancelledSeconds, "0"),
	}}
	if q.Backoff.BaseSeconds != 0 {
		v.Base = seconds(q.Backoff.BaseSeconds)
	}
	if q.Backoff.CapSeconds != 0 {
		v.Cap = seconds(q.Backoff.CapSeconds)
	}
	for i, wait := range q.Backoff.List {
		if i > 0 {
			v.List += ", "
		}
		v.List += seconds(wait)
	}
	return v
}

// readSettings reads the form.
func readSettings(form url.Values) (s wire.QueueSettings, err error) {
	f := fields{form: form}
	s.Slots, s.Priority = f.whole("slots"), f.whole("priority")
	s.MaxAttempts, s.MaxCrashes = f.whole("max_attempts"), f.whole("max_crashes")
	s.TimeoutSeconds = f.number("timeout_seconds")
	s.KeepCompletedSeconds, s.KeepDiscardedSeconds, s.KeepCancelledSeconds =
		f.number("keep_completed_seconds"), f.number("keep_discarded_seconds"), f.number("keep_cancelled_seconds")
	if order := form.Get("order"); order != "" {
		s.Order = &order
	}
	if kind := form.Get("backoff"); kind != "" {
		s.Backoff = &wire.Backoff{Kind: kind}
		switch kind {
		case job.BackoffExponential:
			set(&s.Backoff.BaseSeconds, f.number("backoff_base"))
			set(&s.Backoff.CapSeconds, f.number("backoff_cap"))
		case job.BackoffList:
			s.Backoff.List = f.numbers("backoff_list")
		}
	}
	return s, f.err()
}

func changeQueue(l *look, form url.Values) (to, note string, err error) {
	name := form.Get("name")
	to = "queue?name=" + url.QueryEscape(name)
	switch form.Get("do") {
	case "pause":
		_, err = l.client.PauseQueue(l.ctx, name)
		note = "paused"
	case "resume":
		_, err = l.client.ResumeQueue(l.ctx, name)
		note = "resumed"
	case "purge":
		var p wire.Purged
		p, err = l.client.PurgeQueue(l.ctx, name)
		if note = "purged"; p.More {
			note = "more"
		}
	case "delete":
		err = l.client.DeleteQueue(l.ctx, name)
		to, note = "queues", "removed"
	case "set":
		var s wire.QueueSettings
		if s, err = readSettings(form); err == nil {
			_, err = l.client.PatchQueue(l.ctx, name, s)
		}
		note = "set"
	default:
		err = errUnknownForm
	}
	return to, note, err
}

var errUnknownForm = wire.NewProblem(wire.CodeMalformed, "The form does not say what to do: load the page anew and try again.")
