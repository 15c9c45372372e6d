package job

import "slices"

// Filter chooses jobs; a zero field chooses all.
type Filter struct {
	Queue          string
	Kind           string
	States         []State
	Slot           int
	Tag            string
	ConcurrencyKey string
	UniqueKey      string
	Queues         []string // patterns of MatchQueue, beside Queue
}

// Page asks for a part of a list, newest id first.
type Page struct {
	Limit  int // 1..1000
	Before ID  // jobs older than this one; zero = from the newest
}

// Listed is a page. Bounded work: it may be short or empty although there is more; Next zero = the end.
type Listed struct {
	Jobs []*Job
	Next ID
}

// InQueue says that the filter chooses jobs of the queue.
func (f Filter) InQueue(name string) bool {
	return (f.Queue == "" || name == f.Queue) && MatchQueue(f.Queues, name)
}

// Matches says that the filter chooses the job.
func (f Filter) Matches(j *Job) bool {
	return f.InQueue(j.Queue) && (f.Kind == "" || j.Kind == f.Kind) &&
		(len(f.States) == 0 || slices.Contains(f.States, j.State)) && (f.Slot == 0 || j.Slot == f.Slot) &&
		(f.ConcurrencyKey == "" || j.ConcurrencyKey == f.ConcurrencyKey) && (f.UniqueKey == "" || j.UniqueKey == f.UniqueKey) &&
		(f.Tag == "" || slices.Contains(UnmarshalTags(j.Tags), f.Tag))
}
