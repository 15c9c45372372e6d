package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// machine describes what was measured on, without a name that would tell whose it is.
func machine() []string {
	m := []string{fmt.Sprintf("%d processors: %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name")), "memory: " + field("/proc/meminfo", "MemTotal")}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m = append(m, runtime.GOOS+" "+strings.TrimSpace(string(b))+", "+runtime.GOARCH)
	}
	return append(m, runtime.Version())
}

// described is the tree as git describes it, or empty where there is no git.
func described(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// field is the value of the first line that begins so, in a file of /proc.
func field(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// librariesOf are the versions of the other queues and of SQLite, from the programs that were measured.
func (b *bench) librariesOf(ctx context.Context) (versions []string) {
	wanted := map[string][]string{
		"peers": {"github.com/riverqueue/river", "github.com/hibiken/asynq", "maragu.dev/goqite", "github.com/mattn/go-sqlite3"},
		"noop":  {"modernc.org/sqlite", "github.com/jackc/pgx/v5", "github.com/go-sql-driver/mysql"},
	}
	for _, program := range []string{"noop", "peers"} {
		out, err := exec.CommandContext(ctx, "go", "version", "-m", filepath.Join(b.dir, program)).Output()
		if err != nil {
			continue // the table does not fail for want of a version
		}
		for line := range strings.Lines(string(out)) {
			fields := strings.Fields(line)
			for _, module := range wanted[program] {
				if len(fields) > 2 && fields[0] == "dep" && fields[1] == module {
					versions = append(versions, module+" "+fields[2])
				}
			}
		}
	}
	if b, err := os.ReadFile(filepath.Join(peersModule, "graphile", "package.json")); err == nil {
		versions = append(versions, "graphile-worker "+quoted(string(b), `"graphile-worker": "`))
	}
	return versions
}

// quoted is what stands between a text and the next quote.
func quoted(s, before string) string {
	_, rest, _ := strings.Cut(s, before)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}
