package command

import (
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func TestATokenIsMadeShownOnceListedAndRevoked(t *testing.T) {
	b := newBench(t)
	if out := b.ok("tokens"); !strings.Contains(out, "no tokens") {
		t.Errorf("no tokens:\n%s", out)
	}
	made := parse[wire.NewAPIToken](t, b.ok("tokens", "create", "web", "--scope=enqueue,read", "--queue=mail,news.*", "--expires=1h", "--json"))
	secret := job.APISecret(made.Secret)
	stored, err := b.store.FindAPIToken(t.Context(), secret.Hash())
	if err != nil || secret.Check() != "" || stored.ID != made.ID || stored.Name != "web" || !stored.Can(job.ScopeEnqueue) || stored.Can(job.ScopeOperate) ||
		!stored.Sees("news.daily") || stored.Sees("other") || stored.ExpiresAt.Sub(stored.CreatedAt) != time.Hour {
		t.Fatalf("stored %+v, %v", stored, err)
	}
	out := b.ok("tokens", "create", "all", "--scope", "admin")
	if !strings.Contains(out, "slotq_") || !strings.Contains(out, "not shown again") {
		t.Errorf("created:\n%s", out)
	}
	list := b.ok("tokens", "--json")
	tokens := parse[wire.APITokenList](t, list).Tokens
	if len(tokens) != 2 || tokens[0].ID != made.ID || tokens[0].State != wire.TokenValid || tokens[1].Queues != nil {
		t.Errorf("listed %+v", tokens)
	}
	for _, shown := range []string{list, b.ok("tokens")} {
		if strings.Contains(shown, made.Secret) || strings.Contains(shown, "slotq_") {
			t.Errorf("a secret is shown again:\n%s", shown)
		}
	}
	if got := parse[wire.APIToken](t, b.ok("tokens", "revoke", made.ID.String(), "--json")); got.State != wire.TokenRevoked {
		t.Errorf("revoked: %+v", got)
	}
	if out := b.ok("tokens"); !strings.Contains(out, "revoked") || !strings.Contains(out, "web") {
		t.Errorf("the tombstone is not listed:\n%s", out)
	}
}

func TestAWrongTokenIsRefusedByItsFlag(t *testing.T) {
	b := newBench(t)
	b.fails(2, []string{"--scope"}, "tokens", "create", "web")
	b.fails(2, []string{"--scope", "read-payload"}, "tokens", "create", "web", "--scope=root")
	b.fails(2, []string{"--queue", "mail.*"}, "tokens", "create", "web", "--scope=read", "--queue=*.mail")
	b.fails(2, []string{"--expires"}, "tokens", "create", "web", "--scope=read", "--expires=-1h")
	b.fails(2, []string{"NAME"}, "tokens", "create", "", "--scope=read")
	b.fails(1, []string{"no token"}, "tokens", "revoke", job.NewID(b.now).String())
	secret := job.NewAPISecret().Reveal()
	b.fails(2, []string{"manager tokens", "slotq_***"}, "tokens", "revoke", secret)
	if r := call1(t.Context(), b.url, "", "tokens", "revoke", secret); strings.Contains(r.failure.Error()+r.err+r.out, secret) {
		t.Errorf("the secret is repeated: %v", r.failure)
	}
}
