package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/wire"
)

// serve serves a handler and returns its URL.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// asked is a store that counts the questions about tokens.
type asked struct {
	store.Store
	finds, anys, uses atomic.Int64
	err               atomic.Pointer[error]
}

func (a *asked) trouble() error {
	if err := a.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (a *asked) FindAPIToken(ctx context.Context, hash []byte) (job.APIToken, error) {
	a.finds.Add(1)
	if err := a.trouble(); err != nil {
		return job.APIToken{}, err
	}
	return a.Store.FindAPIToken(ctx, hash)
}

func (a *asked) AnyAPIToken(ctx context.Context) (bool, error) {
	a.anys.Add(1)
	if err := a.trouble(); err != nil {
		return false, err
	}
	return a.Store.AnyAPIToken(ctx)
}

func (a *asked) UseAPIToken(ctx context.Context, id job.ID, now job.Time) error {
	a.uses.Add(1)
	return a.Store.UseAPIToken(ctx, id, now)
}

// later is a clock that only a test moves.
type later struct {
	mu sync.Mutex
	at time.Time
}

func (l *later) now() time.Time       { l.mu.Lock(); defer l.mu.Unlock(); return l.at }
func (l *later) tick(d time.Duration) { l.mu.Lock(); defer l.mu.Unlock(); l.at = l.at.Add(d) }

// startAsked starts an api with such a store and clock.
func startAsked(t *testing.T, change ...func(*Options)) (*env, *asked, *later) {
	t.Helper()
	a, l := &asked{}, &later{at: time.Now()}
	e := start(t, append(change, func(o *Options) {
		a.Store = o.Store.(store.Store)
		o.Store = a
	})...)
	e.server.tokens.now = l.now
	return e, a, l
}

func TestTheAPIIsOpenUntilTheFirstTokenAndClosedEverAfter(t *testing.T) {
	e, _, clock := startAsked(t)
	e.want(200, "GET", "/v1/queues", "")
	header, made := e.token(job.APIToken{Scopes: []job.Scope{job.ScopeRead}})
	clock.tick(tokenTime)
	g := e.want(401, "GET", "/v1/queues", "")
	if g.header.Get("WWW-Authenticate") != `Bearer realm="slotq"` || !strings.Contains(g.problem.Detail, "manager tokens create") {
		t.Errorf("%v %s", g.header, g.body)
	}
	e.want(200, "GET", "/v1/queues", "", header...)
	if _, err := e.store.RevokeAPIToken(t.Context(), made.ID, e.server.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	clock.tick(time.Hour)
	e.want(401, "GET", "/v1/queues", "", header...)
	e.want(401, "GET", "/v1/queues", "")
	again := startOn(t, e.store.Store) // as after a restart
	again.want(401, "GET", "/v1/queues", "")
}

func TestATokenThatIsUsedClosesTheAPIAtOnce(t *testing.T) {
	e, _, _ := startAsked(t)
	e.want(200, "GET", "/v1/queues", "")
	header, _ := e.token(job.APIToken{Scopes: []job.Scope{job.ScopeRead}})
	e.want(200, "GET", "/v1/queues", "", header...)
	e.want(401, "GET", "/v1/queues", "")
}

func TestTokensOnlyIsNeverOpen(t *testing.T) {
	e := start(t, func(o *Options) { o.TokensOnly = true })
	e.want(401, "GET", "/v1/queues", "")
}

func TestARevokedTokenWorksForThreeSecondsAtMostAndOneQueryServesThem(t *testing.T) {
	e, asked, clock := startAsked(t)
	header, made := e.token(job.APIToken{Scopes: []job.Scope{job.ScopeEnqueue}})
	for range 20 {
		e.want(201, "POST", "/v1/jobs", `{"kind":"k"}`, header...)
	}
	if n := asked.finds.Load(); n != 1 {
		t.Errorf("20 jobs took %d questions about their token", n)
	}
	if _, err := e.store.RevokeAPIToken(t.Context(), made.ID, e.server.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	e.want(201, "POST", "/v1/jobs", `{"kind":"k"}`, header...) // the bound is documented: it may still work
	clock.tick(tokenTime)
	if g := e.want(401, "POST", "/v1/jobs", `{"kind":"k"}`, header...); !strings.Contains(g.problem.Detail, "revoked") {
		t.Errorf("%s", g.body)
	}
	if tokenTime > 10*time.Second {
		t.Error("a revoked token must be dead within 10 s")
	}
}

func TestATokenThatWasJustMadeWorksAtOnceAndAnExpiredOneNoMore(t *testing.T) {
	e, _, _ := startAsked(t)
	secret := job.NewAPISecret()
	header := []string{"Authorization", "Bearer " + secret.Reveal()}
	e.want(401, "GET", "/v1/queues", "", header...)
	now := e.server.Clock.Now()
	made, err := e.store.CreateAPIToken(t.Context(), job.APIToken{ID: job.NewID(now), Hash: secret.Hash(), Name: "t", Scopes: job.Scopes, ExpiresAt: now.Add(time.Hour)}, now)
	if err != nil {
		t.Fatal(err)
	}
	e.want(200, "GET", "/v1/queues", "", header...)
	e.server.tokens.mu.Lock()
	a := e.server.tokens.known[[32]byte(made.Hash)]
	a.token.ExpiresAt = e.server.Clock.Now() // as time passes, without another question
	e.server.tokens.known[[32]byte(made.Hash)] = a
	e.server.tokens.mu.Unlock()
	if g := e.want(401, "GET", "/v1/queues", "", header...); !strings.Contains(g.problem.Detail, "expired") {
		t.Errorf("%s", g.body)
	}
}

func TestWhatIsNoSecretIsRefusedWithoutAQuestion(t *testing.T) {
	e, asked, _ := startAsked(t)
	good := job.NewAPISecret().Reveal()
	for _, header := range []string{"Bearer", "Bearer ", "Bearer short", "Basic " + good, "Bearer " + good[:len(good)-1], "Bearer " + good + " x", good} {
		g := e.want(401, "GET", "/v1/queues", "", "Authorization", header)
		if strings.Contains(g.body, good[6:20]) || g.problem.Detail == "" {
			t.Errorf("%q: %s", header, g.body)
		}
	}
	if n := asked.finds.Load(); n != 0 {
		t.Errorf("%d questions", n)
	}
}

func TestGuessingIsSlowAndKeepsNobodyOutWhoHasBeenIn(t *testing.T) {
	e, asked, clock := startAsked(t)
	header, _ := e.token(job.APIToken{Scopes: job.Scopes})
	e.want(200, "GET", "/v1/queues", "", header...)
	guess := func() []string { return []string{"Authorization", "Bearer " + job.NewAPISecret().Reveal()} }
	limited := 0
	for range 3 * guesses {
		switch g := e.send("GET", "/v1/queues", "", guess()...); g.status {
		case 401:
		case 429:
			limited++
			if g.header.Get("Retry-After") == "" || g.problem.Code() != wire.CodeRate {
				t.Errorf("%v %s", g.header, g.body)
			}
		default:
			t.Fatalf("a guess: %d", g.status)
		}
	}
	if n := asked.finds.Load() - 1; limited < guesses || n > 2*guesses {
		t.Errorf("%d of %d guesses were limited, %d questions", limited, 3*guesses, n)
	}
	clock.tick(tokenTime)
	e.want(200, "GET", "/v1/queues", "", header...)
}

func TestWithTheDatabaseAwayNobodyComesIn(t *testing.T) {
	e, asked, clock := startAsked(t)
	header, _ := e.token(job.APIToken{Scopes: job.Scopes})
	e.want(200, "GET", "/v1/queues", "", header...)
	away := errors.Join(job.ErrUnavailable, errors.New("password hunter2"))
	asked.err.Store(&away)
	e.want(200, "GET", "/v1/queues", "", header...) // for a moment
	clock.tick(tokenTime)
	g := e.want(503, "POST", "/v1/jobs", `{"kind":"k"}`, header...)
	if !strings.Contains(g.problem.Detail, "Nothing was done") || g.header.Get("Retry-After") == "" || strings.Contains(g.body, "hunter2") {
		t.Errorf("%v %s", g.header, g.body)
	}
	fresh, freshAsked, _ := startAsked(t)
	freshAsked.err.Store(&away)
	fresh.want(503, "GET", "/v1/queues", "")
	header, _ = fresh.token(job.APIToken{Scopes: job.Scopes})
	for range 2 * guesses {
		fresh.want(503, "GET", "/v1/queues", "", header...)
	}
	freshAsked.err.Store(nil)
	fresh.want(200, "GET", "/v1/queues", "", header...) // the outage has not made a guesser of it
}

func TestUseIsNotedOnceAMinute(t *testing.T) {
	e, asked, clock := startAsked(t)
	header, made := e.token(job.APIToken{Scopes: job.Scopes})
	for range 5 {
		e.want(200, "GET", "/v1/queues", "", header...)
		e.server.going.Wait()
		clock.tick(tokenTime)
	}
	found, err := e.store.FindAPIToken(t.Context(), made.Hash)
	if err != nil || found.UsedAt < made.CreatedAt || asked.uses.Load() != 1 {
		t.Errorf("used_at %d, %v, written %d times", found.UsedAt, err, asked.uses.Load())
	}
}

func TestATokenThatSendsTooMuchIsToldWhenToGoOnAtEveryCall(t *testing.T) {
	e := start(t, func(o *Options) { o.RateLimit = 0.001 })
	s := &scene{env: e}
	all, other := e.may("*", job.ScopeAdmin), e.may("*", job.ScopeAdmin)
	e.want(200, "GET", "/v1/queues", "", all...)
	for _, r := range e.server.routes {
		path, body := rules[r.String()].on(s, "own")
		g := e.want(429, r.Method, path, body, all...)
		if g.problem.Code() != wire.CodeRate || g.header.Get("Retry-After") == "" || g.header.Get("Retry-After") == "0" {
			t.Errorf("%s: %v %s", r, g.header, g.body)
		}
	}
	e.want(200, "GET", "/v1/queues", "", other...)
	var p *wire.Problem
	secret := strings.TrimPrefix(all[1], "Bearer ")
	if _, err := e.client.WithToken(secret).Queues(t.Context()); !errors.As(err, &p) || p.RetryAfter < time.Second {
		t.Errorf("the client hears %v", err)
	}
}

func TestTheClientSendsItsToken(t *testing.T) {
	e := start(t)
	header, _ := e.token(job.APIToken{Scopes: job.Scopes})
	secret := strings.TrimPrefix(header[1], "Bearer ")
	if j, err := e.client.WithToken(secret).Enqueue(t.Context(), wire.NewJob{Kind: "k"}); err != nil || j.Kind != "k" {
		t.Errorf("%+v, %v", j, err)
	}
	var p *wire.Problem
	if _, err := e.client.Queues(t.Context()); !errors.As(err, &p) || p.Code() != wire.CodeUnauthorized {
		t.Errorf("without: %v", err)
	}
}
