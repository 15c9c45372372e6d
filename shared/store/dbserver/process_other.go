//go:build unix && !linux

package dbserver

import "syscall"

// Systems without a death signal and /proc get a plain child: it outlives a killed parent, and Pause and Kill reach
// the main process only.

func attributes(user *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: user}
}

func descendants(int) []int { return nil }

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func removeSharedMemory(int) {}
