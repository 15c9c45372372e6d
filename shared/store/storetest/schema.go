package storetest

import (
	"fmt"
	"strings"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

var schemaTests = []Test{
	{"4 processes that find the database empty at once all get the newest schema", 0, func(f *fixture) {
		f.fresh()
		handles := make([]store.Store, 4)
		for i := range handles {
			handles[i] = f.again()
		}
		have, want, err := handles[0].Schema(f.ctx)
		f.ok(err)
		if have != 0 || want < 1 {
			f.Fatalf("an empty database has schema %d of %d", have, want)
		}
		f.together(len(handles), func(i int) error { return handles[i].Migrate(f.ctx) })
		for _, s := range handles {
			have, want, err := s.Schema(f.ctx)
			f.ok(err)
			equal(f, "schema", have, want)
		}
		f.store = handles[3]
		q := f.queue("migrated")
		f.add(q)
		f.worker().one(q)
	}},
	{"migrating again changes nothing and keeps what is there", 0, func(f *fixture) {
		f.fresh()
		f.store = f.again()
		f.ok(f.store.Migrate(f.ctx))
		q := f.queue("kept")
		j := f.add(q)
		f.ok(f.store.Migrate(f.ctx))
		f.ok(f.again().Migrate(f.ctx))
		f.waiting(j.ID)
	}},
	{"an older schema is brought up to date, and each migration can be run twice", 0, func(f *fixture) {
		f.fresh()
		f.store = f.again()
		f.ok(f.store.Migrate(f.ctx))
		j := f.add(f.queue("kept"))
		_, err := f.db.raw.Exec(fmt.Sprintf("DELETE FROM %s WHERE version_id > 1", migrationsTable))
		f.ok(err)
		have, want, err := f.store.Schema(f.ctx)
		f.ok(err)
		equal(f, "older schema", have, 1)
		f.ok(f.store.Migrate(f.ctx))
		have, _, err = f.store.Schema(f.ctx)
		f.ok(err)
		equal(f, "schema", have, want)
		f.waiting(j.ID)
	}},
	{"a newer schema is refused and left alone", 0, func(f *fixture) {
		f.fresh()
		f.store = f.again()
		f.ok(f.store.Migrate(f.ctx))
		_, want, err := f.store.Schema(f.ctx)
		f.ok(err)
		_, err = f.db.raw.Exec(fmt.Sprintf("INSERT INTO %s (version_id, is_applied) VALUES (%d, TRUE)", migrationsTable, want+1))
		f.ok(err)
		for _, s := range []store.Store{f.store, f.again()} {
			have, _, err := s.Schema(f.ctx)
			f.ok(err)
			equal(f, "schema", have, want+1)
			f.is(s.Migrate(f.ctx), job.ErrNewerSchema)
		}
	}},
	{"all tables and indexes have names that begin with slotq_", 0, func(f *fixture) {
		query := "SELECT tablename FROM pg_tables WHERE schemaname = 'public' UNION ALL SELECT indexname FROM pg_indexes WHERE schemaname = 'public'"
		switch f.db.scheme() {
		case "sqlite":
			query = "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
		case "mysql", "mariadb":
			query = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
		}
		rows, err := f.db.raw.Query(query)
		f.ok(err)
		defer rows.Close()
		n := 0
		for rows.Next() {
			var name string
			f.ok(rows.Scan(&name))
			if !strings.HasPrefix(name, "slotq_") {
				f.Errorf("%q does not begin with slotq_: it could be another application's", name)
			}
			n++
		}
		f.ok(rows.Err())
		if n < 5 {
			f.Fatalf("only %d names were found", n)
		}
	}},
}

// fresh gives the test a database of its own that nobody has migrated.
func (f *fixture) fresh() {
	f.Helper()
	url := f.db.engine.Fresh(f)
	f.db = &database{engine: f.db.engine, url: url, raw: openRaw(f, url)}
}
