package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestRedactURLHidesThePasswordOnly(t *testing.T) {
	for text, want := range map[string]string{
		"":                                             "",
		"sqlite:data/slotq.db":                         "sqlite:data/slotq.db",
		"sqlite:/a:b@c/slotq.db":                       "sqlite:/a:b@c/slotq.db",
		"mysql://root@127.0.0.1:3306/d":                "mysql://root@127.0.0.1:3306/d",
		"mysql://127.0.0.1:3306/d":                     "mysql://127.0.0.1:3306/d",
		"mysql://root:hunter2@127.0.0.1:3306/d":        "mysql://root:***@127.0.0.1:3306/d",
		"postgres://u:hunter2@h/d?sslmode=disable":     "postgres://u:***@h/d?sslmode=disable",
		"postgres://h/d?user=u&password=hunter2&x=1":   "postgres://h/d?user=u&password=***&x=1",
		"postgres://h/d?p%61ssword=hunter2":            "postgres://h/d?p%61ssword=***",
		"postgres://h/d?password=hunter2@x":            "postgres://h/d?password=***",
		"host=h user=u password=hunter2 dbname=d":      "host=h user=u password=*** dbname=d",
		"host=h password='hunter2 and more' dbname=d":  "host=h password=*** dbname=d",
		"u:hunter2@tcp(127.0.0.1:3306)/d":              "u:***@tcp(127.0.0.1:3306)/d",
		"mysql://u:hunter2/slash@h/d":                  "mysql://u:***@h/d",
		"mysql://u:hunter2@at@h/d":                     "mysql://u:***@h/d",
		"mysql://u:hunter2?question#hash@h/d":          "mysql://u:***@h/d",
		"mysql://u:hunter2%zz@h/d":                     "mysql://u:***@h/d",
		"mysql://u:1234/hunter2@h/d":                   "mysql://u:***@h/d",
		"mysql://u:hunter2 space@h:port/d":             "mysql://u:***@h:port/d",
		"mysql://:hunter2@h/d":                         "mysql://:***@h/d",
		"://:hunter2@h":                                "://:***@h",
		"mysql:u:hunter2@h/d":                          "mysql:***@h/d",
		"mysql://u:x@h/d?tls-key=hunter2&charset=utf8": "mysql://u:***@h/d?tls-key=***&charset=utf8",
	} {
		if got := RedactURL(text); got != want {
			t.Errorf("RedactURL(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestDatabaseURLHidesThePasswordHoweverPrinted(t *testing.T) {
	u := DatabaseURL("mysql://u:hunter2@h/d")
	var log bytes.Buffer
	NewLogger(&log, "info", "json").Info("open", "url", u, "common", Common{DatabaseURL: u})
	encoded, err := json.Marshal(Common{DatabaseURL: u})
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%v %s %q %#v %+v %#v", u, u, u, u, Common{DatabaseURL: u}, Common{DatabaseURL: u}) + log.String() + string(encoded)
	if strings.Contains(text, "hunter2") || !strings.Contains(text, "mysql://u:***@h/d") {
		t.Error(text)
	}
}

func TestRedactErrorHidesThePasswordInEveryFormAndKeepsTheCause(t *testing.T) {
	cause := errors.New("cause")
	u := DatabaseURL("mysql://u:hunt%20er2@h/d")
	for _, err := range []error{
		fmt.Errorf("open %s: %w", u.Reveal(), cause),
		fmt.Errorf("open %q: %w", u.Reveal(), cause),
		fmt.Errorf("password hunt er2 refused: %w", cause),
		fmt.Errorf("password hunt%%20er2 refused: %w", cause),
		&url.Error{Op: "parse", URL: "mysql://u:hunt/er2@h/d", Err: fmt.Errorf(`invalid port ":hunt/er2" after host: %w`, cause)},
	} {
		got := u.RedactError(err)
		if strings.Contains(got.Error(), "er2") || !errors.Is(got, cause) {
			t.Errorf("%q", got)
		}
	}
	if got := u.RedactError(cause); got != cause {
		t.Errorf("an error without a password was changed: %v", got)
	}
	if u.RedactError(nil) != nil {
		t.Error("no error became one")
	}
}

func FuzzRedactURLNeverShowsTheUserinfoPassword(f *testing.F) {
	for _, password := range []string{"hunter2", "a/b", "a@b", "a?b=c", "#", "%zz", ":", "a b"} {
		f.Add("mysql", password)
		f.Add("postgres", password)
	}
	f.Fuzz(func(t *testing.T, scheme, password string) {
		if scheme == "sqlite" || strings.ContainsAny(scheme, ":@?&;= \t\n") {
			return // not a server's URL
		}
		const mark = "HUNTER2" // in the password, and nowhere else
		got := RedactURL(scheme + "://u:" + password + mark + "@h/d")
		if strings.Contains(got, mark) {
			t.Errorf("password %q: %q", password, got)
		}
	})
}
