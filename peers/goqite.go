package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	_ "github.com/mattn/go-sqlite3" // the driver that goqite's documentation uses; it needs a C compiler
	"maragu.dev/goqite"
	"maragu.dev/goqite/jobs"
)

// goqiteSchema is the file that goqite's documentation says to run. Its module brings it and does not embed it, so it is read
// where the go command keeps the module.
func goqiteSchema(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-C", "peers", "-m", "-f", "{{.Dir}}", "maragu.dev/goqite")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	dir, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find goqite's module: %w", err)
	}
	b, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "schema_sqlite.sql"))
	return string(b), err
}

type goqiteQueue struct {
	settings
	db    *sql.DB
	queue *goqite.Queue
}

func openGoqite(ctx context.Context, s settings) (queue, error) {
	db, err := sql.Open("sqlite3", s.url+"?_journal=WAL&_sync=FULL&_timeout=5000&_fk=true")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // as goqite's documentation has it
	schema, err := goqiteSchema(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, err
	}
	return &goqiteQueue{s, db, goqite.New(goqite.NewOpts{DB: db, Name: "bench"})}, nil
}

func (q *goqiteQueue) Insert(ctx context.Context, seq int) error {
	payload, err := encode(seq)
	if err == nil {
		_, err = jobs.Create(ctx, q.queue, "noop", goqite.Message{Body: payload})
	}
	return err
}

func (q *goqiteQueue) InsertMany(ctx context.Context, n int) error {
	tx, err := q.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for seq := range n {
		payload, err := encode(seq)
		if err != nil {
			return err
		}
		if _, err := jobs.CreateTx(ctx, tx, q.queue, "noop", goqite.Message{Body: payload}); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (q *goqiteQueue) Work(ctx context.Context, ran func(int)) (func() error, error) {
	runner := jobs.NewRunner(jobs.NewRunnerOpts{Limit: q.workers, PollInterval: q.cooldown, Queue: q.queue})
	runner.Register("noop", func(_ context.Context, payload []byte) error {
		seq, err := decode(payload)
		if err != nil {
			fmt.Fprintln(os.Stderr, "peers: goqite:", err)
			return err
		}
		ran(seq)
		return nil
	})
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runner.Start(ctx)
	}()
	return func() error {
		cancel()
		<-ended
		return nil
	}, nil
}

func (q *goqiteQueue) Close() error { return q.db.Close() }
