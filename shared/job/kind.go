package job

import (
	"cmp"
	"maps"
	"slices"
)

// Kind is how a kind of jobs stands: its unfinished jobs, and who serves it.
type Kind struct {
	Count
	Unserved int64      // available jobs in slots that no such worker serves
	Workers  []WorkerID // that take jobs and have a handler for it
}

// KindTally adds up what is counted of kinds, slot by slot.
type KindTally struct {
	workers []Worker
	kinds   map[string]*Kind
}

// NewKindTally makes a tally that knows the kinds which these workers have a handler for.
func NewKindTally(workers []Worker) *KindTally {
	t := &KindTally{kinds: map[string]*Kind{}}
	for _, w := range workers {
		if !w.Takes() {
			continue
		}
		t.workers = append(t.workers, w)
		for _, kind := range w.Kinds {
			if kind != "*" {
				t.kind(kind)
			}
		}
	}
	return t
}

func (t *KindTally) kind(name string) *Kind {
	k := t.kinds[name]
	if k == nil {
		k = &Kind{Count: Count{Kind: name}}
		t.kinds[name] = k
	}
	return k
}

// Add puts the counts of a slot of a queue to it.
func (t *KindTally) Add(queue string, slot int, counts []Count) {
	for _, c := range counts {
		k := t.kind(c.Kind)
		k.Count.Add(c)
		if !Served(t.workers, queue, slot, c.Kind) {
			k.Unserved += c.Available + c.Blocked
		}
	}
}

// MaxKinds is how many kinds a list of them has.
const MaxKinds = 1000

// Kinds is what was added up, by name; of too many kinds those with the most jobs, and more is set.
func (t *KindTally) Kinds() (list []Kind, more bool) {
	for _, name := range slices.Sorted(maps.Keys(t.kinds)) {
		k := *t.kinds[name]
		for _, w := range t.workers {
			if w.ServesKind(name) {
				k.Workers = append(k.Workers, w.ID)
			}
		}
		list = append(list, k)
	}
	if len(list) > MaxKinds {
		slices.SortStableFunc(list, func(a, b Kind) int { return cmp.Compare(b.Depth(), a.Depth()) })
		list, more = list[:MaxKinds], true
		slices.SortFunc(list, func(a, b Kind) int { return cmp.Compare(a.Kind, b.Kind) })
	}
	return list, more
}
