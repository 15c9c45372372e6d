package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/slotq/slotq/shared/store/mysql"
	"github.com/slotq/slotq/shared/store/postgres"
	"github.com/slotq/slotq/shared/store/sqlite"
)

// Options are what an opened store may use. The zero value is the default.
type Options struct {
	Connections int // the most it opens; 0 = 20. Two of them are kept for heartbeats and reads
}

// Open connects to the database that the URL names: sqlite:PATH, mysql://user:pass@host:3306/db or postgres://….
// It needs the database to answer; the schema is looked at by Schema and Migrate.
func Open(ctx context.Context, url string, o Options) (Store, error) {
	if o.Connections == 0 {
		o.Connections = 20
	}
	switch scheme, _, _ := strings.Cut(url, ":"); scheme {
	case "sqlite":
		return sqlite.Open(ctx, url, o.Connections)
	case "mysql", "mariadb":
		return mysql.Open(ctx, url, o.Connections)
	case "postgres", "postgresql":
		return postgres.Open(ctx, url, o.Connections)
	}
	return nil, fmt.Errorf("the database URL must begin with sqlite:, mysql:// or postgres://")
}
