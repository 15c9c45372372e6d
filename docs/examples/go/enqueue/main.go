// Command enqueue adds a job from Go:
//
//	go run docs/examples/go/enqueue/main.go mail.send '{"to": "ada@example.org"}'
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/slotq/slotq/shared/wire"
)

func main() {
	id, err := enqueue(context.Background(), os.Args[1], json.RawMessage(os.Args[2]))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(id)
}

func enqueue(ctx context.Context, kind string, payload json.RawMessage) (string, error) {
	url := os.Getenv("SLOTQ_URL")
	if url == "" {
		url = "http://127.0.0.1:8080"
	}
	client, err := wire.NewClient(url, nil)
	if err != nil {
		return "", err
	}
	if token := os.Getenv("SLOTQ_TOKEN"); token != "" {
		client = client.WithToken(token)
	}
	// The client makes the job's id and sends it again after a lost answer: it makes no second job.
	job, err := client.WithRetries(10*time.Second).Enqueue(ctx, wire.NewJob{Kind: kind, Payload: payload})
	if err != nil {
		return "", err
	}
	return job.ID.String(), nil
}
