package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// costs measures what a job costs the server, by its own counters, and the processors; and what the programs weigh.
func costs(ctx context.Context, b *bench, db database) error {
	queries := map[string]string{"postgres": "transactions", "mariadb": "statements"}[db.name]
	measures := []measure{
		{queries + " per job", ""}, {"log per job", "bytes"}, {"fsyncs per job", ""},
		{"program's CPU per 100,000 jobs", "s"}, {"server's CPU per 100,000 jobs", "s"}, {"program's memory at most", "MiB"},
	}
	if queries == "" { // embedded: there are no counters and no server
		measures = []measure{measures[3], measures[5]}
	}
	cost := func(name string, run func(context.Context, database) (spent, error)) contestant {
		return contestant{name, "default settings", func(ctx context.Context, db database) (outcome, error) {
			s, err := run(ctx, db)
			n := float64(s.jobs)
			if err != nil || n == 0 {
				return outcome{}, err
			}
			program := []float64{s.cpu / n * 100_000, s.memory}
			if queries == "" {
				return outcome{values: program}, nil
			}
			return outcome{values: []float64{s.server.queries / n, s.server.log / n, s.server.fsyncs / n, program[0], s.serverCPU / n * 100_000, program[1]}}, nil
		}}
	}
	err := b.list(ctx, "Cost of a job", db, measures, []contestant{
		cost("worker, draining", b.spendDraining), cost("api, POST by 64 clients", b.spendPosting),
	})
	if err != nil {
		return err
	}
	return b.weigh(ctx, db)
}

// spent is what some jobs cost.
type spent struct {
	jobs      int
	cpu       float64 // of the program, in seconds
	memory    float64 // of the program at most, in MiB
	server    counted
	serverCPU float64
}

// watch returns a function that tells what the server has done since. A PostgreSQL backend reports what it did when its connection
// ends, and else at most once a second or ten after it has gone idle: so programs have stopped before the second reading, and both wait.
func watch(ctx context.Context, db database) (done func(*spent) error, err error) {
	server, err := count(ctx, db)
	if err != nil {
		return nil, err
	}
	read := func() (n counted, cpu float64, err error) {
		if db.pid == 0 {
			return n, 0, nil
		}
		time.Sleep(1500 * time.Millisecond)
		if n, err = server.read(ctx); err == nil {
			cpu, err = treeSeconds(db.pid)
		}
		return n, cpu, err
	}
	before, cpuBefore, err := read()
	if err != nil {
		return nil, err
	}
	return func(s *spent) error {
		defer server.close()
		after, cpuAfter, err := read()
		s.server, s.serverCPU = after.minus(before), cpuAfter-cpuBefore
		return err
	}, nil
}

func (b *bench) spendDraining(ctx context.Context, db database) (s spent, err error) {
	st, err := db.open(ctx)
	if err != nil {
		return s, err
	}
	_, err = fill(ctx, st, "bench", "noop", b.jobs, nil)
	if err = errors.Join(err, st.Close()); err != nil {
		return s, err
	}
	if err := db.analyze(ctx); err != nil {
		return s, err
	}
	done, err := watch(ctx, db)
	if err != nil {
		return s, err
	}
	d, err := b.drain(ctx, db, "bench", b.jobs, 1, 0)
	if err != nil {
		return s, err
	}
	s = spent{jobs: d.jobs, cpu: d.cpu, memory: d.memory}
	return s, done(&s)
}

func (b *bench) spendPosting(ctx context.Context, db database) (s spent, err error) {
	base, pid, stop, err := b.serve(ctx, db, "api")
	if err != nil {
		return s, err
	}
	defer stop()
	if _, err := b.load(ctx, base, 200, "--clients=8"); err != nil {
		return s, err
	}
	done, err := watch(ctx, db)
	if err != nil {
		return s, err
	}
	before, err := cpuSeconds(pid)
	if err != nil {
		return s, err
	}
	l, err := b.load(ctx, base, b.posts, "--clients=64")
	if err != nil {
		return s, err
	}
	after, err := cpuSeconds(pid)
	if err != nil {
		return s, err
	}
	s = spent{jobs: l.Jobs, cpu: after - before}
	if s.memory, err = memoryMiB(pid, "VmHWM:"); err != nil {
		return s, err
	}
	stop()
	return s, done(&s)
}

// weigh measures the size of the programs and how long they take from their start until they are ready.
func (b *bench) weigh(ctx context.Context, db database) error {
	handlers := filepath.Join(b.dir, "weigh.yaml")
	if err := os.WriteFile(handlers, []byte("handlers:\n  idle:\n    exec: [\"true\"]\n"), 0o600); err != nil {
		return err
	}
	var all []contestant
	for _, program := range []string{"api", "worker", "manager"} {
		all = append(all, contestant{program, "", func(ctx context.Context, db database) (outcome, error) {
			st, err := db.open(ctx) // the tables are there already
			if err != nil {
				return outcome{}, err
			}
			defer st.Close()
			binary := filepath.Join(b.dir, program)
			info, err := os.Stat(binary)
			if err != nil {
				return outcome{}, err
			}
			address, err := freeAddress()
			if err != nil {
				return outcome{}, err
			}
			args := []string{"--listen", address, "--log-level", "warn"}
			if program == "worker" {
				args = append(args, "--handlers", handlers, "--insecure")
			}
			begun := time.Now()
			_, stop, err := start(ctx, binary, "http://"+address+"/readyz", db, args...)
			if err != nil {
				return outcome{}, err
			}
			defer stop()
			return outcome{values: []float64{time.Since(begun).Seconds() * 1000, float64(info.Size()) / (1 << 20)}}, nil
		}})
	}
	return b.list(ctx, "Cost of the programs", db, []measure{{"start until ready", "ms"}, {"binary", "MiB"}}, all)
}
