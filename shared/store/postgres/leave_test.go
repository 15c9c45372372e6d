package postgres

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/slotq/slotq/shared/store/dbserver"
)

// fresh is an empty database; storetest, which has such a function, imports this package.
func fresh(t *testing.T) string {
	t.Helper()
	server := os.Getenv("SLOTQ_TEST_POSTGRES_URL")
	if server == "" && os.Getenv("CI") != "true" {
		t.Skip("SLOTQ_TEST_POSTGRES_URL is not set: `make test` starts a server and sets it")
	}
	url, drop, err := dbserver.Fresh(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(drop)
	return url
}

// turn makes a server that was the primary a standby for one connection, as a failover behind a load balancer does.
func turn(t *testing.T, e *Engine) {
	t.Helper()
	if _, err := e.pool.Exec(t.Context(), "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"); err != nil {
		t.Fatal(err)
	}
}

func TestAServerThatHasBecomeReadOnlyIsLeft(t *testing.T) {
	rawURL := fresh(t)
	for name, write := range map[string]func(ctx context.Context, e *Engine) error{
		"in a transaction": func(ctx context.Context, e *Engine) error {
			tx, err := e.Begin(ctx)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			_, err = tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS a (n INT)")
			return err
		},
		"of one statement": func(ctx context.Context, e *Engine) error {
			_, err := e.Exec(ctx, "CREATE TABLE IF NOT EXISTS a (n INT)")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := open(t.Context(), rawURL, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			turn(t, e)
			var refused *pgconn.PgError
			if err := write(t.Context(), e); !errors.As(err, &refused) || refused.Code != "25006" {
				t.Fatalf("a write on a standby ended with %v", err)
			}
			if err := write(t.Context(), e); err != nil {
				t.Errorf("the next write has met the same server: %v", err)
			}
		})
	}
}

func TestAServerThatTakesNoWritesIsNotConnectedTo(t *testing.T) {
	rawURL := fresh(t)
	conn, err := pgx.Connect(t.Context(), rawURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "ALTER DATABASE "+strings.TrimPrefix(u.Path, "/")+" SET default_transaction_read_only = on"); err != nil {
		t.Fatal(err)
	}
	e, err := open(t.Context(), rawURL, 1)
	if err == nil {
		e.Close()
		t.Fatal("it was")
	}
	if !errors.Is(err, pgconn.ErrReadOnlyConnection) {
		t.Errorf("the reason is not told: %v", err)
	}
}
