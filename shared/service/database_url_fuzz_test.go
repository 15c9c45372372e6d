package service

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// FuzzDatabaseURL: whatever is given for a URL, a password that is put into it comes out of it as it went in, and shows
// in no form in which the URL or an error about it is printed.
func FuzzDatabaseURL(f *testing.F) {
	for _, raw := range []string{
		"mysql://slotq@127.0.0.1:3306/slotq", "postgres://u:old@h/d?sslmode=disable", "sqlite:/var/lib/slotq.db", "", "mysql://[::1]:3306/d?tls=true",
		"mysql://u:a/b@h/d", "postgres://h:port/d", "mysql://u\x00@h/d", "\xff://h", "host=h password=old", "mysql:///d?socket=/run/mysqld.sock", "//h/d?passw%6frd=x",
	} {
		for _, password := range []string{"hunter2", "a/b@c:d?e#f%zz", "\x00\xff", "", "ü 😀"} {
			f.Add(raw, password)
		}
	}
	f.Fuzz(func(t *testing.T, raw, password string) {
		u := DatabaseURL(raw)
		if _, err := url.Parse(raw); err != nil && errors.Unwrap(u.RedactError(err)) == nil && strings.Contains(raw, "@") {
			t.Fatalf("%q: an error that quotes it is shown as it is: %v", raw, err)
		}
		const mark = "HUNTER2" // in the password, and nowhere else
		if strings.Contains(strings.ToUpper(raw), mark) {
			return
		}
		with, err := u.WithPassword(password + mark)
		if err != nil {
			return
		}
		parsed, err := url.Parse(with.Reveal())
		if err != nil {
			t.Fatalf("%q with a password is %q: %v", raw, with.Reveal(), err)
		}
		before, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := parsed.User.Password(); !ok || got != password+mark || parsed.User.Username() != before.User.Username() {
			t.Fatalf("%q with password %q has %q", raw, password+mark, got)
		}
		if parsed.Host != before.Host || parsed.Path != before.Path || parsed.RawQuery != before.RawQuery {
			t.Fatalf("%q with a password is %q", raw, with.Reveal())
		}
		wrong := fmt.Errorf("open %s with %s: %w", with.Reveal(), password+mark, errors.New("refused"))
		for _, shown := range []string{fmt.Sprint(with), fmt.Sprintf("%#v", with), with.LogValue().String(), with.RedactError(wrong).Error()} {
			if strings.Contains(shown, mark) {
				t.Fatalf("%q with password %q shows as %q", raw, password+mark, shown)
			}
		}
	})
}
