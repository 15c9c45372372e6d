// Package prefer owns the answer to "which worker should look after a slot first", by rendezvous hashing: everybody who
// knows the same workers gets the same answer without talking, and a worker that comes or goes moves only its own
// share of the slots. It is a preference alone: an idle worker helps out anywhere, and that no job runs twice never
// depends on it.
package prefer

import "github.com/slotq/slotq/shared/job"

// Worker is the worker that prefers a slot of the named queue; false = none of them serves it. Workers that are dead,
// quiet or stopping do not count, nor do those without a handler for the kind; kind "" = any job of the slot. The order of
// workers is of no matter. The queue's name is asked for since that is what a worker says it serves; the slot has only its
// number.
func Worker(queue, kind string, slot job.Slot, workers []job.Worker) (job.WorkerID, bool) {
	var best job.WorkerID
	var bestScore uint64
	found := false
	for i := range workers {
		w := &workers[i]
		if !w.Serves(queue, slot.Slot) || kind != "" && !w.ServesKind(kind) {
			continue
		}
		s := score(w.ID, slot)
		if !found || s > bestScore || s == bestScore && w.ID > best {
			best, bestScore, found = w.ID, s, true
		}
	}
	return best, found
}

// score mixes the three numbers so that every bit of the result depends on every bit of each (the finisher of
// SplitMix64). Part of what processes of different versions must agree on: it never changes.
func score(w job.WorkerID, s job.Slot) uint64 {
	return mix(mix(uint64(w)) ^ uint64(uint32(s.QueueID))<<32 ^ uint64(uint32(s.Slot)))
}

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
