package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// idle measures what api, worker and manager cost when there is nothing to do: CPU, memory, queries a second.
func idle(ctx context.Context, s settings, db database, dir string) error {
	handlers := filepath.Join(dir, "worker.yaml")
	if err := os.WriteFile(handlers, []byte("handlers:\n  idle:\n    exec: [\"true\"]\n"), 0o600); err != nil {
		return err
	}
	queries, err := counter(ctx, db)
	if err != nil {
		return err
	}
	// The parts start one after the other, so that each one's queries can be told from the others'.
	before, cpu := 0.0, 0.0
	for _, part := range []string{"api", "worker", "manager"} {
		address, err := freeAddress()
		if err != nil {
			return err
		}
		args := []string{"--listen", address}
		if part == "worker" {
			args = append(args, "--handlers", handlers, "--insecure")
		}
		stop, err := start(ctx, filepath.Join(dir, part), "http://"+address+"/readyz", db, args...)
		if err != nil {
			return err
		}
		defer stop()
		pid, err := pidOf(filepath.Join(dir, part))
		if err != nil {
			return err
		}
		time.Sleep(3 * time.Second) // starting is not idling
		cpuBefore, err := cpuSeconds(pid)
		if err != nil {
			return err
		}
		q0, t0 := queries(), time.Now()
		time.Sleep(time.Duration(s.idle) * time.Second)
		took := time.Since(t0).Seconds()
		rate := (queries() - q0) / took
		cpuAfter, err := cpuSeconds(pid)
		if err != nil {
			return err
		}
		rss, err := residentMiB(pid)
		if err != nil {
			return err
		}
		share := (cpuAfter - cpuBefore) / took * 100
		cpu += share
		row(db, "idle "+part, "%.2f %% of a core  %.0f MiB  %s", share, rss, perSecond(db, rate-before))
		before = rate
	}
	row(db, "idle, all three", "%.2f %% of a core", cpu)
	return nil
}

func perSecond(db database, rate float64) string {
	if db.pid == 0 {
		return "" // SQLite counts no queries
	}
	return fmt.Sprintf("%.1f queries/s", max(rate, 0))
}

// counter returns a function that reads how many statements the server has run so far, its own not counted.
func counter(ctx context.Context, db database) (func() float64, error) {
	switch db.name {
	case "sqlite":
		return func() float64 { return 0 }, nil
	case "postgres":
		conn, err := pgx.Connect(ctx, db.url)
		if err != nil {
			return nil, err
		}
		// Transactions: PostgreSQL counts no statements without an extension. A poll and a beat are one each.
		return func() float64 {
			var n float64
			if err := conn.QueryRow(ctx, "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()").Scan(&n); err != nil {
				panic(err)
			}
			return n - 1
		}, nil
	}
	u, err := url.Parse(db.url)
	if err != nil {
		return nil, err
	}
	pw, _ := u.User.Password()
	d, err := sql.Open("mysql", u.User.Username()+":"+pw+"@tcp("+u.Host+")"+u.Path)
	if err != nil {
		return nil, err
	}
	return func() float64 {
		var name string
		var n float64
		if err := d.QueryRow("SHOW GLOBAL STATUS LIKE 'Questions'").Scan(&name, &n); err != nil {
			panic(err)
		}
		return n
	}, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func ok(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body) // so that the connection is used again
	return res.StatusCode == http.StatusOK
}

// pidOf finds this process's child that runs the binary and is no shim of another.
func pidOf(binary string) (int, error) {
	children, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid()))
	if err != nil {
		return 0, err
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return 0, err
	}
	for _, t := range threads {
		more, err := os.ReadFile("/proc/self/task/" + t.Name() + "/children")
		if err == nil {
			children = append(append(children, ' '), more...)
		}
	}
	for field := range strings.FieldsSeq(string(children)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && exe == binary {
			return pid, nil
		}
	}
	return 0, errors.New("the process is gone")
}

// cpuSeconds is user and system time; the clock tick is 1/100 s on every Linux of today.
func cpuSeconds(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+2:]))
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100, errors.Join(err1, err2)
}

func residentMiB(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("no VmRSS")
}
