package job

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestASecretIsRefusedWhenACharacterOfItIsWrong(t *testing.T) {
	s := NewAPISecret()
	if wrong := s.Check(); wrong != "" || !strings.HasPrefix(s.Reveal(), "slotq_") || NewAPISecret() == s {
		t.Fatalf("a new secret %s", wrong)
	}
	text := s.Reveal()
	for i := range text {
		if i < len(secretPrefix) {
			continue
		}
		other := byte('A')
		if text[i] == other {
			other = 'B'
		}
		if APISecret(text[:i]+string(other)+text[i+1:]).Check() == "" {
			t.Errorf("character %d may be another", i)
		}
		if APISecret(text[:i]).Check() == "" {
			t.Errorf("it may end after %d characters", i)
		}
	}
	if wrong := APISecret(strings.Repeat("0aF", 20)).Check(); wrong != "" {
		t.Errorf("one of another tool %s", wrong)
	}
	for _, bad := range []APISecret{"", "short", APISecret(strings.Repeat("x", 256)), APISecret(strings.Repeat("x", 40) + " "), APISecret(strings.Repeat("x", 40) + "\x00")} {
		if bad.Check() == "" {
			t.Errorf("%q is taken", bad.Reveal())
		}
	}
}

func TestASecretDoesNotShow(t *testing.T) {
	s := NewAPISecret()
	b, err := json.Marshal(map[string]any{"a": s})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("a", "secret", s)
	for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, struct{ S APISecret }{s}, s, s, s), string(b), log.String()} {
		if strings.Contains(shown, s.Reveal()[len(secretPrefix):]) {
			t.Errorf("it shows in %s", shown)
		}
	}
}

func TestScopesContainWhatTheySay(t *testing.T) {
	contains := map[Scope][]Scope{
		ScopeEnqueue: {ScopeEnqueue}, ScopeRead: {ScopeRead}, ScopeReadPayload: {ScopeRead, ScopeReadPayload},
		ScopeWork: {ScopeWork}, ScopeOperate: {ScopeRead, ScopeOperate}, ScopeAdmin: Scopes,
	}
	for _, has := range Scopes {
		for _, want := range Scopes {
			token := APIToken{Scopes: []Scope{has}}
			should := strings.Contains(fmt.Sprint(contains[has])+" ", string(want)+" ") || strings.Contains(fmt.Sprint(contains[has]), string(want)+"]")
			if token.Can(want) != should {
				t.Errorf("a token for %s may %s: %v", has, want, token.Can(want))
			}
		}
	}
	if (&APIToken{}).Can(ScopeRead) {
		t.Error("a token without scopes may read")
	}
}

func TestPatternsMatchNamesAndTheirBeginnings(t *testing.T) {
	for _, c := range []struct {
		patterns, name string
		want           bool
	}{
		{"", "any", true}, {"*", "any", true}, {"mail", "mail", true}, {"mail", "mail.send", false}, {"mail", "Mail", false},
		{"mail.*", "mail.send", true}, {"mail.*", "mail.", true}, {"mail.*", "mail", false}, {"a b*", "bc", true}, {"a b*", "ab", false},
	} {
		if got := MatchQueue(strings.Fields(c.patterns), c.name); got != c.want {
			t.Errorf("%q matches %q: %v", c.patterns, c.name, got)
		}
	}
}

func TestWhatIsWrongWithATokenIsToldByField(t *testing.T) {
	now := MinTime
	good := APIToken{Name: "ci", Scopes: []Scope{ScopeRead}, Queues: []string{"mail", "news.*", "*"}, ExpiresAt: now + 1}
	if bad := good.Check(now); bad != nil {
		t.Fatal(bad)
	}
	for pointer, change := range map[string]func(*APIToken){
		"/name":       func(t *APIToken) { t.Name = "" },
		"/scopes":     func(t *APIToken) { t.Scopes = []Scope{"root"} },
		"/queues":     func(t *APIToken) { t.Queues = []string{"a*b"} },
		"/expires_at": func(t *APIToken) { t.ExpiresAt = now },
	} {
		wrong := good
		change(&wrong)
		if bad := wrong.Check(now); len(bad) != 1 || bad[0].Pointer != pointer {
			t.Errorf("%s: %v", pointer, bad)
		}
	}
	if bad := (&APIToken{Name: "ci"}).Check(now); len(bad) != 1 || bad[0].Pointer != "/scopes" {
		t.Errorf("no scope: %v", bad)
	}
}
