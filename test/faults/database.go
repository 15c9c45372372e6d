package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
)

// Databases by name.
const (
	sqlite   = "sqlite"
	mariadb  = "mariadb"
	postgres = "postgres"
)

var (
	everywhere = []string{sqlite, mariadb, postgres}
	servers    = []string{mariadb, postgres} // those that are processes of their own
)

// database is an empty database of one row.
type database struct {
	name   string
	url    string
	server *dbserver.Server // nil = embedded
	disk   string           // a directory on the disk of its own that it lies on; "" = none
}

// lab holds one durable server of each kind for all rows that need nothing special.
type lab struct {
	slack   time.Duration // see stage
	mu      sync.Mutex
	servers map[string]*dbserver.Server
}

// startServer starts a server as durable as in production; only what a row asks for differs.
func startServer(ctx context.Context, name string, o dbserver.Options) (*dbserver.Server, error) {
	if name == mariadb {
		return dbserver.StartMariaDB(ctx, o)
	}
	return dbserver.StartPostgres(ctx, o)
}

// fresh makes an empty database on the lab's server, or on one of the row's own when the row has settings for it.
func (l *lab) fresh(ctx context.Context, s *stage, name string, own *dbserver.Options) (database, error) {
	if name == sqlite {
		dir := s.TempDir()
		if own != nil && own.Dir != "" {
			dir = own.Dir
		}
		return database{name: name, url: "sqlite:" + filepath.Join(dir, "slotq.db"), disk: dir}, nil
	}
	if own != nil {
		server, err := startServer(ctx, name, *own)
		if err != nil {
			return database{}, err
		}
		s.Cleanup(func() { _ = server.Stop() })
		return database{name, server.URL(), server, own.Dir}, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	server := l.servers[name]
	if server == nil {
		var err error
		if server, err = startServer(ctx, name, dbserver.Options{}); err != nil {
			return database{}, err
		}
		l.servers[name] = server
	}
	url, drop, err := dbserver.Fresh(ctx, server.URL())
	if err != nil {
		return database{}, fmt.Errorf("an empty database on %s: %w", name, err)
	}
	s.Cleanup(drop)
	return database{name, url, server, ""}, nil
}

// close stops the servers.
func (l *lab) close() error {
	var faults []error
	for _, server := range l.servers {
		faults = append(faults, server.Stop())
	}
	return errors.Join(faults...)
}
