package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/slotq/slotq/test/e2e/system"
	"github.com/slotq/slotq/test/faults/history"
	"github.com/slotq/slotq/test/faults/load"
	"github.com/slotq/slotq/test/faults/witness"
)

// What a row sees of the services from outside: their health, the jobs as the api shows them, the workers' logs; and the
// target of HTTP jobs.

// outside reads pages without keeping connections: what answers may be killed at any time.
var outside = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func read(ctx context.Context, address string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, err
	}
	res, err := outside.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

func awaitReady(address string, limit time.Duration) error {
	return system.Await(context.Background(), limit, func() error {
		status, body, err := read(context.Background(), "http://"+address+"/readyz")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %.200s", status, body)
		}
		return err
	})
}

// target is where HTTP jobs go. It lives with the row, so no fault of a service touches it.
func (x *running) target(w *witness.Witness) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		x.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(out http.ResponseWriter, req *http.Request) {
		payload, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		attempt, _ := strconv.Atoi(req.Header.Get("Slotq-Attempt"))
		run, _ := strconv.Atoi(req.Header.Get("Slotq-Run"))
		output, err := w.Do(req.Context(), witness.Run{Via: history.HTTP, Job: req.Header.Get("Webhook-Id"), Run: run, Attempt: attempt}, payload)
		if err != nil {
			http.Error(out, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(out).Encode(output)
	})}
	go func() { _ = server.Serve(listener) }()
	x.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String() + "/"
}

// handlers writes the worker's handlers' file.
func (x *running) handlers(bin binaries, watched, target string) (string, error) {
	path := filepath.Join(x.dir, "handlers.yaml")
	return path, os.WriteFile(path, fmt.Appendf(nil, `handlers:
  f.exec:
    exec: [%s, %s]
    grace: 1s
  f.http:
    http: %s
    allow: [127.0.0.0/8]
`, bin.path(job), watched, target), 0o600)
}

// drain waits until no job is unfinished.
func (x *running) drain(ctx context.Context, limit time.Duration) bool {
	err := system.Await(ctx, limit, func() error {
		for cursor := ""; ; {
			p, err := x.page(ctx, "scheduled,available,running,retryable", cursor)
			if err != nil {
				return err
			}
			if len(p.Jobs) > 0 {
				pauseFor(ctx, 200*time.Millisecond) // a list is not free
				return errors.New("jobs are unfinished")
			}
			if cursor = p.NextCursor; cursor == "" {
				return nil
			}
		}
	})
	return err == nil
}

type page struct {
	Jobs       []json.RawMessage `json:"jobs"`
	NextCursor string            `json:"next_cursor"`
}

func (x *running) page(ctx context.Context, states, cursor string) (p page, err error) {
	query := url.Values{"limit": {"1000"}}
	if states != "" {
		query.Set("state", states)
	}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	status, body, err := read(ctx, x.url+"/v1/jobs?"+query.Encode())
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("list jobs: %d %.300s", status, body)
	}
	if err == nil {
		err = json.Unmarshal(body, &p)
	}
	return p, err
}

// wholes is how many jobs that ran once are read with payload and output too; those that ran again are all read.
const wholes = 500

// finals reads all jobs.
func (x *running) finals(ctx context.Context) (all []history.Final, err error) {
	for cursor := ""; ; {
		var p page
		// The database may have come back from its last fault a moment ago, with nothing in its memory.
		err := system.Await(ctx, 20*time.Second, func() (err error) {
			p, err = x.page(ctx, "", cursor)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, text := range p.Jobs {
			f, err := load.FinalOf(text)
			if err != nil {
				return nil, err
			}
			all = append(all, f)
		}
		if cursor = p.NextCursor; cursor == "" {
			break
		}
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	once := 0
	for i, f := range all {
		if f.Run <= 1 {
			if once++; once > wholes {
				continue
			}
		}
		err := system.Await(ctx, 20*time.Second, func() error {
			status, body, err := read(ctx, x.url+"/v1/jobs/"+f.ID)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("job %s, which was listed: %d %.300s", f.ID, status, body)
			}
			if err == nil {
				all[i], err = load.FinalOf(body)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// commits reads what workers said about outcomes in their logs, those of killed ones too.
func commits(paths []string) (all []history.Commit, err error) {
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(content)) {
			var l struct {
				Message string `json:"msg"`
				Job     string `json:"job"`
				Run     int    `json:"run"`
				Outcome string `json:"outcome"`
			}
			if json.Unmarshal([]byte(line), &l) != nil || l.Job == "" || l.Outcome == "" {
				continue // half a line of a killed one, or another message
			}
			c := history.Commit{Job: l.Job, Run: l.Run, Outcome: l.Outcome}
			switch {
			case strings.HasPrefix(l.Message, "dropped the outcome"):
				c.Refused = true
			case strings.HasPrefix(l.Message, "gave back"), strings.Contains(l.Message, "; again in "):
				continueReleased(&c, l.Message)
			default:
				c.Ends = true
			}
			if c.Outcome != "" {
				all = append(all, c)
			}
		}
	}
	return all, nil
}

// continueReleased keeps failures that are followed by another attempt, and drops what counts nothing.
func continueReleased(c *history.Commit, message string) {
	if strings.HasPrefix(message, "gave back") || c.Outcome == "snoozed" {
		c.Outcome = ""
	}
}

func pauseFor(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
