package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// posters send jobs at once while the api dies under them.
const (
	posters = 8
	posts   = 60 // of each
)

func TestJobsSentAgainAfterTheAPIWasKilledAreStoredOnceAndNoneIsLost(t *testing.T) {
	t.Parallel()
	system.EachDatabase(t, func(t *testing.T, db system.Database) {
		t.Parallel()
		s := system.New(t, db, system.Short, handlersWith("http://127.0.0.1:1"), hookEnviron)
		api := s.StartAPI()
		s.StartManager()
		s.StartGoHandler()
		// Half of the jobs have an id of their own, half a key; each is sent until it is answered.
		answered := make([][]job.ID, posters)
		var mu sync.Mutex
		sent, done, faults := 0, 0, []error(nil)
		var all sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
		defer cancel()
		for p := range posters {
			answered[p] = make([]job.ID, posts)
			all.Go(func() {
				for i := range posts {
					n := wire.NewJob{Kind: "go.echo", Queue: "posted", Payload: fmt.Appendf(nil, "[%d,%d]", p, i)}
					if i%2 == 0 {
						n.ID = job.NewID(1)
					} else {
						n.IdempotencyKey = fmt.Sprintf("%d-%d", p, i)
					}
					err := system.Await(ctx, patience, func() error {
						mu.Lock()
						sent++
						mu.Unlock()
						e, err := s.Client.Enqueue(ctx, n)
						answered[p][i] = e.ID
						return err
					})
					mu.Lock()
					if done++; err != nil {
						faults = append(faults, err)
					}
					mu.Unlock()
				}
			})
		}
		for kill := range 3 {
			eventually(t, patience, "posts go on", func() error {
				mu.Lock()
				defer mu.Unlock()
				if want := (kill + 1) * posters * posts / 5; done < want {
					return fmt.Errorf("%d of %d", done, want)
				}
				return nil
			})
			api.Kill()
			api = s.StartAPI()
		}
		all.Wait()
		for _, err := range faults {
			t.Error(err)
		}
		ids := map[job.ID]string{}
		for p, list := range answered {
			for i, id := range list {
				if before, twice := ids[id]; twice {
					t.Fatalf("%d-%d and %s got one job, %s", p, i, before, id)
				}
				ids[id] = fmt.Sprintf("%d-%d", p, i)
				j := ended(t, s, id)
				wants(t, j, job.Completed, "")
				if want := fmt.Sprintf("[%d,%d]", p, i); string(j.Payload) != want || string(j.Output) != want {
					t.Errorf("job %s: payload %s, output %s, want %s", id, j.Payload, j.Output, want)
				}
			}
		}
		stored := 0
		for j, err := range s.Client.List(t.Context(), wire.JobFilter{Queue: "posted", Limit: 1000}) {
			check(t, err)
			if stored++; ids[j.ID] == "" {
				t.Errorf("job %s was stored and nobody was told", j.ID)
			}
		}
		if stored != posters*posts {
			t.Errorf("%d jobs are stored, %d were sent", stored, posters*posts)
		}
		t.Logf("%d jobs, %d requests", posters*posts, sent)
		if sent == posters*posts {
			t.Error("no request failed: the api was not killed while it was used")
		}
	})
}
