package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
)

// What goes wrong with the server itself, other than that it is killed.

func (x *running) exec(db *sql.DB, statement string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		x.Errorf("%s: %w", statement, err)
	}
}

// readOnly lets the server take no writes for 3 s, again and again, as one that is about to be replaced.
func readOnly(ctx context.Context, r *running) {
	db := r.open()
	on, off := []string{"SET GLOBAL read_only = 1"}, []string{"SET GLOBAL read_only = 0"}
	if r.db.name == postgres {
		on = []string{"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"}
		off = []string{"ALTER SYSTEM SET default_transaction_read_only = off", "SELECT pg_reload_conf()"}
	}
	for ctx.Err() == nil {
		pauseFor(ctx, 4*time.Second)
		for _, s := range on {
			r.exec(db, s)
		}
		r.count.add("read-only", 1)
		pauseFor(ctx, 3*time.Second)
		for _, s := range off {
			r.exec(db, s)
		}
		r.healthyAgain()
	}
}

// plainUser makes MariaDB's read_only hold for the services: root is above it.
func plainUser(x *running) error {
	if x.db.name != mariadb {
		return nil
	}
	db := x.open()
	x.exec(db, "CREATE USER IF NOT EXISTS plain@'127.0.0.1' IDENTIFIED BY 'plain'")
	x.exec(db, "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES ON *.* TO plain@'127.0.0.1'")
	u, err := url.Parse(x.db.url)
	if err != nil {
		return err
	}
	u.User = url.UserPassword("plain", "plain")
	x.servicesURL = u.String()
	return nil
}

// narrow is a server with hardly more connections than the services would like.
func narrow(_ *stage, name string) *dbserver.Options {
	if name == mariadb {
		return &dbserver.Options{Args: []string{"--max-connections=30"}}
	}
	return &dbserver.Options{Args: []string{"-c", "max_connections=30", "-c", "superuser_reserved_connections=3"}}
}

// hogConnections takes all connections that the server has left, for some seconds.
func hogConnections(ctx context.Context, r *running) {
	for ctx.Err() == nil {
		pauseFor(ctx, 3*time.Second)
		db := r.open()
		var held []*sql.Conn
		for n := 0; n < 60 && ctx.Err() == nil; n++ {
			limit, cancel := context.WithTimeout(ctx, time.Second)
			c, err := db.Conn(limit)
			cancel()
			if err != nil {
				r.count.add("no connection left", 1)
				break
			}
			held = append(held, c)
		}
		// New connections are what fails now: those that the services have are broken, so that they need them.
		r.proxy.Reset()
		for end := time.Now().Add(4 * time.Second); time.Now().Before(end) && ctx.Err() == nil; {
			limit, cancel := context.WithTimeout(ctx, time.Second)
			if c, err := db.Conn(limit); err == nil {
				held = append(held, c)
			}
			cancel()
			pauseFor(ctx, 10*time.Millisecond)
		}
		for _, c := range held {
			_ = c.Close()
		}
		_ = db.Close()
		r.healthyAgain()
	}
}

// deadlocks lets other transactions lock the same rows in other orders than slotq does. The server counts the circles it
// broke; whom it chose is its own affair.
func deadlocks(ctx context.Context, r *running) {
	db := r.open()
	before := r.broken(db)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_ = shuffleLocks(ctx, db) // most fail, by deadlock or by time
				pauseFor(ctx, 20*time.Millisecond)
			}
		})
	}
	wg.Wait()
	r.count.add("deadlocks", r.broken(db)-before)
}

// broken is how many deadlocks the server has broken since it started.
func (x *running) broken(db *sql.DB) int {
	question := "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'INNODB_DEADLOCKS'"
	if x.db.name == postgres {
		question = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
	}
	return x.number(db, question)
}

func shuffleLocks(ctx context.Context, db *sql.DB) error {
	limit, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tx, err := db.BeginTx(limit, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, statement := range []string{
		"SELECT id FROM slotq_jobs WHERE slot > 12 LIMIT 20 FOR UPDATE",
		"SELECT slot FROM slotq_slots WHERE slot < 12 FOR UPDATE",
		"SELECT id FROM slotq_jobs WHERE slot < 12 LIMIT 20 FOR UPDATE",
	} {
		if _, err := tx.ExecContext(limit, statement); err != nil {
			return fmt.Errorf("lock rows: %w", err)
		}
	}
	return nil
}
