package wire

import (
	"time"

	"github.com/slotq/slotq/shared/job"
)

// States of a token.
const (
	TokenValid   = "valid"
	TokenExpired = "expired"
	TokenRevoked = "revoked"
)

// APIToken is a token as operators see it, without its secret.
type APIToken struct {
	ID        job.ID      `json:"id" format:"uuid"`
	Name      string      `json:"name"`
	State     string      `json:"state" enum:"valid,expired,revoked"`
	Scopes    []job.Scope `json:"scopes"`
	Queues    []string    `json:"queues,omitempty" doc:"Names, or beginnings with a star; absent = all queues."`
	CreatedAt time.Time   `json:"created_at"`
	UsedAt    time.Time   `json:"used_at,omitzero" doc:"To a minute or so; absent = never."`
	ExpiresAt time.Time   `json:"expires_at,omitzero" doc:"Absent = never."`
	RevokedAt time.Time   `json:"revoked_at,omitzero"`
}

// APITokenOf converts a token of the domain.
func APITokenOf(t job.APIToken, now job.Time) APIToken {
	out := APIToken{
		ID: t.ID, Name: t.Name, State: TokenValid, Scopes: t.Scopes, Queues: t.Queues,
		CreatedAt: t.CreatedAt.Time(), UsedAt: t.UsedAt.Time(), ExpiresAt: t.ExpiresAt.Time(), RevokedAt: t.RevokedAt.Time(),
	}
	switch {
	case t.RevokedAt != 0:
		out.State = TokenRevoked
	case t.ExpiresAt != 0 && t.ExpiresAt <= now:
		out.State = TokenExpired
	}
	return out
}

// NewAPIToken is a token that was just made, with its secret: the only time that it is shown.
type NewAPIToken struct {
	APIToken
	Secret string `json:"secret"`
}

// APITokenList is all tokens, in the order in which they were made.
type APITokenList struct {
	Tokens []APIToken `json:"tokens"`
}
