//go:build ledger

package cluster

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/test/e2e/system"
)

// drainLimit bounds how long after the last fault everything must have ended: twice the lease for what died at the very
// end, and the backoffs of a second crash.
const drainLimit = 90 * time.Second

// makeLedger makes the table that the services write beside each job; see the ledger of package sqlstore.
func makeLedger(url string) error {
	db, err := dbserver.Open(url)
	if err != nil {
		return err
	}
	defer db.Close()
	uuid := "BINARY(16)"
	if strings.HasPrefix(url, "postgres") {
		uuid = "UUID"
	}
	_, err = db.Exec("CREATE TABLE slotq_ledger (id " + uuid + ", what SMALLINT, token " + uuid + ", PRIMARY KEY (id, what, token))")
	return err
}

// verdict is what a run has come to.
type verdict struct {
	acked, stored, completed int
	lostByEngine, lostByUs   []string
	stuck                    int
	secondJob, secondCommit  []string // of one key; of one job
	phantom, unwitnessed     []string // never posted; completed without a run that reached its end
	repeated, overlapping    int      // jobs that ran to their end more than once; subprocess runs that met
}

// ours are the verdict's faults that no loss of the engine excuses.
func (v *verdict) ours() int {
	return len(v.lostByUs) + v.stuck + len(v.secondJob) + len(v.secondCommit) + len(v.phantom) + len(v.unwitnessed) + v.overlapping
}

// drain waits until nothing waits or runs and returns how many are left.
func drain(r *rig, db *sql.DB) (left int, took time.Duration) {
	began := time.Now()
	_ = system.Await(r.Context(), drainLimit, func() error { // what is left says it
		left = -1
		if err := db.QueryRow("SELECT COUNT(*) FROM slotq_jobs").Scan(&left); err != nil {
			return err
		}
		if left > 0 {
			return fmt.Errorf("%d jobs are left", left)
		}
		return nil
	})
	return left, time.Since(began)
}

// judge reads what a server knows and holds it against what clients were answered and runs have noted.
func judge(t testing.TB, url string, l *load, dir string) *verdict {
	t.Helper()
	db, err := dbserver.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	id, bytes := "LOWER(HEX(id))", "payload"
	if strings.HasPrefix(url, "postgres") {
		id = "REPLACE(id::text, '-', '')"
	}
	v := &verdict{acked: len(l.acked)}
	ended, overlaps := notes(t, dir)
	v.overlapping = overlaps
	there, ofNumber := map[string]bool{}, map[int64]string{}
	posted := l.next.Load()
	scan(t, db, "SELECT "+id+", 0, "+bytes+" FROM slotq_jobs UNION ALL SELECT "+id+", state, "+bytes+" FROM slotq_history", func(rows *sql.Rows) error {
		var id string
		var state job.State
		var payload []byte
		var o struct{ N int64 }
		if err := rows.Scan(&id, &state, &payload); err != nil {
			return err
		}
		if err := json.Unmarshal(payload, &o); err != nil || o.N < 1 || o.N > posted {
			v.phantom = append(v.phantom, id)
		}
		if ofNumber[o.N] != "" {
			v.secondJob = append(v.secondJob, fmt.Sprintf("%d: %s and %s", o.N, ofNumber[o.N], id))
		}
		ofNumber[o.N], there[id] = id, true
		switch state {
		case 0:
			v.stuck++
		case job.Completed:
			v.completed++
			if ended[id] == 0 {
				v.unwitnessed = append(v.unwitnessed, id)
			}
		}
		return nil
	})
	v.stored = len(there)
	stored, commits := map[string]bool{}, map[string]int{}
	scan(t, db, "SELECT "+id+", what FROM slotq_ledger", func(rows *sql.Rows) error {
		var id string
		var what int
		err := rows.Scan(&id, &what)
		if what == 1 {
			stored[id] = true
		} else if commits[id]++; commits[id] == 2 {
			v.secondCommit = append(v.secondCommit, id)
		}
		return err
	})
	for _, id := range l.acked {
		switch {
		case there[id]:
		case stored[id]:
			v.lostByUs = append(v.lostByUs, id)
		default:
			v.lostByEngine = append(v.lostByEngine, id)
		}
	}
	for _, n := range ended {
		if n > 1 {
			v.repeated++
		}
	}
	return v
}

func scan(t testing.TB, db *sql.DB, query string, each func(*sql.Rows) error) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// notes reads how often each job ran to its end, and how many subprocess runs met another of their job.
func notes(t testing.TB, dir string) (ended map[string]int, overlaps int) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "notes"))
	if err != nil {
		t.Fatal(err)
	}
	ended = map[string]int{}
	for line := range strings.Lines(string(content)) {
		what, rest, _ := strings.Cut(line, " ")
		id, _, _ := strings.Cut(rest, " ")
		switch what {
		case system.Ended:
			ended[strings.ReplaceAll(id, "-", "")]++
		case system.Overlapped:
			overlaps++
		}
	}
	return ended, overlaps
}
