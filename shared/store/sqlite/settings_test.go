package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/slotq/slotq/shared/store/sqlstore"
)

func TestAConnectionThatDoesNotWaitForTheDiskIsNamed(t *testing.T) {
	s, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "slotq.db"), 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var e *Engine
	s.Wrap(func(opened sqlstore.Engine) sqlstore.Engine { e = opened.(*Engine); return opened })
	wrong := func() (names []string) {
		t.Helper()
		_, settings, err := s.Settings(t.Context())
		if err != nil || len(settings) == 0 {
			t.Fatalf("%d settings, %v", len(settings), err)
		}
		for _, setting := range settings {
			if setting.Wrong != "" {
				names = append(names, setting.Name)
			}
		}
		return names
	}
	if got := wrong(); got != nil {
		t.Errorf("%v are wrong on a fresh file", got)
	}
	c := <-e.turn // the writer's, which Settings has opened
	if _, err := c.conn.ExecContext(t.Context(), "PRAGMA synchronous = NORMAL"); err != nil {
		t.Fatal(err)
	}
	e.turn <- c
	if got := wrong(); len(got) != 1 || got[0] != "synchronous" {
		t.Errorf("with synchronous=NORMAL %v are wrong", got)
	}
	c = <-e.turn
	if _, err := c.conn.ExecContext(t.Context(), "PRAGMA journal_mode = DELETE"); err != nil {
		t.Fatal(err)
	}
	e.turn <- c
	if got := wrong(); len(got) != 2 {
		t.Errorf("with a rollback journal %v are wrong, want journal_mode too", got)
	}
}
