package command

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

type tokensCommand struct {
	List   tokensList   `cmd:"" default:"1" help:"List the tokens of the api, revoked ones too; secrets are never shown again."`
	Create tokensCreate `cmd:"" help:"Make a token and show its secret, once. The first one closes the api to all who have none."`
	Revoke tokensRevoke `cmd:"" help:"End a token: within seconds no api takes it any more."`
}

type tokensList struct{}

func (*tokensList) execute(c *call) error {
	tokens, err := c.store.ListAPITokens(c.ctx)
	if err != nil {
		return err
	}
	list := wire.APITokenList{Tokens: []wire.APIToken{}}
	for _, t := range tokens {
		list.Tokens = append(list.Tokens, wire.APITokenOf(t, c.now))
	}
	return c.print(list, func(t *table) {
		if len(tokens) == 0 {
			t.line("no tokens: an api on loopback is open to every program of its machine")
			return
		}
		t.row("ID", "NAME", "STATE", "SCOPES", "QUEUES", "CREATED", "USED", "EXPIRES")
		for i, shown := range list.Tokens {
			t.row(shown.ID, shown.Name, shown.State, scopes(shown.Scopes), all(shown.Queues),
				c.ago(tokens[i].CreatedAt), c.ago(tokens[i].UsedAt), c.ago(tokens[i].ExpiresAt))
		}
	})
}

type tokensCreate struct {
	Name    string        `arg:"" help:"Who it is for, such as web-shop."`
	Scopes  []string      `name:"scope" required:"" placeholder:"SCOPE" help:"What it is for: enqueue, read, read-payload (and read), work, operate (and read), admin (all); several with commas."`
	Queues  []string      `name:"queue" placeholder:"QUEUE" help:"For these queues alone: names, or beginnings with a star such as mail.*; several with commas. Default: all."`
	Expires time.Duration `help:"How long it is valid, such as 720h; default: until it is revoked."`
}

func (n *tokensCreate) execute(c *call) error {
	secret := job.NewAPISecret()
	t := job.APIToken{ID: job.NewID(c.now), Hash: secret.Hash(), Name: n.Name, Queues: n.Queues}
	for _, s := range n.Scopes {
		t.Scopes = append(t.Scopes, job.Scope(s))
	}
	if n.Expires != 0 {
		t.ExpiresAt = c.now.Add(n.Expires)
	}
	if bad := t.Check(c.now); len(bad) > 0 {
		return usage("%s", tokenFlags.Replace(bad.Error()))
	}
	t, err := c.store.CreateAPIToken(c.ctx, t, c.now)
	if errors.Is(err, job.ErrLimit) {
		return fmt.Errorf("there are %d tokens; revoked ones are forgotten after 90 days, and one token can serve several programs: %w", job.MaxAPITokens, err)
	}
	if err != nil {
		return err
	}
	return c.print(wire.NewAPIToken{APIToken: wire.APITokenOf(t, c.now), Secret: secret.Reveal()}, func(table *table) {
		table.row("id", t.ID)
		table.row("name", t.Name)
		table.row("scopes", scopes(t.Scopes))
		table.row("queues", all(t.Queues))
		table.row("secret", secret.Reveal())
		table.line("The secret is not shown again. Clients send it as `Authorization: Bearer slotq_…`.")
	})
}

// tokenFlags turns pointers of the domain into what was typed.
var tokenFlags = strings.NewReplacer("/name", "NAME", "/scopes", "--scope", "/queues", "--queue", "/expires_at", "--expires")

type tokensRevoke struct {
	ID string `arg:"" help:"The token's id, as manager tokens shows it."`
}

func (r *tokensRevoke) execute(c *call) error {
	id, err := job.ParseID(r.ID)
	if err != nil {
		return usage("%q is no token's id: `manager tokens` shows them. A secret does not belong on a command line", r.shown())
	}
	t, err := c.store.RevokeAPIToken(c.ctx, id, c.now)
	if errors.Is(err, job.ErrNotFound) {
		return fmt.Errorf("there is no token %s; `manager tokens` lists them: %w", id, err)
	}
	if err != nil {
		return err
	}
	return c.print(wire.APITokenOf(t, c.now), func(table *table) {
		table.line("revoked", t.Name+":", "within seconds no api takes it any more")
	})
}

// shown is what was typed, unless it may be a secret.
func (r *tokensRevoke) shown() string {
	if s := job.APISecret(r.ID); s.Check() == "" || strings.HasPrefix(r.ID, "slotq_") {
		return s.String()
	}
	return r.ID
}

func scopes(list []job.Scope) string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}
