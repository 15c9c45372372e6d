package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// riverWorkers is MaxWorkers in the examples of River's documentation: it has no default.
const riverWorkers = 100

type riverQueue struct {
	settings
	pool   *pgxpool.Pool
	client *river.Client[pgx.Tx] // inserts only
}

func openRiver(ctx context.Context, s settings) (queue, error) {
	config, err := pgxpool.ParseConfig(s.url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(max(s.clients, 4)) // one for each goroutine that inserts, so that none waits for another
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet()})
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	client, err := river.NewClient(driver, &river.Config{Logger: quiet()})
	return &riverQueue{s, pool, client}, err
}

func quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

func (q *riverQueue) Insert(ctx context.Context, seq int) error {
	_, err := q.client.Insert(ctx, message{seq, padding}, nil)
	return err
}

func (q *riverQueue) InsertMany(ctx context.Context, n int) error {
	jobs := make([]river.InsertManyParams, n)
	for i := range jobs {
		jobs[i].Args = message{i, padding}
	}
	_, err := q.client.InsertManyFast(ctx, jobs)
	return err
}

func (q *riverQueue) Work(ctx context.Context, ran func(int)) (func() error, error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(_ context.Context, j *river.Job[message]) error {
		ran(j.Args.Seq)
		return nil
	}))
	n := q.workers
	if n == 0 {
		n = riverWorkers
	}
	client, err := river.NewClient(riverpgxv5.New(q.pool), &river.Config{
		Logger: quiet(), Workers: workers, FetchCooldown: q.cooldown,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: n}},
	})
	if err != nil {
		return nil, err
	}
	return func() error { return client.Stop(context.WithoutCancel(ctx)) }, client.Start(ctx)
}

func (q *riverQueue) Close() error {
	q.pool.Close()
	return nil
}
