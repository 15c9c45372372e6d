package dbserver

import "testing"

func TestAPromotedStandbyHasWhatASynchronousPairHasCommittedAndMayBeFollowedAgain(t *testing.T) {
	p, err := StartPair(t.Context(), Options{Fast: true}, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	for round := range 2 {
		db := connect(t, p.Primary.URL())
		must(t, db, "CREATE TABLE IF NOT EXISTS kept (n INT)")
		must(t, db, "INSERT INTO kept VALUES (42)")
		first := p.Primary
		if err := p.Promote(t.Context()); err != nil {
			t.Fatal(err)
		}
		if first.Pid() != 0 || p.Primary == first {
			t.Fatal("the old primary lives on")
		}
		db = connect(t, p.Primary.URL())
		must(t, db, "INSERT INTO kept VALUES (43)")
		var n int
		if err := db.QueryRow("SELECT COUNT(*) FROM kept").Scan(&n); err != nil || n != 2*(round+1) {
			t.Errorf("round %d: %d rows, %v", round, n, err)
		}
		if err := p.AddStandby(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
