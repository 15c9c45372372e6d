package executor

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// leaseMargin is how long before the end of the lease the shim kills: the time that a SIGKILL and its clearing up may
// take on a busy machine, so that nothing runs when another worker may start the job.
const leaseMargin = time.Second

// BootTime is the time since boot in nanoseconds, suspended time included (CLOCK_BOOTTIME): the clock of leases. A
// monotonic clock that stands still in suspend would let a lease outlive its end by the time asleep.
func BootTime() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("executor: the kernel has no CLOCK_BOOTTIME: " + err.Error()) // Linux 2.6.39 has it
	}
	return ts.Nano()
}

// leaseTimer wakes the shim at absolute times of CLOCK_BOOTTIME. Go's timers follow CLOCK_MONOTONIC and would be late
// by the time that the machine was suspended.
type leaseTimer struct{ file *os.File }

func newLeaseTimer() (*leaseTimer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("creating the lease timer: %w", err)
	}
	return &leaseTimer{os.NewFile(uintptr(fd), "lease timer")}, nil
}

// set arms the timer for at; a time that has passed fires at once.
func (t *leaseTimer) set(at int64) error {
	raw, err := t.file.SyscallConn()
	if err != nil {
		return err
	}
	value := unix.ItimerSpec{Value: unix.NsecToTimespec(max(at, 1))} // 0 would disarm it
	var setErr error
	err = raw.Control(func(fd uintptr) {
		setErr = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME, &value, nil)
	})
	if err != nil {
		return err
	}
	return setErr
}

// wait returns when the timer has fired since the last wait.
func (t *leaseTimer) wait() error {
	var ticks [8]byte
	_, err := t.file.Read(ticks[:])
	return err
}
