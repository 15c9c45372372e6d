package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// CreateAPIToken implements store.APITokens.
func (s *Store) CreateAPIToken(_ context.Context, t job.APIToken, now job.Time) (job.APIToken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if there := s.apiToken(func(o *job.APIToken) bool { return bytes.Equal(o.Hash, t.Hash) }); there != nil {
		return *there, nil
	}
	old := now.Add(-job.KeepTombstones)
	kept := slices.DeleteFunc(slices.Clone(s.apiTokens), func(o *job.APIToken) bool {
		return o.RevokedAt > 0 && o.RevokedAt < old || o.ExpiresAt > 0 && o.ExpiresAt < old
	})
	if len(kept) >= job.MaxAPITokens {
		return job.APIToken{}, job.ErrLimit
	}
	t.CreatedAt, t.UsedAt, t.RevokedAt = now, 0, 0
	s.apiTokens = append(kept, &t)
	return t, nil
}

func (s *Store) apiToken(is func(*job.APIToken) bool) *job.APIToken {
	if i := slices.IndexFunc(s.apiTokens, is); i >= 0 {
		return s.apiTokens[i]
	}
	return nil
}

// ListAPITokens implements store.APITokens.
func (s *Store) ListAPITokens(context.Context) (all []job.APIToken, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.apiTokens {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b job.APIToken) int { return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), a.ID.Compare(b.ID)) })
	return all, nil
}

// FindAPIToken implements store.APITokens.
func (s *Store) FindAPIToken(_ context.Context, hash []byte) (job.APIToken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.apiToken(func(t *job.APIToken) bool { return bytes.Equal(t.Hash, hash) }); t != nil {
		return *t, nil
	}
	return job.APIToken{}, job.ErrNotFound
}

// AnyAPIToken implements store.APITokens.
func (s *Store) AnyAPIToken(context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.apiTokens) > 0, nil
}

// UseAPIToken implements store.APITokens.
func (s *Store) UseAPIToken(_ context.Context, id job.ID, now job.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.apiToken(func(t *job.APIToken) bool { return t.ID == id }); t != nil {
		t.UsedAt = max(t.UsedAt, now)
	}
	return nil
}

// RevokeAPIToken implements store.APITokens.
func (s *Store) RevokeAPIToken(_ context.Context, id job.ID, now job.Time) (job.APIToken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.apiToken(func(t *job.APIToken) bool { return t.ID == id })
	if t == nil {
		return job.APIToken{}, job.ErrNotFound
	}
	if t.RevokedAt == 0 {
		t.RevokedAt = now
	}
	return *t, nil
}
