package memory

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestConformance(t *testing.T) {
	stores := map[string]*Store{}
	storetest.Run(t, storetest.Engine{
		Fresh: func(testing.TB) string {
			url := fmt.Sprintf("memory:%d", len(stores))
			stores[url] = New(Options{})
			return url
		},
		Open: func(_ context.Context, url string) (store.Store, error) { return stores[url], nil },
		Past: func(url, statement string) (int64, error) { return past(stores[url], statement) },
		Without: []string{
			// Migrations and the names of tables.
			"schema/4 processes that find the database empty at once all get the newest schema",
			"schema/migrating again changes nothing and keeps what is there",
			"schema/an older schema is brought up to date, and each migration can be run twice",
			"schema/a newer schema is refused and left alone",
			"schema/all tables and indexes have names that begin with slotq_",
			// Transactions of an engine.
			"transaction/what is queued is run before the next statement, and its count may end it",
			"transaction/a statement that fails among others ends them, and nothing of them stays",
			"transaction/a COMMIT before all was sent is refused",
			"transaction/a transaction in which nothing was said ends without error",
			// Write or read their rows by SQL.
			"queues/no more than 1,000 queues",
			"diagnose/jobs in slots without a row are strays, all others are not",
			"outputs/what retention 0 leaves of a job has no output",
			"api_tokens/no more than 1,000 tokens, and one that is there is still found",
		},
	})
}

// past does what the suite does behind a store's back, in the suite's own words.
func past(s *Store, statement string) (n int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	each := func(f func(*job.Job)) {
		for _, j := range s.jobs {
			f(j)
		}
	}
	switch statement {
	case "DELETE FROM slotq":
		s.empty()
	case "SELECT COUNT(*) FROM slotq_jobs":
		n = int64(len(s.jobs))
	case "SELECT COUNT(*) FROM slotq_history":
		n = int64(len(s.history))
	case "SELECT COUNT(*) FROM slotq_idempotency_keys":
		n = int64(len(s.idempotency))
	case "SELECT COUNT(*) FROM slotq_unique_keys":
		n = int64(len(s.unique))
	case "SELECT COUNT(*) FROM slotq_claims":
		for _, c := range s.claims {
			n += int64(len(c))
		}
	case "SELECT COUNT(*) FROM slotq_keyed":
		each(func(j *job.Job) {
			if j.KeyHeld {
				n++
			}
		})
	case "SELECT epoch FROM slotq_slots", "SELECT SUM(epoch) FROM slotq_slots":
		for _, row := range s.slots {
			n += row.Epoch
		}
	case "SELECT COUNT(*) FROM slotq_stats":
		n = int64(len(s.stats))
	case "SELECT COUNT(*) FROM slotq_counters":
		n = int64(len(s.counters))
	case "UPDATE slotq_jobs SET nonce = 0":
		each(func(j *job.Job) { s.direct[j.ID] = true })
	case "UPDATE slotq_jobs SET crashes = 1":
		each(func(j *job.Job) { j.Crashes = 1 })
	case "UPDATE slotq_jobs SET kind = 'mine'":
		each(func(j *job.Job) { j.Kind = "mine" })
	case "UPDATE slotq_jobs SET crashes = 1 WHERE kind = 'mine'":
		each(func(j *job.Job) {
			if j.Kind == "mine" {
				j.Crashes = 1
			}
		})
	case "UPDATE slotq_jobs SET crashes = 1 WHERE priority = 4":
		each(func(j *job.Job) {
			if j.Priority == 4 {
				j.Crashes = 1
			}
		})
	case "DELETE FROM slotq_jobs WHERE kind = 'mine'":
		each(func(j *job.Job) {
			if j.Kind == "mine" {
				s.remove(j)
			}
		})
	case "DELETE FROM slotq_jobs WHERE run > 0":
		each(func(j *job.Job) {
			if j.Run > 0 {
				s.remove(j)
			}
		})
	default:
		var paused job.Slot
		if _, err := fmt.Sscanf(statement, "UPDATE slotq_slots SET paused = 1 WHERE queue_id = %d AND slot = %d", &paused.QueueID, &paused.Slot); err == nil {
			s.slots[paused].Paused = true
			return 1, nil
		}
		id, ok := strings.CutPrefix(statement, "DELETE FROM slotq_workers WHERE id = ")
		for w := range s.workers {
			if ok && id == fmt.Sprint(int64(w)) {
				delete(s.workers, w)
				n++
			}
		}
		if n == 0 {
			err = fmt.Errorf("nobody has said what this means without SQL")
		}
	}
	return n, err
}
