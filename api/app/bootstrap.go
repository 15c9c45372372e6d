package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/service"
	"github.com/slotq/slotq/shared/store"
)

// bootstrapName is what `manager tokens` calls the token of the file.
const bootstrapName = "bootstrap"

// bootstrap makes sure that the secret in a file is a token: for a deployment whose api must be closed from its first
// moment on, and whose programs read the same file. It has all scopes and all queues, so that it can do what an operator
// can; programs should get smaller ones. A token that was revoked is not brought back.
func bootstrap(ctx context.Context, s store.Store, path string, now job.Time, log *slog.Logger) error {
	if path == "" {
		return nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--bootstrap-token-file: %w", err)
	}
	secret := job.APISecret(strings.TrimSpace(string(content)))
	if wrong := secret.Check(); wrong != "" {
		return &service.UsageError{Err: fmt.Errorf("--bootstrap-token-file: the secret in %s %s; `openssl rand -hex 32` makes a good one", path, wrong)}
	}
	t, err := s.CreateAPIToken(ctx, job.APIToken{ID: job.NewID(now), Hash: secret.Hash(), Name: bootstrapName, Scopes: []job.Scope{job.ScopeAdmin}}, now)
	if err != nil {
		return fmt.Errorf("store the token of --bootstrap-token-file: %w", err)
	}
	if t.RevokedAt != 0 {
		log.Warn("the token of --bootstrap-token-file was revoked, and stays so: put another secret into the file", "id", t.ID)
	}
	return nil
}

// reachable refuses to serve other machines without tokens.
func (c *Config) reachable(ctx context.Context, s store.Store) error {
	if service.IsLoopback(c.Listen) || c.Insecure {
		return nil
	}
	there, err := s.AnyAPIToken(ctx)
	if err != nil || there {
		return err
	}
	return &service.UsageError{Err: errors.New("--listen " + c.Listen + " can be reached from other machines, and there is no token yet: whoever reaches it may run jobs. " +
		"Make one with `manager tokens create NAME --scope=admin` or --bootstrap-token-file, listen on 127.0.0.1, or say --insecure (SLOTQ_INSECURE=true) when the network keeps others out")}
}
