package runner

import (
	"sync"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// lease is how long this worker may believe that others believe it alive. It is counted on the monotonic clock from the
// sending of the last heartbeat that was acknowledged, so that no clock is compared with another.
type lease struct {
	length time.Duration
	margin time.Duration // how long before the end killing begins

	mu      sync.Mutex
	id      job.WorkerID   // 0 = not registered yet
	former  []job.WorkerID // earlier registrations that may still have claims
	end     time.Time      // when killing begins: the lease's end less margin
	fenced  bool           // it ended, or the worker was declared dead, and no beat has been acknowledged since
	changed signal
}

// maxMargin is what the shim takes off the lease too: see executor.Subprocess.ExtendLease.
const maxMargin = time.Second

func (l *lease) init(length time.Duration) {
	l.length, l.margin, l.changed = length, min(maxMargin, length/4), newSignal()
	l.fenced = true
}

// worker is the present registration.
func (l *lease) worker() job.WorkerID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id
}

// holds says under which id the worker may claim and start jobs now; false = it may not.
func (l *lease) holds() (job.WorkerID, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id, !l.fenced && time.Now().Before(l.end)
}

// left is the time until killing begins.
func (l *lease) left() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.end)
}

// renewed counts the lease from the sending of a beat; true = the worker was fenced until now.
func (l *lease) renewed(sent time.Time) (wasFenced bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = sent.Add(l.length - l.margin)
	wasFenced, l.fenced = l.fenced, !time.Now().Before(l.end)
	l.changed.send()
	return wasFenced && !l.fenced
}

// registered makes id the present registration, with a lease that counts from sent.
func (l *lease) registered(id job.WorkerID, sent time.Time) {
	l.mu.Lock()
	if l.id != 0 {
		l.former = append(l.former, l.id)
	}
	l.id = id
	l.mu.Unlock()
	l.renewed(sent)
}

// expire fences the worker when its lease is over; true = it was not fenced before.
func (l *lease) expire() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fenced || time.Now().Before(l.end) {
		return false
	}
	l.fenced = true
	return true
}

// revoke fences the worker whatever its lease says.
func (l *lease) revoke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fenced = true
}

// formerly lists the earlier registrations that may still have claims.
func (l *lease) formerly() []job.WorkerID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]job.WorkerID(nil), l.former...)
}

// forget drops an earlier registration that has none.
func (l *lease) forget(id job.WorkerID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, f := range l.former {
		if f == id {
			l.former = append(l.former[:i], l.former[i+1:]...)
			return
		}
	}
}
