package main

import (
	"context"
	"fmt"
	"os"

	"github.com/hibiken/asynq"
)

type asynqQueue struct {
	settings
	redis  asynq.RedisClientOpt
	client *asynq.Client
}

func openAsynq(_ context.Context, s settings) (queue, error) {
	opt, err := asynq.ParseRedisURI(s.url)
	if err != nil {
		return nil, err
	}
	redis, ok := opt.(asynq.RedisClientOpt)
	if !ok {
		return nil, fmt.Errorf("%s is no single Redis server", s.url)
	}
	redis.PoolSize = max(s.clients, s.workers) // 0 or more; its default is 10 for each CPU
	return &asynqQueue{s, redis, asynq.NewClient(redis)}, nil
}

// Insert keeps no history, which is asynq's default and its fastest.
func (q *asynqQueue) Insert(ctx context.Context, seq int) error {
	payload, err := encode(seq)
	if err == nil {
		_, err = q.client.EnqueueContext(ctx, asynq.NewTask("noop", payload))
	}
	return err
}

func (q *asynqQueue) InsertMany(context.Context, int) error { return errNoBatch }

func (q *asynqQueue) Work(_ context.Context, ran func(int)) (func() error, error) {
	server := asynq.NewServer(q.redis, asynq.Config{
		Concurrency: q.workers, TaskCheckInterval: q.cooldown, LogLevel: asynq.ErrorLevel,
	})
	handler := asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
		seq, err := decode(t.Payload())
		if err != nil {
			fmt.Fprintln(os.Stderr, "peers: asynq:", err)
			return err
		}
		ran(seq)
		return nil
	})
	stop := func() error {
		server.Shutdown()
		return nil
	}
	return stop, server.Start(handler)
}

func (q *asynqQueue) Close() error { return q.client.Close() }
