package examples

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// inSQL is what differs between the databases: the example, and the application's own table.
var inSQL = map[string]struct{ file, orders string }{
	"sqlite":   {"sqlite.sql", "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL)"},
	"mariadb":  {"mysql.sql", "CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, customer VARCHAR(255) NOT NULL)"},
	"postgres": {"postgres.sql", "CREATE TABLE orders (id SERIAL PRIMARY KEY, customer TEXT NOT NULL)"},
}

// TestAJobOfAnApplicationsOwnTransactionLivesAndDiesWithIt runs the SQL example as it is, and with a rollback at its end.
func TestAJobOfAnApplicationsOwnTransactionLivesAndDiesWithIt(t *testing.T) {
	system.EachDatabase(t, func(t *testing.T, db system.Database) {
		t.Parallel()
		s := start(t, db, "handlers: {mail.send: {exec: [cat]}, warm.up: {exec: [\"true\"]}}")
		app := system.OpenRaw(t, db.URL)
		if _, err := app.ExecContext(t.Context(), inSQL[db.Name].orders); err != nil {
			t.Fatal(err)
		}
		example := read(t, "docs/examples/sql/"+inSQL[db.Name].file)

		if n := execute(t, app, example); n != 0 {
			t.Errorf("without the queue the INSERT stored %d rows, and the example says that it stores none", n)
		}
		count(t, app, "orders", 1)
		// A worker knows a queue within three seconds from its first job; what is measured here comes after that.
		made, err := s.Client.Enqueue(t.Context(), wire.NewJob{Queue: "mail", Kind: "warm.up"})
		if err != nil {
			t.Fatal(err)
		}
		ended(t, s, made.ID.String())

		if n := execute(t, app, replaced(t, example, "COMMIT;", "ROLLBACK;")); n != 1 {
			t.Errorf("the INSERT stored %d rows, want 1", n)
		}
		count(t, app, "orders", 1)
		count(t, app, "slotq_jobs", 0)

		const orders = 5
		var longest time.Duration
		for i := range orders {
			if n := execute(t, app, example); n != 1 {
				t.Fatalf("the INSERT stored %d rows, want 1", n)
			}
			// Nobody nudges the worker for it: only the poll, a second apart by default, can have found it.
			longest = max(longest, awaitRun(t, s, i+1))
		}
		t.Logf("the longest wait from the INSERT to the start of the run: %s", longest)
		count(t, app, "orders", 1+orders)
		seen := map[string]bool{}
		for _, j := range completed(t, s) {
			j, err := s.Client.Get(t.Context(), j.ID)
			if err != nil {
				t.Fatal(err)
			}
			seen[string(j.Output)] = true
		}
		if len(seen) != orders {
			t.Errorf("the jobs saw the orders %v, want %d different ones", seen, orders)
		}
	})
}

// execute runs a script statement by statement on one connection and returns how many jobs it stored.
func execute(t *testing.T, db *sql.DB, script string) (stored int64) {
	t.Helper()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for statement := range strings.SplitSeq(script, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		result, err := c.ExecContext(t.Context(), statement)
		if err != nil {
			t.Fatalf("%v in\n%s", err, statement)
		}
		if strings.Contains(statement, "INTO slotq_jobs") {
			if stored, err = result.RowsAffected(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return stored
}

func count(t *testing.T, db *sql.DB, table string, want int) {
	t.Helper()
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil || n != want {
		t.Errorf("%s has %d rows, %v; want %d", table, n, err, want)
	}
}

// completed are the jobs of the example that have ended so.
func completed(t *testing.T, s *system.System) (jobs []wire.Job) {
	t.Helper()
	for j, err := range s.Client.List(t.Context(), wire.JobFilter{Kind: "mail.send", States: []job.State{job.Completed}}) {
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	return jobs
}

// awaitRun waits until n jobs have completed and returns how long the one that waited longest waited.
func awaitRun(t *testing.T, s *system.System, n int) (longest time.Duration) {
	t.Helper()
	err := system.Await(t.Context(), patience, func() error {
		jobs := completed(t, s)
		if len(jobs) != n {
			return fmt.Errorf("%d jobs have completed, want %d", len(jobs), n)
		}
		for _, j := range jobs {
			longest = max(longest, j.StartedAt.Sub(j.CreatedAt))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return longest
}
