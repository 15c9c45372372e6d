package job

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
