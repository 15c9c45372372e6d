// Package nudge owns what processes tell each other past the database, over UDP:
//
//	api → worker  a slot has got a job: look there now; 8 bytes, after the job is committed
//	worker → api  so many places are free: 12 bytes, in answer
//	api → worker  jobs of these ids are claimed for you, with this token: after that claim is committed
//
// Each may be lost, doubled or made up by a stranger. A slot is a hint, free places are a guess that the database checks, and a claim is
// true when the database says so: the worker's reading is the floor under all three. Who prefers a slot is package prefer's answer;
// what a worker does when it is woken is the worker's.
package nudge

import (
	"encoding/binary"

	"github.com/slotq/slotq/shared/job"
)

// The lengths of datagrams, by which they are told apart; numbers are big endian.
const (
	size       = 8      // of a nudge: queue id and slot, 32 bits each
	placesSize = 12     // of free places: the worker's id, 64 bits, and their number, 32
	claimSize  = 8 + 16 // of a claim, but for its ids of 16 bytes each: the worker's id and the token
	maxSize    = claimSize + 16*job.MaxEnqueuedClaim
)

func encode(s job.Slot) [size]byte {
	var b [size]byte
	binary.BigEndian.PutUint32(b[:4], uint32(s.QueueID))
	binary.BigEndian.PutUint32(b[4:], uint32(s.Slot))
	return b
}

// decode refuses whatever cannot be a slot.
func decode(b []byte) (job.Slot, bool) {
	if len(b) != size {
		return job.Slot{}, false
	}
	slot := binary.BigEndian.Uint32(b[4:])
	if slot < 1 || slot > job.MaxSlots {
		return job.Slot{}, false
	}
	return job.Slot{QueueID: int32(binary.BigEndian.Uint32(b[:4])), Slot: int(slot)}, true
}

func encodePlaces(w job.WorkerID, free int) [placesSize]byte {
	var b [placesSize]byte
	binary.BigEndian.PutUint64(b[:8], uint64(w))
	binary.BigEndian.PutUint32(b[8:], uint32(free))
	return b
}

func decodePlaces(b []byte) (w job.WorkerID, free int, ok bool) {
	if len(b) != placesSize {
		return 0, 0, false
	}
	free = int(binary.BigEndian.Uint32(b[8:]))
	return job.WorkerID(binary.BigEndian.Uint64(b[:8])), free, free <= maxPlaces
}

// maxPlaces is more than any worker has.
const maxPlaces = 1 << 20

func encodeClaim(c job.Claim) []byte {
	b := make([]byte, 8, claimSize+16*len(c.IDs))
	binary.BigEndian.PutUint64(b, uint64(c.Worker))
	b = append(b, c.Token[:]...)
	for _, id := range c.IDs {
		b = append(b, id[:]...)
	}
	return b
}

// decodeClaim refuses what cannot be a claim: one without jobs, with more than an api claims, or with the token of another worker.
func decodeClaim(b []byte) (c job.Claim, ok bool) {
	if len(b) <= claimSize || len(b) > maxSize || (len(b)-claimSize)%16 != 0 {
		return c, false
	}
	c.Worker, c.Token = job.WorkerID(binary.BigEndian.Uint64(b)), job.Token(b[8:claimSize])
	for b = b[claimSize:]; len(b) > 0; b = b[16:] {
		c.IDs = append(c.IDs, job.ID(b[:16]))
	}
	return c, c.Token.Worker() == c.Worker
}
