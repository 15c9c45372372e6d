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
		pid, stop, err := start(ctx, filepath.Join(dir, part), "http://"+address+"/readyz", db, args...)
		if err != nil {
			return err
		}
		defer stop()
		time.Sleep(3 * time.Second) // starting is not idling
		cpuBefore, err := cpuSeconds(pid)
		if err != nil {
			return err
		}
		t0 := time.Now()
		queriesBefore, err := queries()
		if err != nil {
			return err
		}
		time.Sleep(time.Duration(s.idle) * time.Second)
		queriesAfter, err := queries()
		if err != nil {
			return err
		}
		took := time.Since(t0).Seconds()
		rate := (queriesAfter - queriesBefore) / took
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
func counter(ctx context.Context, db database) (func() (float64, error), error) {
	switch db.name {
	case "sqlite":
		return func() (float64, error) { return 0, nil }, nil
	case "postgres":
		conn, err := pgx.Connect(ctx, db.url)
		if err != nil {
			return nil, err
		}
		// Transactions: PostgreSQL counts no statements without an extension. A poll and a beat are one each.
		return func() (n float64, err error) {
			err = conn.QueryRow(ctx, "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()").Scan(&n)
			return n - 1, err
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
	return func() (n float64, err error) {
		var name string
		err = d.QueryRow("SHOW GLOBAL STATUS LIKE 'Questions'").Scan(&name, &n)
		return n, err
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
