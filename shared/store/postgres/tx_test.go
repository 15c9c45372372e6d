package postgres

import (
	"context"
	"errors"
	"testing"
)

func TestWhatIsQueuedIsSentBeforeTheNextStatementAndMayEndIt(t *testing.T) {
	e, err := open(t.Context(), fresh(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Exec(t.Context(), "CREATE TABLE a (n BIGINT)"); err != nil {
		t.Fatal(err)
	}
	wrong := errors.New("not the number that it must be")
	for name, step := range map[string]func(ctx context.Context, tx *tx, matched func(int64) error) error{
		"Exec": func(ctx context.Context, tx *tx, matched func(int64) error) error {
			if err := tx.Queue(ctx, matched, "INSERT INTO a VALUES (?), (2)", 1); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO a VALUES (3)")
			return err
		},
		"Query": func(ctx context.Context, tx *tx, matched func(int64) error) error {
			if err := tx.Queue(ctx, matched, "INSERT INTO a VALUES (?), (2), (3)", 1); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, "SELECT COUNT(*) FROM a")
			if err != nil {
				return err
			}
			defer rows.Close()
			var n int64
			if !rows.Next() || rows.Scan(&n) != nil || n != 3 {
				t.Errorf("the query has seen %d rows, want 3", n)
			}
			return rows.Err()
		},
		"Commit": func(ctx context.Context, tx *tx, matched func(int64) error) error {
			return tx.Queue(ctx, matched, "INSERT INTO a VALUES (?), (2), (3)", 1)
		},
	} {
		for _, want := range []error{nil, wrong} {
			begun, err := e.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			tx := begun.(*tx)
			told := 0
			err = step(t.Context(), tx, func(int64) error { told++; return want })
			if err == nil {
				err = tx.Commit(t.Context())
			}
			tx.Rollback()
			if !errors.Is(err, want) || told != 1 {
				t.Errorf("%s: %v after matched was told %d times, want %v after once", name, err, told, want)
			}
			left, err := e.Exec(t.Context(), "DELETE FROM a")
			if rows := map[bool]int64{true: 3, false: 0}[want == nil]; err != nil || left != rows {
				t.Errorf("%s: %d rows were committed, want %d (%v)", name, left, rows, err)
			}
		}
	}
}

func TestATransactionInWhichNothingWasSaidCostsNoRoundTrip(t *testing.T) {
	e, err := open(t.Context(), fresh(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, end := range []func(*tx) error{func(t *tx) error { t.Rollback(); return nil }, func(t *tx) error { return t.Commit(context.Background()) }} {
		begun, err := e.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tx := begun.(*tx)
		status := tx.conn.Conn().PgConn()
		if err := end(tx); err != nil || tx.begun || status.TxStatus() != 'I' {
			t.Errorf("ended with %v, sent something: %v", err, tx.begun)
		}
	}
}
