package dbserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Pair is a PostgreSQL primary and a standby that follows it by streaming.
type Pair struct {
	Primary *Server
	Standby *Server // nil after Promote

	options     Options
	synchronous bool
	old         *Server // the primary before, dead; its data goes with the next standby's coming
}

// StartPair starts a primary and a standby, and returns when the standby streams. With synchronous a COMMIT is answered
// when it is on both; otherwise the last ones may be missing on the standby. Stop must be called.
func StartPair(ctx context.Context, options Options, synchronous bool) (*Pair, error) {
	primary, err := StartPostgres(ctx, options)
	if err != nil {
		return nil, err
	}
	p := &Pair{Primary: primary, options: options, synchronous: synchronous}
	if err := p.AddStandby(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start a standby: %w", err), p.Stop())
	}
	return p, nil
}

// AddStandby makes a standby from the primary's data and returns when it streams.
func (p *Pair) AddStandby(ctx context.Context) error {
	if p.old != nil {
		if err := p.old.Stop(); err != nil {
			return err
		}
		p.old = nil
	}
	var err error
	if p.Standby, err = start(ctx, standby{p.Primary.engine.(role).server(), p.Primary}, p.options); err != nil {
		return err
	}
	db, _, err := open(p.Primary.URL())
	if err != nil {
		return err
	}
	defer db.Close()
	if p.synchronous {
		if err := set(ctx, db, "ALTER SYSTEM SET synchronous_standby_names = '*'"); err != nil {
			return err
		}
	}
	state := "streaming"
	if p.synchronous {
		state = "sync"
	}
	return awaitTrue(ctx, db, "SELECT COALESCE(bool_or('"+state+"' IN (state, sync_state)), false) FROM pg_stat_replication")
}

// Promote makes the standby the primary and returns when it takes writes. The old primary is killed first: two that both
// take writes are no failover but a split, which whatever watches over a real pair must prevent as well.
func (p *Pair) Promote(ctx context.Context) error {
	p.Primary.Kill()
	db, _, err := open(p.Standby.URL())
	if err != nil {
		return err
	}
	defer db.Close()
	// Its copy of the setting would make it wait for a standby that it does not have yet.
	if err := set(ctx, db, "ALTER SYSTEM RESET synchronous_standby_names"); err != nil {
		return err
	}
	// Not waited for by the server: the statement that waits may be what the recovery has to cancel before it can end.
	if _, err := db.ExecContext(ctx, "SELECT pg_promote(false)"); err != nil {
		return err
	}
	p.old, p.Primary, p.Standby = p.Primary, p.Standby, nil
	return awaitTrue(ctx, db, "SELECT NOT pg_is_in_recovery()")
}

// Stop ends both and removes their data.
func (p *Pair) Stop() error {
	var errs []error
	for _, s := range []*Server{p.Standby, p.Primary, p.old} {
		if s != nil {
			errs = append(errs, s.Stop())
		}
	}
	return errors.Join(errs...)
}

// set changes a setting of a running server.
func set(ctx context.Context, db *sql.DB, statement string) error {
	if _, err := db.ExecContext(ctx, statement); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, "SELECT pg_reload_conf()")
	return err
}

func awaitTrue(ctx context.Context, db *sql.DB, query string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		var yes bool
		err := db.QueryRowContext(ctx, query).Scan(&yes)
		if err == nil && yes {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", query, errors.Join(ctx.Err(), err))
		}
	}
}

// role is what a server of a pair is: one that began alone, or a standby that may have become the primary since.
type role interface{ server() postgres }

func (p postgres) server() postgres { return p }

// standby is a server whose data is a copy of the primary's.
type standby struct {
	postgres
	primary *Server
}

func (e standby) prepare(_ context.Context, s *Server) error {
	s.password = e.primary.password
	if e.user != nil {
		if err := os.Chown(s.home.dir, int(e.user.Uid), int(e.user.Gid)); err != nil {
			return err
		}
	}
	u, err := url.Parse(e.primary.URL())
	if err != nil {
		return err
	}
	u.Path = "/"
	return run(command{path: filepath.Join(e.bin, "pg_basebackup"), dir: s.home.dir, user: e.user, args: []string{
		"--pgdata=" + e.data(s), "--dbname=" + u.String(), "--checkpoint=fast", "--no-sync", "--write-recovery-conf",
	}}, "")
}
