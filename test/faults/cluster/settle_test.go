//go:build ledger

package cluster

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/test/e2e/system"
)

// settle waits until the services are well and all jobs have ended, judges, and fails the test for what is slotq's own.
func settle(r *rig, url string, l *load, lasted time.Duration) *verdict {
	r.Helper()
	for _, p := range r.parts {
		if err := system.Await(r.Context(), 10*time.Second, p.ready); err != nil {
			r.Errorf("%s is not well after all faults: %v", p.process.Name, err)
		}
	}
	db, err := dbserver.Open(url)
	if err != nil {
		r.Fatal(err)
	}
	defer db.Close()
	left, took := drain(r, db)
	v := judge(r, url, l, r.dir)
	r.Logf("%d acknowledged in %s (%.0f jobs/s), %d answers unknown; lost: %d by the engine, %d by slotq; second jobs of a key %d, second commits %d, "+
		"phantoms %d, completed without a run %d, overlapping subprocess runs %d, stuck %d; %d ran to their end more than once; drained in %s",
		v.acked, lasted.Round(time.Second), float64(v.acked)/lasted.Seconds(), l.unknown.Load(), len(v.lostByEngine), len(v.lostByUs), len(v.secondJob),
		len(v.secondCommit), len(v.phantom), len(v.unwitnessed), v.overlapping, v.stuck, v.repeated, took.Round(100*time.Millisecond))
	for _, wrong := range l.wrong {
		r.Errorf("a client was refused: %s", wrong)
	}
	if left != 0 || v.ours() > 0 {
		remains(r, db)
		r.Errorf("%d faults are slotq's own (%d jobs left): %+v", v.ours(), left, *v)
	}
	lose(r, db, url, l)
	return v
}

// remains tells what is left, for whoever is to find out why: the services' directories are gone afterwards.
func remains(r *rig, db *sql.DB) {
	r.Helper()
	for _, query := range []string{
		"SELECT * FROM slotq_jobs ORDER BY run_at LIMIT 5", "SELECT * FROM slotq_claims LIMIT 10", "SELECT * FROM slotq_workers LIMIT 10",
	} {
		rows, err := db.Query(query)
		if err != nil {
			r.Errorf("%s: %v", query, err)
			continue
		}
		columns, err := rows.Columns()
		values := make([]any, len(columns))
		places := make([]any, len(columns))
		for i := range places {
			places[i] = &values[i]
		}
		for err == nil && rows.Next() {
			var line strings.Builder
			if err = rows.Scan(places...); err == nil {
				for i, c := range columns {
					if b, ok := values[i].([]byte); ok {
						values[i] = fmt.Sprintf("%x", b)
					}
					fmt.Fprintf(&line, " %s=%v", c, values[i])
				}
				r.Logf("%s:%s", query, line.String())
			}
		}
		if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
			r.Errorf("%s: %v", query, err)
		}
	}
	for _, p := range r.parts {
		for line := range strings.Lines(p.process.Log()) {
			if !strings.Contains(line, "completed note.") {
				r.Logf("%s: %s", p.process.Name, strings.TrimSpace(line))
			}
		}
	}
}

// lose takes an acknowledged job away as a defect of slotq would, with its ledger row left: a judge that does not tell it
// has judged nothing.
func lose(r *rig, db *sql.DB, url string, l *load) {
	r.Helper()
	before := judge(r, url, l, r.dir)
	if _, err := db.Exec("DELETE FROM slotq_history WHERE id = (SELECT id FROM (SELECT id FROM slotq_history WHERE state = 5 ORDER BY id DESC LIMIT 1) AS last)"); err != nil {
		r.Fatal(err)
	}
	if after := judge(r, url, l, r.dir); len(after.lostByUs) != len(before.lostByUs)+1 {
		r.Errorf("INVALID: a job was taken away, and %d are found lost by slotq, before it %d", len(after.lostByUs), len(before.lostByUs))
	}
}
