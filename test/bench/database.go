package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/store/dbserver"
)

// database is one under measurement.
type database struct {
	name string
	url  string
	pid  int // of the server; 0 = embedded, or one for each contestant (Redis)
}

// start starts the server of a database. Redis is started for each contestant, since its settings differ.
func startDatabase(ctx context.Context, name string) (db database, stop func() error, err error) {
	var start func(context.Context, dbserver.Options) (*dbserver.Server, error)
	switch name {
	case "sqlite", "redis":
		return database{name: name}, func() error { return nil }, nil
	case "mariadb":
		start = dbserver.StartMariaDB
	case "postgres":
		start = dbserver.StartPostgres
	default:
		return db, nil, fmt.Errorf("no database %q", name)
	}
	server, err := start(ctx, dbserver.Options{})
	if err != nil {
		return db, nil, err
	}
	return database{name: name, url: server.URL(), pid: server.Pid()}, server.Stop, nil
}

// fresh is an empty database on the same server, so that nothing is measured with what another has left.
func (db database) fresh(ctx context.Context, dir string) (fresh database, drop func(), err error) {
	switch db.name {
	case "redis":
		return db, func() {}, nil
	case "sqlite":
		home, err := os.MkdirTemp(dir, "sqlite-")
		db.url = "sqlite:" + filepath.Join(home, "bench.db")
		return db, func() { os.RemoveAll(home) }, err
	}
	db.url, drop, err = dbserver.Fresh(ctx, db.url)
	return db, drop, err
}

// open opens and migrates a store.
func (db database) open(ctx context.Context) (store.Store, error) {
	s, err := store.Open(ctx, db.url, store.Options{})
	if err != nil {
		return nil, err
	}
	return s, s.Migrate(ctx)
}

// analyze gives the planner of PostgreSQL the statistics that it would collect by itself within a minute of a queue's
// filling: all queues on it are measured with them.
func (db database) analyze(ctx context.Context) error {
	if db.name != "postgres" {
		return nil
	}
	d, err := dbserver.Open(db.url)
	if err != nil {
		return err
	}
	defer d.Close()
	_, err = d.ExecContext(ctx, "ANALYZE")
	return err
}

// version asks the server.
func (db database) version(ctx context.Context) (v string, err error) {
	if db.pid == 0 {
		return "", nil
	}
	d, err := dbserver.Open(db.url)
	if err != nil {
		return "", err
	}
	defer d.Close()
	err = d.QueryRowContext(ctx, "SELECT version()").Scan(&v)
	return db.name + " " + v, err
}
