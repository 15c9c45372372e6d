package mysql_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/shared/store/mysql"
	"github.com/slotq/slotq/shared/store/sqlstore"
)

// openOn starts a server of its own with settings that are forced on everybody.
func openOn(t *testing.T, args ...string) *sqlstore.Store {
	t.Helper()
	server, err := dbserver.StartMariaDB(t.Context(), dbserver.Options{Fast: true, Args: args})
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
	return s
}

func TestAHeartbeatIsCommittedWhereTheServerHasAutocommitOffForEverybody(t *testing.T) {
	s := openOn(t, "--autocommit=0")
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

// In gbk the last byte of a character may be a backslash: a text that is quoted for utf8mb4 would end within the payload.
func TestAPayloadStaysAPayloadWhereTheServerForcesAnotherCharacterSet(t *testing.T) {
	s := openOn(t, "--skip-character-set-client-handshake", "--character-set-server=gbk", "--collation-server=gbk_chinese_ci")
	now := job.TimeOf(time.Now())
	q, err := s.EnsureQueue(t.Context(), job.NewQueue("q"), now)
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{`{"a":"中'"}`, `{"a":"中',1,25,0,0,5,0,0,60000000,0x20,0,0x20,0x20,0,0x20,0x20,0x20,0,0,0x20,0,0,0); DELETE FROM slotq_jobs; -- "}`} {
		j := (&job.Spec{Queue: "q", Kind: "work", Payload: []byte(payload)}).Make(q, now)
		if _, err := s.Enqueue(t.Context(), []*job.Job{j}, false); err != nil {
			t.Errorf("%s: %v", payload, err)
			continue
		}
		if got, err := s.Get(t.Context(), j.ID); err != nil || string(got.Payload) != payload {
			t.Errorf("%s is stored as %+v (%v)", payload, got, err)
		}
	}
}
