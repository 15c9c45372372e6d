package mysql_test

import (
	"errors"
	"os"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/shared/store/mysql"
)

func TestAHeartbeatIsCommittedWhereTheServerHasAutocommitOffForEverybody(t *testing.T) {
	server, err := dbserver.StartMariaDB(t.Context(), dbserver.Options{Fast: true, Args: []string{"--autocommit=0"}})
	if errors.Is(err, dbserver.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	s, err := mysql.Open(t.Context(), server.URL(), 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := job.Worker{ID: job.NewWorkerID(), Name: "host-1"}
	if err := s.Register(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Beat(t.Context(), w.ID, nil); err != nil {
		t.Fatal(err)
	}
	seen, err := s.Workers(t.Context())
	if err != nil || len(seen) != 1 || seen[0].Beat != 1 {
		t.Errorf("others see %+v, %v; want beat 1", seen, err)
	}
}
