package executor

import (
	"fmt"
	"os"
	osuser "os/user"
	"strconv"
	"strings"
	"syscall"
)

// User is whom a subprocess runs as.
type User struct {
	UID, GID uint32
	// Groups are the user's own supplementary groups; none of the worker's are kept.
	Groups []uint32
	// Home replaces HOME in the job's environment; empty leaves the worker's.
	Home string
}

// LookupUser finds a user by name or number, or takes "UID:GID" as it is (no supplementary groups, no home), for
// containers that have no /etc/passwd.
func LookupUser(name string) (*User, error) {
	if uid, gid, ok := strings.Cut(name, ":"); ok {
		u, err1 := strconv.ParseUint(uid, 10, 32)
		g, err2 := strconv.ParseUint(gid, 10, 32)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("user %q is no UID:GID of two numbers", name)
		}
		return &User{UID: uint32(u), GID: uint32(g)}, nil
	}
	found, err := osuser.Lookup(name)
	if err != nil {
		if _, numErr := strconv.ParseUint(name, 10, 32); numErr != nil {
			return nil, err
		}
		if found, err = osuser.LookupId(name); err != nil {
			return nil, fmt.Errorf("%w; to use a number that has no name write UID:GID", err)
		}
	}
	uid, err1 := strconv.ParseUint(found.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(found.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		return nil, fmt.Errorf("user %q has no numeric ids", name)
	}
	u := &User{UID: uint32(uid), GID: uint32(gid), Home: found.HomeDir}
	ids, err := found.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("reading the groups of user %q: %w", name, err)
	}
	for _, id := range ids {
		if g, err := strconv.ParseUint(id, 10, 32); err == nil && g != gid {
			u.Groups = append(u.Groups, uint32(g))
		}
	}
	return u, nil
}

// Reachable says why this process cannot run a command as the user, or nil. Only root can become somebody else.
func (u *User) Reachable() error {
	if euid := os.Geteuid(); euid != 0 && uint32(euid) != u.UID {
		return fmt.Errorf("the worker runs with user id %d and cannot become %d: only root can", euid, u.UID)
	}
	return nil
}

// credential is nil when there is nothing to change.
func (u *User) credential() *syscall.Credential {
	if u == nil || os.Geteuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}
}
