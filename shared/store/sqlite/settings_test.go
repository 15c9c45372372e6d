package sqlite

import (
	"path/filepath"
	"testing"
)

func TestAConnectionThatDoesNotWaitForTheDiskIsNamed(t *testing.T) {
	s, e := engine(t, filepath.Join(t.TempDir(), "slotq.db"))
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
