package sqlite

import (
	"context"
	"slices"
	"strings"

	"github.com/slotq/slotq/shared/store/sqlstore"
)

// insert runs one prepared statement a row: there is no round trip to save. The driver watches a context that can end with a
// goroutine for each statement, and takes 0.1 µs and more for each parameter: a plain job's row has a quarter of them.
func insert(ctx context.Context, c *sqlstore.Conn, table string, columns []string, rows [][]any, quiet bool) error {
	names, values := columns, strings.Split(strings.Repeat("?", len(columns)), "")
	if table == "slotq_jobs" {
		names, values = withDefaults(names, values)
	}
	text := "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")"
	if quiet {
		text += " ON CONFLICT DO NOTHING"
	}
	unwatched := context.WithoutCancel(ctx)
	for _, row := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := c.Raw(unwatched, text, row); err != nil {
			return err
		}
	}
	return nil
}

// defaults are what the other databases put by themselves into columns of a new job that an INSERT leaves out. Here the INSERT
// says it: to give a column a default SQLite must write the whole table anew, while all processes wait.
var defaults = []struct{ column, literal string }{
	{"priority", "2"}, {"max_attempts", "25"}, {"max_crashes", "5"}, {"timeout_us", "0"}, {"queue_timeout_us", "60000000"},
	{"tags", "x''"}, {"metadata", "x''"}, {"errors", "x''"},
	{"token", "x'00000000000000000000000000000000'"}, {"cancel_at", "0"}, {"attempt", "1"}, {"run", "0"}, {"crashes", "0"}, {"snoozes", "0"},
	{"backoff", "x''"}, {"expires_at", "0"}, {"unique_key", "''"}, {"concurrency_key", "''"}, {"concurrency_limit", "0"}, {"started_at", "0"},
	{"digest", "x''"}, {"blocked", "0"}, {"key_held", "0"},
}

func withDefaults(names, values []string) ([]string, []string) {
	names = slices.Clone(names)
	for _, d := range defaults {
		if !slices.Contains(names, d.column) {
			names, values = append(names, d.column), append(values, d.literal)
		}
	}
	return names, values
}
