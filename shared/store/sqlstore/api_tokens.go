package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/slotq/slotq/shared/job"
)

const apiTokenQuery = "SELECT id, hash, name, scopes, queues, created_at, used_at, expires_at, revoked_at FROM slotq_api_tokens"

func scanAPIToken(r Rows) (t job.APIToken, err error) {
	var scopes, queues []byte
	if err := r.Scan(&t.ID, &t.Hash, &t.Name, &scopes, &queues, &t.CreatedAt, &t.UsedAt, &t.ExpiresAt, &t.RevokedAt); err != nil {
		return t, err
	}
	if err := json.Unmarshal(scopes, &t.Scopes); err != nil {
		return t, err
	}
	return t, json.Unmarshal(queues, &t.Queues)
}

// oneAPIToken finds a token by its id or hash.
func oneAPIToken(ctx context.Context, q Querier, cond string, arg any) (job.APIToken, error) {
	rows, err := q.Query(ctx, apiTokenQuery+" WHERE "+cond, arg)
	return one(rows, err, scanAPIToken)
}

// CreateAPIToken implements store.APITokens. Old tombstones go in the transaction that adds a row, so that the table is
// never empty again once it had one.
func (s *Store) CreateAPIToken(ctx context.Context, t job.APIToken, now job.Time) (out job.APIToken, err error) {
	scopes, err := json.Marshal(t.Scopes)
	if err != nil {
		return out, err
	}
	queues, err := json.Marshal(t.Queues)
	if err != nil {
		return out, err
	}
	err = s.write(ctx, "create_api_token", func(ctx context.Context, tx Tx, _ bool) error {
		// Quiet: a row of this hash is an earlier try of this call, or another process that was given the same secret.
		err := tx.Insert(ctx, "slotq_api_tokens", []string{"id", "hash", "name", "scopes", "queues", "created_at", "used_at", "expires_at", "revoked_at"},
			[][]any{{t.ID, t.Hash, t.Name, scopes, queues, now, job.Time(0), t.ExpiresAt, job.Time(0)}}, true)
		if err != nil {
			return err
		}
		if out, err = oneAPIToken(ctx, tx, "hash = ?", t.Hash); err != nil {
			if isNotFound(err) {
				return errMoved // another call's row is not visible yet
			}
			return err
		}
		if out.ID != t.ID {
			return errNothing
		}
		old := now.Add(-job.KeepTombstones)
		_, err = tx.Exec(ctx, "DELETE FROM slotq_api_tokens WHERE (revoked_at > 0 AND revoked_at < ? OR expires_at > 0 AND expires_at < ?) AND id <> ?", old, old, t.ID)
		if err != nil {
			return err
		}
		n := 0
		rows, err := tx.Query(ctx, "SELECT COUNT(*) FROM slotq_api_tokens")
		if err = each(rows, err, func(r Rows) error { return r.Scan(&n) }); err != nil {
			return err
		}
		if n > job.MaxAPITokens {
			return job.ErrLimit
		}
		return nil
	})
	return out, err
}

// ListAPITokens implements store.APITokens.
func (s *Store) ListAPITokens(ctx context.Context) (tokens []job.APIToken, err error) {
	err = s.read(ctx, "api_tokens", apiTokenQuery+" ORDER BY created_at, id", nil, func(r Rows) error {
		t, err := scanAPIToken(r)
		tokens = append(tokens, t)
		return err
	})
	return tokens, err
}

// FindAPIToken implements store.APITokens. What the time of the index's search tells about a hash does not help anybody to
// find a secret.
func (s *Store) FindAPIToken(ctx context.Context, hash []byte) (job.APIToken, error) {
	return readOne(ctx, s, "find_api_token", apiTokenQuery+" WHERE hash = ?", []any{hash}, scanAPIToken)
}

// AnyAPIToken implements store.APITokens.
func (s *Store) AnyAPIToken(ctx context.Context) (there bool, err error) {
	err = s.read(ctx, "any_api_token", "SELECT COUNT(*) FROM (SELECT 1 AS one FROM slotq_api_tokens LIMIT 1) t", nil, func(r Rows) error {
		n := 0
		err := r.Scan(&n)
		there = n > 0
		return err
	})
	return there, err
}

// UseAPIToken implements store.APITokens.
func (s *Store) UseAPIToken(ctx context.Context, id job.ID, now job.Time) error {
	return s.write(ctx, "use_api_token", func(ctx context.Context, tx Tx, _ bool) error {
		_, err := tx.Exec(ctx, "UPDATE slotq_api_tokens SET used_at = ? WHERE id = ? AND used_at < ?", now, id, now)
		return err
	})
}

// RevokeAPIToken implements store.APITokens.
func (s *Store) RevokeAPIToken(ctx context.Context, id job.ID, now job.Time) (t job.APIToken, err error) {
	err = s.write(ctx, "revoke_api_token", func(ctx context.Context, tx Tx, _ bool) error {
		_, err := tx.Exec(ctx, "UPDATE slotq_api_tokens SET revoked_at = ? WHERE id = ? AND revoked_at = 0", now, id)
		if err == nil {
			t, err = oneAPIToken(ctx, tx, "id = ?", id)
		}
		return err
	})
	return t, err
}
