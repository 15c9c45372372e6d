package ui

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// hues is how many colours the style sheet has for workers.
const hues = 8

// rest is how long the mark of a worker that is gone is given to no other: a lane whose worker was killed should change its
// colour, not keep it under another name.
const rest = time.Minute

// colours gives each worker a colour and a letter that it keeps as long as it is seen, the first free ones in the order in
// which workers started. A hash of the id would need no memory, and would give two of four workers one colour half of the
// time.
type colours struct {
	mu    sync.Mutex
	given map[job.WorkerID]given
}

type given struct {
	number int
	seen   time.Time
}

// mark is how a worker is told apart from others. A letter goes with each colour, since not all people see all colours.
type mark struct {
	Hue    int // 0 to hues-1
	Letter string
}

// of marks workers.
func (c *colours) of(workers []job.Worker, now time.Time) map[job.WorkerID]mark {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.given == nil {
		c.given = map[job.WorkerID]given{}
	}
	taken := map[int]bool{}
	for id, g := range c.given {
		if now.Sub(g.seen) > rest {
			delete(c.given, id)
		} else {
			taken[g.number] = true
		}
	}
	marks := make(map[job.WorkerID]mark, len(workers))
	for _, w := range slices.SortedFunc(slices.Values(workers), func(a, b job.Worker) int {
		return cmp.Or(cmp.Compare(a.StartedAt, b.StartedAt), cmp.Compare(a.ID, b.ID))
	}) {
		g, known := c.given[w.ID]
		if !known {
			for taken[g.number] {
				g.number++
			}
			taken[g.number] = true
		}
		g.seen = now
		c.given[w.ID] = g
		marks[w.ID] = mark{g.number % hues, letter(g.number)}
	}
	return marks
}

// letter is A for 0, Z for 25 and AA for 26.
func letter(n int) string {
	if n < 26 {
		return string(rune('A' + n))
	}
	return letter(n/26-1) + letter(n%26)
}
