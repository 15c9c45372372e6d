// Package nudge owns the wake-up call between processes: after a job is committed, 8 bytes over UDP tell the worker
// that prefers its slot to look there now. A nudge may be lost, doubled or made up by a stranger: it carries nothing but
// the name of a slot, and the worker's polling is the floor under it. Who prefers a slot is package prefer's answer; what
// a worker does when it is woken is the worker's.
package nudge

import (
	"encoding/binary"

	"github.com/slotq/slotq/shared/job"
)

// size is the length of a datagram: queue id and slot, 32 bits each, big endian.
const size = 8

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
