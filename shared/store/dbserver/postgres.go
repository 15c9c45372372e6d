package dbserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// FindPostgres returns the directory of initdb and postgres, the newest version's, or ErrNotInstalled.
func FindPostgres() (string, error) {
	// Debian keeps versions side by side, none of them in PATH.
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", fmt.Errorf("PostgreSQL (postgres, initdb): %w", ErrNotInstalled)
}

func version(path string) int {
	n, _ := strconv.Atoi(strings.Split(path, "/")[4])
	return n
}

// StartPostgres starts a PostgreSQL server and returns when it answers, about 1 s later. It returns ErrNotInstalled
// when there is none on this machine. When this process is root's, the server runs as the user postgres, since it
// refuses to run as root. Stop must be called.
func StartPostgres(ctx context.Context, options Options) (*Server, error) {
	bin, err := FindPostgres()
	if err != nil {
		return nil, err
	}
	engine := postgres{bin: bin}
	if asRoot() {
		if engine.user, err = credential("postgres"); err != nil {
			return nil, err
		}
	}
	return start(ctx, engine, options)
}

type postgres struct {
	bin  string
	user *syscall.Credential
}

func credential(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is nobody else to run it as: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (postgres) scheme() string { return "postgres" }

func (p postgres) data(s *Server) string { return filepath.Join(s.home.dir, "data") }

func (p postgres) prepare(ctx context.Context, s *Server) error {
	password := filepath.Join(s.home.dir, "password")
	if err := os.WriteFile(password, []byte(s.password+"\n"), 0o600); err != nil {
		return err
	}
	if p.user != nil {
		for _, name := range []string{s.home.dir, password} {
			if err := os.Chown(name, int(p.user.Uid), int(p.user.Gid)); err != nil {
				return err
			}
		}
	}
	args := []string{"--pgdata=" + p.data(s), "--username=root", "--pwfile=" + password, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"}
	err := run(command{path: filepath.Join(p.bin, "initdb"), dir: s.home.dir, user: p.user, args: args}, "")
	if err != nil {
		return err
	}
	// The server itself makes the database: there is no init file as MariaDB has, and a client would have to wait for
	// the start and be told apart from the first answer.
	single := command{path: filepath.Join(p.bin, "postgres"), dir: s.home.dir, user: p.user,
		args: []string{"--single", "-D", p.data(s), "-F", "postgres"}}
	return run(single, "CREATE DATABASE slotq\n")
}

func (p postgres) command(s *Server) command {
	settings := []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(s.port), "unix_socket_directories=",
		"max_connections=" + maxConnections, "shared_buffers=128MB", "timezone=UTC",
		"synchronous_commit=on",
		// Files in the data directory, which go with it; the default leaves some in /dev/shm after a kill.
		"dynamic_shared_memory_type=mmap",
	}
	if s.fast {
		// Not synchronous_commit=off, which would lose what was committed just before Kill.
		settings = append(settings, "fsync=off", "full_page_writes=off")
	} else {
		settings = append(settings, "fsync=on")
	}
	args := []string{"-D", p.data(s)}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return command{path: filepath.Join(p.bin, "postgres"), args: append(args, s.args...), dir: s.home.dir, user: p.user}
}

func (p postgres) ended(s *Server) { removeSegment(p.data(s)) }

// removeSegment removes the small shared memory segment that guards a data directory; its id is in the server's pid
// file, which a killed server leaves behind. Without that file there is none.
func removeSegment(dataDir string) {
	content, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	if err != nil {
		return
	}
	lines := strings.Split(string(content), "\n")
	if len(lines) < 7 {
		return
	}
	if fields := strings.Fields(lines[6]); len(fields) == 2 { // key and id
		if id, err := strconv.Atoi(fields[1]); err == nil {
			removeSharedMemory(id)
		}
	}
}
