package runner

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/store/dbserver"
)

const benchJobs = 100_000

// BenchmarkDrain empties a queue of no-op jobs, beside the floor: the same store, asked for batches of 500 by two
// callers that do nothing else. Compare the two figures of one run only.
func BenchmarkDrain(b *testing.B) {
	for _, database := range []struct{ name, server string }{
		{"sqlite", ""}, {"mysql", os.Getenv("SLOTQ_TEST_MYSQL_URL")}, {"postgres", os.Getenv("SLOTQ_TEST_POSTGRES_URL")},
	} {
		fresh := func(b *testing.B) string {
			if database.name == "sqlite" {
				return "sqlite:" + b.TempDir() + "/slotq.db"
			}
			url, drop, err := dbserver.Fresh(b.Context(), database.server)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(drop)
			return url
		}
		if database.name != "sqlite" && database.server == "" {
			continue
		}
		b.Run(database.name, func(b *testing.B) {
			b.Run("floor", func(b *testing.B) { benchFloor(b, fresh(b)) })
			for _, c := range []int{24, 500, 1000} {
				b.Run(fmt.Sprint(c), func(b *testing.B) { benchWorker(b, fresh(b), c) })
			}
		})
	}
}

func fill(b *testing.B, s store.Store) {
	enqueue(b, s, benchJobs, job.Spec{Kind: "noop", Payload: fmt.Appendf(nil, `{"text":%q}`, make([]byte, 20))})
}

func benchWorker(b *testing.B, url string, concurrency int) {
	for range b.N {
		b.StopTimer()
		s := openURL(b, url)
		fill(b, s)
		r := newRunner(b, Options{Store: s, Concurrency: concurrency})
		var ran atomic.Int64
		all := make(chan struct{})
		r.Handle("noop", func(context.Context, *Job) (any, error) {
			if ran.Add(1) == benchJobs {
				close(all)
			}
			return nil, nil
		})
		b.StartTimer()
		began := time.Now()
		stop := work(b, r)
		<-all
		stop()
		b.ReportMetric(benchJobs/time.Since(began).Seconds(), "jobs/s")
	}
}

func benchFloor(b *testing.B, url string) {
	for range b.N {
		b.StopTimer()
		s := openURL(b, url)
		fill(b, s)
		q, err := s.ListQueues(b.Context(), true)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		began := time.Now()
		var claimers sync.WaitGroup
		for n := range 2 {
			claimers.Go(func() {
				now, _ := s.Now(b.Context())
				w := job.Worker{ID: job.NewWorkerID(), Lease: time.Minute, StartedAt: now, BeatAt: now}
				if err := s.Register(b.Context(), w); err != nil {
					b.Error(err)
				}
				for slot := 1 + n; slot <= q[0].Slots; slot += 2 {
					for more := true; more; {
						c := job.Claim{Worker: w.ID, Token: job.NewToken(w.ID), Slot: job.Slot{QueueID: q[0].ID, Slot: slot}}
						got, err := s.Claim(b.Context(), job.ClaimRequest{Worker: w.ID, Token: c.Token, Slot: c.Slot, Max: 500, Now: now})
						if err != nil {
							b.Error(err)
							return
						}
						if more = got.More; len(got.Jobs) == 0 {
							break
						}
						outcomes := make([]job.Outcome, len(got.Jobs))
						for i, j := range got.Jobs {
							outcomes[i] = job.Outcome{Job: j, Action: job.Complete}
						}
						if _, err := s.Finish(b.Context(), w.ID, outcomes, []job.Token{c.Token}, now); err != nil {
							b.Error(err)
							return
						}
					}
				}
			})
		}
		claimers.Wait()
		b.ReportMetric(benchJobs/time.Since(began).Seconds(), "jobs/s")
	}
}
