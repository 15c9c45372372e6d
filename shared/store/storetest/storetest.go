// Package storetest is the conformance suite: one named test for each promise of the store contract, and a state
// machine that tries them all in random order. Every engine runs it on a real database from a test of its own. It knows
// the contract and the names of the tables, never how a store keeps its word; what an engine alone can promise
// (connection strings, error codes) is left to the engine's own tests.
//
// Times are arguments, never the wall clock: a test moves its own clock, so that an hour costs nothing and a database
// whose clock jumps is a test like any other.
package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/store"
)

// Engine is a kind of database under test.
type Engine struct {
	// Fresh returns the URL of an empty database of its own, gone when the test ends.
	Fresh func(t testing.TB) string
	// Open opens a handle; nil = store.Open. Any number may be open on one database.
	Open func(ctx context.Context, url string) (store.Store, error)
	// Past does to a store without SQL what the suite does behind a store's back: it runs one of the suite's own
	// statements and returns the number that it asks for. nil = by SQL, on a connection of the suite's own.
	Past func(url, statement string) (int64, error)
	// Without names the tests ("group/name") that are about SQL itself and so not about this store; Run fails when one of
	// them is no test.
	Without []string
}

// Test is one promise, or one sentence of the contract, in action.
type Test struct {
	Name    string
	Promise int // of the design; 0 = a sentence of the contract alone
	run     func(*fixture)
}

// Group is the tests of one noun.
type Group struct {
	Name  string
	Tests []Test
}

// Groups is the suite in the order in which it runs.
func Groups() []Group {
	return []Group{
		{"enqueue", enqueueTests}, {"payload", payloadTests}, {"idempotency", idempotencyTests}, {"unique", uniqueTests},
		{"enqueue_claimed", enqueueClaimedTests}, {"claim", claimTests}, {"beside", besideTests}, {"scan", scanTests}, {"finish", finishTests}, {"many", manyTests}, {"outputs", outputsTests}, {"rescue", rescueTests}, {"cancel", cancelTests},
		{"keys", keysTests}, {"queues", queuesTests}, {"pause", pauseTests}, {"purge", purgeTests}, {"resize", resizeTests},
		{"prune", pruneTests}, {"expire", expireTests}, {"list", listTests}, {"retry", retryTests}, {"workers", workersTests}, {"api_tokens", apiTokensTests},
		{"turns", turnsTests}, {"action", actionTests}, {"failures", failuresTests}, {"clock", clockTests}, {"fence", fenceTests}, {"commit", commitTests},
		{"transaction", transactionTests}, {"diagnose", diagnoseTests}, {"stats", statsTests}, {"schema", schemaTests}, {"load", loadTests},
	}
}

// Run runs the suite and the model. The tests share one database, emptied before each: a database of its own for each
// of them would take most of the time.
func Run(t *testing.T, e Engine) {
	if e.Open == nil {
		e.Open = func(ctx context.Context, url string) (store.Store, error) {
			return store.Open(ctx, url, store.Options{})
		}
	}
	db := newDatabase(t, e)
	names := map[string]bool{}
	for _, g := range Groups() {
		t.Run(g.Name, func(t *testing.T) {
			for _, c := range g.Tests {
				name := g.Name + "/" + c.Name
				if names[name] {
					t.Fatalf("two tests are named %q", c.Name)
				}
				names[name] = true
				if slices.Contains(e.Without, name) {
					continue
				}
				t.Run(c.Name, func(t *testing.T) { c.run(newFixture(t, db)) })
			}
		})
	}
	for _, name := range e.Without {
		if !names[name] {
			t.Errorf("left out is %q, which is no test", name)
		}
	}
	t.Run("model", func(t *testing.T) { runModel(t, db) })
}

// Main runs the tests of an engine's package and looks for goroutines left behind.
func Main(m *testing.M) {
	goleak.VerifyTestMain(m,
		// database/sql and pgx close some of their goroutines a moment after Close has returned.
		goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"),
		goleak.IgnoreTopFunction("github.com/jackc/pgx/v5/pgxpool.(*Pool).backgroundHealthCheck"))
}

// testLimit is the longest that one test may take: a test that waits for ever says so by name.
const testLimit = 3 * time.Minute

// newFixture opens a handle on an emptied database.
func newFixture(t *testing.T, db *database) *fixture {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	t.Cleanup(cancel)
	db.empty(t)
	f := &fixture{T: t, ctx: ctx, db: db, now: T0}
	f.store = f.again()
	return f
}
