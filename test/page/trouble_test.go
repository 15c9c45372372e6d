package page

import (
	"testing"

	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// noAnswer is what a browser says of an api that is gone, or has no database.
var noAnswer = []string{"net::ERR_", "503", "500"}

func TestAnAPIThatIsGoneIsToldAndNotTakenForAnEmptySystem(t *testing.T) {
	t.Parallel()
	s := setUp(t, 1)
	s.enqueue(wire.NewJob{Queue: "mail"}, orders{})
	b := newTab(t, s.API, noAnswer...)
	b.open("/")
	b.shows("#q-mail", "mail")
	s.api.Kill()
	b.shows("#lost", "The api does not answer. What you see is from")
	b.shows("#q-mail", "mail") // what was seen stays
	b.until("it is dimmed", `document.querySelector("main.lost")`)
	b.shot("api-gone")
	s.StartAPI()
	b.until("it is back by itself", `document.getElementById("lost").hidden && !document.querySelector("main.lost")`)
}

func TestADatabaseThatIsGoneIsToldAndNotTakenForAnEmptySystem(t *testing.T) {
	t.Parallel()
	if _, err := dbserver.FindMariaDB(); err != nil {
		system.Absent(t, err.Error())
	}
	server, err := dbserver.StartMariaDB(t.Context(), dbserver.Options{Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := setUpOn(t, system.Database{Name: "mariadb", URL: server.URL()}, 0)
	s.enqueue(wire.NewJob{Queue: "mail"}, orders{})
	b := newTab(t, s.API, noAnswer...)
	b.open("/")
	b.shows("#q-mail", "1 available")
	server.Kill()
	b.shows("#lost", "What you see is from")
	b.shows("#q-mail", "1 available")
	for _, path := range []string{"/jobs", "/queues", "/workers"} {
		b.open(path)
		b.shows("main .problem", "The database does not answer in time.")
		if value[bool](b, `Boolean(document.querySelector("main table, main .empty"))`) {
			t.Errorf("%s shows something besides", path)
		}
	}
	b.shot("database-gone")
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.until("the page comes by itself", `document.querySelector("main h1")?.innerText === "Workers"`)
	b.open("/")
	b.shows("#q-mail", "1 available")
}
