package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// idle measures what api, worker and manager cost when there is nothing to do: CPU, memory, queries a second.
func idle(ctx context.Context, b *bench, db database) error {
	db, drop, err := db.fresh(ctx, b.dir)
	if err != nil {
		return err
	}
	defer drop()
	handlers := filepath.Join(b.dir, "worker.yaml")
	if err := os.WriteFile(handlers, []byte("handlers:\n  idle:\n    exec: [\"true\"]\n"), 0o600); err != nil {
		return err
	}
	// Without a queue there would be nothing to poll.
	st, err := db.open(ctx)
	if err != nil {
		return err
	}
	_, err = fill(ctx, st, "default", "idle", 0, nil)
	if err = errors.Join(err, st.Close()); err != nil {
		return err
	}
	server, err := count(ctx, db)
	if err != nil {
		return err
	}
	defer server.close()
	add := func(name, unit, note string, v float64) {
		b.report.add(&figure{part: "Idle: nothing to do", database: db.name, name: name, unit: unit, values: []float64{v}, note: note})
	}
	// The programs start one after the other, so that each one's queries can be told from the others'.
	before, cpu, memory := 0.0, 0.0, 0.0
	for _, program := range []string{"api", "worker", "manager"} {
		address, err := freeAddress()
		if err != nil {
			return err
		}
		args := []string{"--listen", address, "--log-level", "warn"}
		if program == "worker" {
			args = append(args, "--handlers", handlers, "--insecure")
		}
		pid, stop, err := start(ctx, filepath.Join(b.dir, program), "http://"+address+"/readyz", db, args...)
		if err != nil {
			return err
		}
		defer stop()
		time.Sleep(3 * time.Second) // starting is not idling
		start := time.Now()
		cpuBefore, err := cpuSeconds(pid)
		if err != nil {
			return err
		}
		queriesBefore, err := server.read(ctx)
		if err != nil {
			return err
		}
		time.Sleep(time.Duration(b.idle) * time.Second)
		queriesAfter, err := server.read(ctx)
		if err != nil {
			return err
		}
		cpuAfter, err := cpuSeconds(pid)
		if err != nil {
			return err
		}
		rss, err := memoryMiB(pid, "VmRSS:")
		if err != nil {
			return err
		}
		took := time.Since(start).Seconds()
		rate := (queriesAfter.queries - queriesBefore.queries) / took
		share := (cpuAfter - cpuBefore) / took * 100
		add(program+", CPU", "% of a core", "", share)
		add(program+", memory", "MiB", "resident", rss)
		if server.queries != "" {
			add(program+", "+server.queries, "a second", "", max(rate-before, 0))
		}
		before, cpu, memory = rate, cpu+share, memory+rss
	}
	add("all three, CPU", "% of a core", "", cpu)
	add("all three, memory", "MiB", "resident", memory)
	return nil
}
