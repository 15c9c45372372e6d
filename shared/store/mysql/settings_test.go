package mysql_test

import (
	"slices"
	"testing"

	"github.com/slotq/slotq/shared/store/mysql"
	"github.com/slotq/slotq/shared/store/sqlstore"
	"github.com/slotq/slotq/shared/store/storetest"
)

func TestASessionThatSomethingBetweenHasChangedIsNamed(t *testing.T) {
	url := storetest.FreshOn(t, "SLOTQ_TEST_MYSQL_URL")(t)
	s, err := mysql.Open(t.Context(), url, 2) // one connection, and the heartbeats'
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
	for _, statement := range []string{"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SET SESSION sql_mode = ''", "SET SESSION autocommit = 0"} {
		if _, err := e.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	_, after, err := s.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	added := slices.DeleteFunc(storetest.Wrong(after), func(name string) bool { return slices.Contains(storetest.Wrong(before), name) })
	if len(added) != 3 || added[0] != "autocommit" || added[1] != "sql_mode" || added[2] != "transaction_isolation" && added[2] != "tx_isolation" {
		t.Errorf("what was changed is %v, want autocommit, sql_mode and the isolation level", added)
	}
}
