package e2e

import (
	"context"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

func (b *big) apiTokenCalls() []call {
	secret := job.NewAPISecret()
	t := job.APIToken{ID: job.NewID(b.now), Hash: secret.Hash(), Name: "t", Scopes: job.Scopes}
	return []call{
		{name: "create a token", do: func(ctx context.Context, s store.Store) error { _, err := s.CreateAPIToken(ctx, t, b.now); return err }},
		{name: "find a token", do: func(ctx context.Context, s store.Store) error { _, err := s.FindAPIToken(ctx, t.Hash); return err }},
		{name: "any token", do: func(ctx context.Context, s store.Store) error { _, err := s.AnyAPIToken(ctx); return err }},
		{name: "use a token", do: func(ctx context.Context, s store.Store) error { return s.UseAPIToken(ctx, t.ID, b.now) }},
		{name: "tokens", do: func(ctx context.Context, s store.Store) error { _, err := s.ListAPITokens(ctx); return err }},
		{name: "revoke a token", do: func(ctx context.Context, s store.Store) error {
			_, err := s.RevokeAPIToken(ctx, t.ID, b.now)
			return err
		}},
	}
}
