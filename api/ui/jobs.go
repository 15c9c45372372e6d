package ui

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// jobsPage is a list of jobs, and the filter that stands in its address.
type jobsPage struct {
	Filter  map[string]string
	States  []stateBox
	Kinds   []string // to choose from
	Queues  []string
	Jobs    []wire.Job
	Older   string // the link to the next page; "" = this is the last
	Partial bool   // the search goes on there, since it has not met enough jobs within its time
	Newest  bool   // this is the first page
	Wrong   string // with what was searched for
}

type stateBox struct {
	State   job.State
	Checked bool
}

const (
	pageJobs   = 50
	searchTime = time.Second // a list reads a bounded number of rows a call: a rare job takes several
)

var filterFields = []string{"queue", "kind", "slot", "tag", "concurrency_key", "unique_key"}

// filterOf reads the address. A filter that is mistyped must not show everything.
func filterOf(u *url.URL) (url.Values, error) {
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, wire.NewProblem(wire.CodeInvalid, "The address cannot be read: "+err.Error()+".")
	}
	for name := range q {
		if !slices.Contains(filterFields, name) && !slices.Contains([]string{"id", "state", "cursor", "note"}, name) {
			return nil, wire.NewProblem(wire.CodeInvalid, "", wire.FieldError{Parameter: name, Detail: "is no filter of jobs"})
		}
	}
	return q, nil
}

func (s *site) jobs(l *look) (any, error) {
	q, err := filterOf(l.r.URL)
	if err != nil {
		return nil, err
	}
	page := jobsPage{Filter: map[string]string{}, Newest: q.Get("cursor") == ""}
	if id := strings.TrimSpace(q.Get("id")); id != "" {
		return nil, l.search(id)
	}
	f := wire.JobFilter{Queue: q.Get("queue"), Kind: q.Get("kind"), Tag: q.Get("tag"), ConcurrencyKey: q.Get("concurrency_key"), UniqueKey: q.Get("unique_key"), Limit: pageJobs}
	kept := url.Values{}
	for _, name := range filterFields {
		page.Filter[name] = q.Get(name)
		if q.Get(name) != "" {
			kept.Set(name, q.Get(name))
		}
	}
	if text := q.Get("slot"); text != "" {
		if f.Slot, _ = strconv.Atoi(text); f.Slot < 1 {
			return nil, wire.NewProblem(wire.CodeInvalid, "", wire.FieldError{Parameter: "slot", Detail: "must be a number from 1 on"})
		}
	}
	// A form sends each box by itself, a link all of them with commas between.
	for name := range strings.SplitSeq(strings.Join(q["state"], ","), ",") {
		if name == "" {
			continue
		}
		st, err := job.ParseState(name)
		if err != nil {
			return nil, wire.NewProblem(wire.CodeInvalid, "", wire.FieldError{Parameter: "state", Detail: "is none of a job's states"})
		}
		f.States = append(f.States, st)
		kept.Add("state", name)
	}
	for _, st := range job.States {
		page.States = append(page.States, stateBox{st, slices.Contains(f.States, st)})
	}
	next := q.Get("cursor")
	for begun := time.Now(); ; {
		got, err := l.client.Page(l.ctx, f, next)
		if err != nil {
			return nil, err
		}
		page.Jobs = append(page.Jobs, got.Jobs...)
		next, f.Limit = got.NextCursor, pageJobs-len(page.Jobs)
		if next == "" || f.Limit <= 0 {
			break
		}
		if page.Partial = time.Since(begun) > searchTime; page.Partial {
			break
		}
	}
	if next != "" {
		kept.Set("cursor", next)
		page.Older = "jobs?" + kept.Encode()
	}
	l.still = !page.Newest // an older page changes little, and who reads it does not want it to move
	return page, l.choices(&page)
}

// choices are the queues and kinds that there are, to choose from.
func (l *look) choices(page *jobsPage) error {
	b, err := l.busy()
	if err != nil {
		return err
	}
	for _, q := range b.queues {
		page.Queues = append(page.Queues, q.Name)
	}
	page.Kinds = kindsOf(b)
	return nil
}

func kindsOf(b busy) (names []string) {
	tally, _ := b.census.Kinds(b.workers)
	kinds, _ := tally.Kinds()
	for _, k := range kinds {
		names = append(names, k.Kind)
	}
	return names
}

// elsewhere sends the browser on.
type elsewhere struct{ to string }

func (e elsewhere) Error() string { return "the page is at " + e.to }

// search finds a job by its id, or by the end of an id as a list shows it only among nothing: an id is whole.
func (l *look) search(text string) error {
	id, err := job.ParseID(text)
	if err != nil {
		return wire.NewProblem(wire.CodeNotFound, "A job is found by its whole id, such as 01890a5d-ac96-774b-bcce-b302099a8057; others by the filters of the list.")
	}
	if _, err := l.client.Get(l.ctx, id); err != nil {
		return err
	}
	return elsewhere{"jobs/" + id.String()}
}
