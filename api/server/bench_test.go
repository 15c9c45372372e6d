package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/slotq/slotq/shared/clock"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// instant stores no jobs, to see what the api itself costs.
type instant struct{ store.Store }

func (instant) Enqueue(_ context.Context, jobs []*job.Job, _ bool) ([]job.Enqueued, error) {
	return make([]job.Enqueued, len(jobs)), nil
}

func (instant) ListQueues(context.Context, bool) ([]job.Queue, error) {
	return []job.Queue{job.NewQueue("default")}, nil
}

// BenchmarkPost is POST /v1/jobs by 64 clients at once, without a network: with a SQLite file, and without a database.
func BenchmarkPost(b *testing.B) {
	db, err := store.Open(b.Context(), "sqlite:"+filepath.Join(b.TempDir(), "slotq.db"), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	for name, s := range map[string]store.Store{"sqlite": db, "none": instant{db}} {
		b.Run(name, func(b *testing.B) {
			server := New(Options{Store: s, Clock: clock.New(nil)})
			handler := server.Handler(nil, nil)
			ctx, cancel := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() { _ = server.Run(ctx) })
			defer running.Wait()
			defer cancel()
			body := `{"kind":"mail.send","payload":{"to":"somebody@example.org","text":"` + strings.Repeat("x", 60) + `"}}`
			b.SetParallelism(32)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/v1/jobs", strings.NewReader(body))
					r.Header.Set("Content-Type", "application/json")
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, r)
					if w.Code != http.StatusCreated {
						b.Errorf("%d %s", w.Code, w.Body)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}
