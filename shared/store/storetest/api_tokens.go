package storetest

import (
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// token makes a token, not stored yet.
func (f *fixture) token(name string, set ...func(*job.APIToken)) job.APIToken {
	t := job.APIToken{ID: job.NewID(f.now), Hash: job.NewAPISecret().Hash(), Name: name, Scopes: []job.Scope{job.ScopeRead}}
	for _, s := range set {
		s(&t)
	}
	return t
}

// addToken stores one.
func (f *fixture) addToken(name string, set ...func(*job.APIToken)) job.APIToken {
	f.Helper()
	t, err := f.store.CreateAPIToken(f.ctx, f.token(name, set...), f.now)
	f.ok(err)
	return t
}

func (f *fixture) tokens() []job.APIToken {
	f.Helper()
	all, err := f.again().ListAPITokens(f.ctx)
	f.ok(err)
	return all
}

var apiTokensTests = []Test{
	{"a token is found by its hash with all it was made with", 0, func(f *fixture) {
		want := f.token("Web ü", func(t *job.APIToken) {
			t.Scopes = []job.Scope{job.ScopeEnqueue, job.ScopeReadPayload}
			t.Queues = []string{"mail", "news.*"}
			t.ExpiresAt = f.now.Add(time.Hour)
		})
		made, err := f.store.CreateAPIToken(f.ctx, want, f.now)
		f.ok(err)
		want.CreatedAt = f.now
		equal(f, "made", fmt.Sprint(made), fmt.Sprint(want))
		f.addToken("another")
		got, err := f.again().FindAPIToken(f.ctx, want.Hash)
		f.ok(err)
		equal(f, "found", fmt.Sprint(got), fmt.Sprint(want))
		_, err = f.store.FindAPIToken(f.ctx, job.NewAPISecret().Hash())
		f.is(err, job.ErrNotFound)
	}},
	{"tokens are listed in the order in which they were made", 0, func(f *fixture) {
		equal(f, "tokens", len(f.tokens()), 0)
		for _, name := range []string{"b", "a", "a"} {
			f.addToken(name)
			f.tick(time.Second)
		}
		var names string
		for _, t := range f.tokens() {
			names += t.Name
			equal(f, "queues", len(t.Queues), 0)
		}
		equal(f, "names", names, "baa")
	}},
	{"a revoked token stays, and says when it was revoked first", 0, func(f *fixture) {
		t := f.addToken("t")
		f.tick(time.Minute)
		revoked := f.now
		got, err := f.store.RevokeAPIToken(f.ctx, t.ID, f.now)
		f.ok(err)
		t.RevokedAt = revoked
		equal(f, "revoked", fmt.Sprint(got), fmt.Sprint(t))
		f.tick(time.Minute)
		got, err = f.store.RevokeAPIToken(f.ctx, t.ID, f.now)
		f.ok(err)
		equal(f, "revoked again", got.RevokedAt, revoked)
		got, err = f.again().FindAPIToken(f.ctx, t.Hash)
		f.ok(err)
		equal(f, "found", fmt.Sprint(got), fmt.Sprint(t))
		_, err = f.store.RevokeAPIToken(f.ctx, job.NewID(f.now), f.now)
		f.is(err, job.ErrNotFound)
	}},
	{"a secret that is stored again is the token that is there, revoked or not", 0, func(f *fixture) {
		first := f.addToken("first")
		again := f.token("again", func(t *job.APIToken) { t.Hash, t.Scopes = first.Hash, []job.Scope{job.ScopeAdmin} })
		got, err := f.store.CreateAPIToken(f.ctx, again, f.now.Add(time.Hour))
		f.ok(err)
		equal(f, "token", fmt.Sprint(got), fmt.Sprint(first))
		_, err = f.store.RevokeAPIToken(f.ctx, first.ID, f.now)
		f.ok(err)
		got, err = f.store.CreateAPIToken(f.ctx, again, f.now)
		f.ok(err)
		equal(f, "revoked", got.RevokedAt, f.now)
		equal(f, "tokens", len(f.tokens()), 1)
	}},
	{"one secret from 8 at once is one token", 0, func(f *fixture) {
		other, secret := f.again(), job.NewAPISecret()
		ids := make([]job.ID, claimers)
		f.together(claimers, func(i int) error {
			s := f.store
			if i%2 == 1 {
				s = other
			}
			t, err := s.CreateAPIToken(f.ctx, f.token("bootstrap", func(t *job.APIToken) { t.Hash = secret.Hash() }), f.now)
			ids[i] = t.ID
			return err
		})
		for _, id := range ids {
			equal(f, "id", id, ids[0])
		}
		equal(f, "tokens", len(f.tokens()), 1)
	}},
	{"once there was a token there always is, whatever becomes of it", 0, func(f *fixture) {
		there := func(want bool) {
			f.Helper()
			any, err := f.store.AnyAPIToken(f.ctx)
			f.ok(err)
			equal(f, "any", any, want)
		}
		there(false)
		old := f.addToken("old", func(t *job.APIToken) { t.ExpiresAt = f.now.Add(time.Hour) })
		there(true)
		_, err := f.store.RevokeAPIToken(f.ctx, old.ID, f.now)
		f.ok(err)
		f.tick(10 * 365 * 24 * time.Hour)
		_, err = f.store.Prune(f.ctx, 1000, f.now)
		f.ok(err)
		there(true)
		// A row that itself looks long expired must not sweep the table empty.
		f.addToken("late", func(t *job.APIToken) { t.ExpiresAt = old.ExpiresAt })
		there(true)
	}},
	{"tombstones go when a token is made 90 days later, live tokens stay", 0, func(f *fixture) {
		live, revoked := f.addToken("live"), f.addToken("revoked")
		f.addToken("expires", func(t *job.APIToken) { t.ExpiresAt = f.now.Add(time.Hour) })
		_, err := f.store.RevokeAPIToken(f.ctx, revoked.ID, f.now)
		f.ok(err)
		f.tick(job.KeepTombstones - time.Minute)
		second := f.addToken("second")
		equal(f, "tokens before", len(f.tokens()), 4)
		f.tick(2 * time.Hour)
		third := f.addToken("third")
		var got []job.ID
		for _, t := range f.tokens() {
			got = append(got, t.ID)
		}
		equal(f, "tokens", fmt.Sprint(got), fmt.Sprint([]job.ID{live.ID, second.ID, third.ID}))
	}},
	{"the time of the last use only grows", 0, func(f *fixture) {
		t := f.addToken("used")
		for _, d := range []time.Duration{time.Hour, time.Minute} {
			f.ok(f.store.UseAPIToken(f.ctx, t.ID, f.now.Add(d)))
			equal(f, "used_at", f.tokens()[0].UsedAt, f.now.Add(time.Hour))
		}
		f.ok(f.store.UseAPIToken(f.ctx, job.NewID(f.now), f.now))
	}},
	{"no more than 1,000 tokens, and one that is there is still found", 0, func(f *fixture) {
		first := f.addToken("first")
		tx, err := f.db.raw.Begin()
		f.ok(err)
		for range job.MaxAPITokens - 1 {
			id, hash := job.NewID(f.now), job.NewAPISecret().Hash()
			values := fmt.Sprintf("X'%x', X'%x'", id[:], hash)
			if f.db.scheme() == "postgres" {
				values = fmt.Sprintf("'%s'::uuid, decode('%x', 'hex')", id, hash)
			}
			_, err := tx.Exec("INSERT INTO slotq_api_tokens (id, hash, name, scopes, queues, created_at, used_at, expires_at, revoked_at) SELECT " + values +
				", 'many', scopes, queues, created_at, used_at, expires_at, revoked_at FROM slotq_api_tokens WHERE name = 'first'")
			f.ok(err)
		}
		f.ok(tx.Commit())
		_, err = f.store.CreateAPIToken(f.ctx, f.token("one too many"), f.now)
		f.is(err, job.ErrLimit)
		_, err = f.store.CreateAPIToken(f.ctx, f.token("again", func(t *job.APIToken) { t.Hash = first.Hash }), f.now)
		f.ok(err)
		equal(f, "tokens", len(f.tokens()), job.MaxAPITokens)
	}},
}
