package postgres_test

import (
	"slices"
	"testing"

	"github.com/slotq/slotq/shared/store/postgres"
	"github.com/slotq/slotq/shared/store/sqlstore"
	"github.com/slotq/slotq/shared/store/storetest"
)

func TestASessionThatSomethingBetweenHasChangedIsNamed(t *testing.T) {
	url := storetest.FreshOn(t, "SLOTQ_TEST_POSTGRES_URL")(t)
	s, err := postgres.Open(t.Context(), url, 2) // one connection, and the heartbeats'
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var e sqlstore.Engine
	s.Wrap(func(opened sqlstore.Engine) sqlstore.Engine {
		if e == nil { // the second is the heartbeats'
			e = opened
		}
		return opened
	})
	_, before, err := s.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"SET default_transaction_isolation = 'serializable'", "SET idle_in_transaction_session_timeout = 0", "SET synchronous_commit = off"} {
		if _, err := e.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	_, after, err := s.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	added := slices.DeleteFunc(storetest.Wrong(after), func(name string) bool { return slices.Contains(storetest.Wrong(before), name) })
	if want := []string{"idle_in_transaction_session_timeout", "synchronous_commit", "transaction_isolation"}; !slices.Equal(added, want) {
		t.Errorf("what was changed is %v, want %v", added, want)
	}
}
