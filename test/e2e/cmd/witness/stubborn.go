package main

import (
	"os/exec"
	"os/signal"
	"syscall"
)

// ignoreTerm makes this a job that only SIGKILL ends.
func ignoreTerm() { signal.Ignore(syscall.SIGTERM) }

// grandchild starts a process in a session of its own that holds this one's output open.
func grandchild() {
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stdout = nil
	if err := cmd.Start(); err != nil {
		fail(err)
	}
}
