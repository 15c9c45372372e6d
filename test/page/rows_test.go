package page

import (
	"database/sql"
	"testing"
)

type rows = *sql.DB

// read goes through what a statement finds.
func read(t *testing.T, raw rows, query string, each func(scan func(...any) error) error) {
	t.Helper()
	found, err := raw.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		if err := each(found.Scan); err != nil {
			t.Fatal(err)
		}
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
}
