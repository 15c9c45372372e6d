package executor

import (
	"strconv"
	"time"
)

// inherited are the variables that every subprocess gets from the worker's environment, where they are set. Everything
// else must be listed: the worker's own environment holds the database's password.
var inherited = []string{"PATH", "HOME", "LANG", "TZ", "TMPDIR"}

const (
	envJobID = "SLOTQ_JOB_ID"
	envRun   = "SLOTQ_RUN"
)

// environ is the whole environment of a subprocess. listed names what the handler passes on; home, when not empty,
// replaces HOME, since a program that runs as another user cannot use the worker's.
func environ(task Task, listed []string, home string, lookup func(string) (string, bool)) []string {
	env := []string{
		envJobID + "=" + task.ID,
		envRun + "=" + strconv.Itoa(task.Run),
		"SLOTQ_KIND=" + task.Kind,
		"SLOTQ_QUEUE=" + task.Queue,
		"SLOTQ_SLOT=" + strconv.Itoa(task.Slot),
		"SLOTQ_ATTEMPT=" + strconv.Itoa(task.Attempt),
		"SLOTQ_MAX_ATTEMPTS=" + strconv.Itoa(task.MaxAttempts),
		"SLOTQ_DEADLINE=" + task.Deadline.UTC().Format(time.RFC3339Nano),
	}
	seen := map[string]bool{}
	for _, names := range [][]string{inherited, listed} {
		for _, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			value, ok := lookup(name)
			if name == "HOME" && home != "" {
				value, ok = home, true
			}
			if ok {
				env = append(env, name+"="+value)
			}
		}
	}
	return env
}
