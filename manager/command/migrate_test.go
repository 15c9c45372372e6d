package command

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/store"
)

// halfMade is a database of which another process has made only the first table when it is looked at first.
type halfMade struct {
	store.Store
	looks int
}

func (s *halfMade) Schema(ctx context.Context) (have, want int64, err error) {
	if s.looks++; s.looks == 1 {
		return 0, 0, errors.New("missing zero version migration")
	}
	return s.Store.Schema(ctx)
}

func TestMigrateBesideAProcessThatMakesTheTablesDoesNotFail(t *testing.T) {
	s, err := store.Open(t.Context(), "sqlite:"+t.TempDir()+"/slotq.db", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out bytes.Buffer
	c := &call{ctx: t.Context(), store: &halfMade{Store: s}, out: &out, err: &out, json: true}
	if err := (&migrateCommand{}).execute(c); err != nil || !strings.HasPrefix(out.String(), `{"from_version":0,`) {
		t.Errorf("%v, %s", err, out.String())
	}
}
