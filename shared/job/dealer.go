package job

import "math/rand/v2"

// Dealer chooses the slots of jobs that are about to be stored, in runs: neighbours share a slot. A claim is a number of
// statements whatever it brings, and rows that stand side by side cost the least to write and to find. The slots of a
// queue have their turns in a random order, and none has a second run before all have had one, so that they fill alike. The
// zero value is ready; it is not safe for concurrent use.
type Dealer struct{ decks map[int32]*deck }

// deck are the slots of one queue, in the order of their turns.
type deck struct {
	slots []int
	next  int
}

// Deal gives the jobs their slots. longest says how many a run may have at most, given a queue and the number of its slots. Where a
// concurrency key has chosen a job's slot it stays.
func (d *Dealer) Deal(jobs []*Job, longest func(queue int32, slots int) int) {
	type run struct{ slot, left int }
	runs := map[int32]run{}
	for _, j := range jobs {
		if j.ConcurrencyKey != "" || j.QueueSlots < 1 {
			continue
		}
		r := runs[j.QueueID]
		if r.left < 1 {
			r = run{d.draw(j.QueueID, j.QueueSlots), longest(j.QueueID, j.QueueSlots)}
		}
		j.Slot = r.slot
		r.left--
		runs[j.QueueID] = r
	}
}

func (d *Dealer) draw(queue int32, slots int) int {
	k := d.decks[queue]
	if k == nil || k.next == len(k.slots) || len(k.slots) != slots {
		if d.decks == nil {
			d.decks = map[int32]*deck{}
		}
		k = &deck{slots: rand.Perm(slots)}
		d.decks[queue] = k
	}
	k.next++
	return 1 + k.slots[k.next-1]
}

// Forget lets go of what is kept for a queue.
func (d *Dealer) Forget(queue int32) { delete(d.decks, queue) }

// batchRun is the most jobs of a batch that share a slot in a row: with 24 slots, a batch is run in its order but for about a thousand
// jobs, which is what claims that fill 24 places from slot after slot make of any order.
const batchRun = 50

// DealBatch gives the jobs of a batch their slots: none gets more than its share, rounded up to whole runs.
func DealBatch(jobs []*Job) {
	counts := map[int32]int{}
	for _, j := range jobs {
		if j.ConcurrencyKey == "" {
			counts[j.QueueID]++
		}
	}
	new(Dealer).Deal(jobs, func(queue int32, slots int) int { return min((counts[queue]+slots-1)/slots, batchRun) })
}
