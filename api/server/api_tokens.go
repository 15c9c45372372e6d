package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/slotq/slotq/api/intake"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

const (
	// tokenTime is how long an answer of the database about tokens is believed, counted from the question: so long may a
	// token that was revoked still begin requests, and an api that had no token stay open. A query for each POST would
	// cost as much as the POST's share of an insert.
	tokenTime = 3 * time.Second

	// askLimit is how long the database may take to answer about a token. What follows has 3.5 s of the 5 that an answer
	// may take.
	askLimit = 1200 * time.Millisecond

	// usedEvery is how exact a token's used_at is: a write for each request would cost more than the request.
	usedEvery = time.Minute

	// Secrets that no token has are looked up for one address so often at once, and so often a second after that. Tokens
	// that this process has met do not count, so that nobody who guesses keeps others behind the same proxy out.
	guesses       = 20
	guessesSecond = 1
)

// tokens remembers for a moment what the database says of tokens.
type tokens struct {
	server  *Server
	flight  singleflight.Group // one question for all who wait for the same answer
	guesses *limiter[string]   // by address
	now     func() time.Time   // monotonic

	mu     sync.Mutex
	known  map[[32]byte]answered // by hash; the database has at most job.MaxAPITokens
	closed bool                  // there is a token, or was: nobody comes in without one any more
	asked  time.Time             // when there was none
}

type answered struct {
	token job.APIToken
	asked time.Time
}

func newTokens(s *Server) *tokens {
	return &tokens{server: s, guesses: newLimiter[string](guessesSecond, guesses), now: time.Now, known: map[[32]byte]answered{}, closed: s.TokensOnly}
}

// open says whether the api answers to those without a token: only until the first token exists.
func (t *tokens) open(ctx context.Context) (bool, error) {
	t.mu.Lock()
	closed, fresh := t.closed, t.now().Sub(t.asked) < tokenTime
	t.mu.Unlock()
	if closed || fresh {
		return !closed, nil
	}
	_, err, _ := t.flight.Do("", func() (any, error) {
		asked := t.now()
		there, err := soon(ctx, t.server, t.server.Store.AnyAPIToken)
		t.mu.Lock()
		defer t.mu.Unlock()
		if err == nil && !there {
			t.asked = asked
		}
		t.closed = t.closed || there
		return nil, err
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.closed, err
}

// find returns the token of a secret, which may be revoked or have expired. job.ErrNotFound: there is none.
func (t *tokens) find(ctx context.Context, secret job.APISecret, address string) (job.APIToken, error) {
	hash := [32]byte(secret.Hash())
	t.mu.Lock()
	a, met := t.known[hash]
	t.mu.Unlock()
	if met && t.now().Sub(a.asked) < tokenTime {
		return a.token, nil
	}
	if !met {
		if wait := t.guesses.take(address, t.now()); wait > 0 {
			return job.APIToken{}, tooMany(wait, "Too many wrong tokens came from this address.")
		}
	}
	v, err, _ := t.flight.Do(string(hash[:]), func() (any, error) { return t.ask(ctx, hash) })
	if !met && !errors.Is(err, job.ErrNotFound) {
		t.guesses.giveBack(address) // it was no guess, or nobody knows: a database that is away must not keep anybody out later
	}
	if err != nil {
		return job.APIToken{}, err
	}
	return v.(job.APIToken), nil
}

func (t *tokens) ask(ctx context.Context, hash [32]byte) (job.APIToken, error) {
	asked := t.now()
	found, err := soon(ctx, t.server, func(ctx context.Context) (job.APIToken, error) { return t.server.Store.FindAPIToken(ctx, hash[:]) })
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil:
		t.known[hash] = answered{found, asked}
		t.closed = true
		t.use(found)
	case errors.Is(err, job.ErrNotFound):
		delete(t.known, hash)
	}
	return found, err
}

// soon asks the database about a token. Others may wait for the answer too, so the end of the request does not end it.
func soon[T any](ctx context.Context, s *Server, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askLimit)
	defer cancel()
	v, err := within(ctx, s, call)
	if errors.Is(err, job.ErrUnavailable) {
		err = wire.NewProblem(wire.CodeUnavailable, "The database did not say in time what the sender may do. Nothing was done: send it again.")
	}
	return v, err
}

// use notes that the token was used. Nobody waits for it, and when the store is busy the next lookup does it.
func (t *tokens) use(found job.APIToken) {
	now := t.server.Clock.Now()
	if found.RevokedAt != 0 || now.Sub(found.UsedAt) < usedEvery {
		return
	}
	select {
	case t.server.calls <- struct{}{}:
	default:
		return
	}
	t.server.going.Go(func() {
		defer func() { <-t.server.calls }()
		ctx, cancel := context.WithTimeout(context.Background(), intake.Limit)
		defer cancel()
		if err := t.server.Store.UseAPIToken(ctx, found.ID, now); err != nil {
			t.server.Log.Debug("the use of a token was not noted", "token", found.ID, "error", err)
		}
	})
}

// access finds out what the sender of a request may do, before anything of the body is read. cookie: one that the browser
// keeps is believed too.
func (s *Server) access(w http.ResponseWriter, r *http.Request, cookie bool) (access, error) {
	refused := func(detail string) (access, error) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="slotq"`)
		return access{}, wire.NewProblem(wire.CodeUnauthorized, detail)
	}
	secret, sent, wrong := bearer(r)
	if wrong != "" {
		return refused(wrong)
	}
	if !sent {
		if cookie {
			if a, ok, err := s.visitor(r); ok || err != nil {
				return a, err
			}
		}
		open, err := s.tokens.open(r.Context())
		if err != nil || open {
			return access{open: open}, err
		}
		return refused("Send a token: `Authorization: Bearer slotq_…`. An operator makes one with `manager tokens create`.")
	}
	a, wrong, err := s.admit(r, secret)
	if wrong != "" {
		return refused(wrong)
	}
	return a, err
}

// admit is the access of a token, or why there is none for it.
func (s *Server) admit(r *http.Request, secret job.APISecret) (a access, wrong string, err error) {
	t, err := s.tokens.find(r.Context(), secret, address(r))
	switch {
	case errors.Is(err, job.ErrNotFound):
		return a, "No token has this secret. Is it of another database? `manager tokens` lists those that there are.", nil
	case err != nil:
		return a, "", err
	case t.RevokedAt != 0:
		return a, "This token was revoked: ask an operator for another.", nil
	case t.ExpiresAt != 0 && t.ExpiresAt <= s.Clock.Now():
		return a, "This token has expired: ask an operator for another.", nil
	}
	if s.rates != nil {
		if wait := s.rates.take(t.ID, s.tokens.now()); wait > 0 {
			return a, "", tooMany(wait, "The token sends more requests than it may (SLOTQ_RATE_LIMIT): send batches, or wait.")
		}
	}
	return access{token: t}, "", nil
}

// bearer reads the secret of a request; wrong says why it cannot be one.
func bearer(r *http.Request) (secret job.APISecret, sent bool, wrong string) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", false, ""
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	secret = job.APISecret(strings.TrimSpace(text))
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return "", true, "Send one header `Authorization: Bearer slotq_…`."
	}
	if detail := secret.Check(); detail != "" {
		return "", true, "The secret of a token " + detail + "."
	}
	return secret, true, ""
}

// address is the peer's, without its port.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// tooMany is the problem of those who should wait.
func tooMany(wait time.Duration, detail string) *wire.Problem {
	p := wire.NewProblem(wire.CodeRate, detail)
	p.RetryAfter = wait
	return p
}
