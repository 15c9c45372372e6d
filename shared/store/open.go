package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/slotq/slotq/shared/store/mysql"
	"github.com/slotq/slotq/shared/store/postgres"
	"github.com/slotq/slotq/shared/store/sqlite"
	"github.com/slotq/slotq/shared/store/sqlstore"
)

// Options are what an opened store may use. The zero value is the default.
type Options struct {
	Connections int      // the most it opens; 0 = 20. One of them is kept for heartbeats
	Observe     Observer // is told of every operation and retry; for metrics
}

// Observer is told what a store does.
type Observer = sqlstore.Observer

// RetryReasons are all the reasons that an Observer is told for another try.
func RetryReasons() []string { return sqlstore.RetryReasons() }

// Open connects to the database that the URL names: sqlite:PATH, mysql://user:pass@host:3306/db or postgres://….
// It needs the database to answer; the schema is looked at by Schema and Migrate.
func Open(ctx context.Context, url string, o Options) (Store, error) {
	if o.Connections == 0 {
		o.Connections = 20
	}
	open, ok := engines[scheme(url)]
	if !ok {
		return nil, fmt.Errorf("the database URL must begin with sqlite:, mysql:// or postgres://")
	}
	s, err := open(ctx, url, o.Connections)
	if err != nil {
		return nil, err
	}
	s.Observe(o.Observe)
	return s, nil
}

var engines = map[string]func(ctx context.Context, url string, connections int) (*sqlstore.Store, error){
	"sqlite": sqlite.Open, "mysql": mysql.Open, "mariadb": mysql.Open, "postgres": postgres.Open, "postgresql": postgres.Open,
}

func scheme(url string) string {
	s, _, _ := strings.Cut(url, ":")
	return s
}

var _ Store = (*sqlstore.Store)(nil)
