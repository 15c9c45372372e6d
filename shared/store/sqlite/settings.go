package sqlite

import (
	"context"

	"github.com/slotq/slotq/shared/job"
)

// Settings implements sqlstore.Engine. It asks on the writer's connection, since what COMMIT waits for is each connection's
// own.
func (e *Engine) Settings(ctx context.Context) (server string, settings []job.Setting, err error) {
	tx, err := e.Begin(ctx)
	if err != nil {
		return "", nil, err
	}
	defer tx.Rollback()
	var journal string
	var synchronous int
	for query, to := range map[string]any{"SELECT 'SQLite ' || sqlite_version()": &server, "PRAGMA journal_mode": &journal, "PRAGMA synchronous": &synchronous} {
		rows, err := tx.Query(ctx, query)
		if err != nil {
			return "", nil, err
		}
		if rows.Next() {
			err = rows.Scan(to)
		}
		rows.Close()
		if err == nil {
			err = rows.Err()
		}
		if err != nil {
			return "", nil, err
		}
	}
	mode := job.Setting{Name: "journal_mode", Value: journal}
	if journal != "wal" {
		mode.Wrong = "readers and the writer stop each other: the file lies where SQLite cannot share memory between processes"
		mode.Remedy = "put the file on a local disk of this machine; it may not be on a network file system"
	}
	full := job.Setting{Name: "synchronous", Value: [...]string{"OFF", "NORMAL", "FULL", "EXTRA"}[synchronous&3]}
	if synchronous < 2 {
		full.Wrong = "jobs acknowledged last are lost when the machine loses power"
		full.Remedy = "report it: slotq sets synchronous=FULL on every connection"
	}
	return server, []job.Setting{mode, full}, nil
}
