package load

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slotq/slotq/test/faults/history"
	"github.com/slotq/slotq/test/faults/witness"
)

// clientOf makes one client of an api, which does nothing by itself.
func clientOf(t *testing.T, api string) (c *client, events func() []history.Event) {
	path := filepath.Join(t.TempDir(), "events")
	f, err := history.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	l := &Load{o: Options{API: api, History: f, Mix: Mixed}, http: &http.Client{Timeout: 5 * time.Second}, cancel: func() {}}
	return &client{Load: l, random: rand.New(rand.NewPCG(1, 2))}, func() []history.Event {
		all, err := history.Read[history.Event](path)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
}

func TestAnOutcomeIsKnownOnlyWhenTheAnswerSaysSo(t *testing.T) {
	var status atomic.Int32
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		now := int(status.Load())
		if now == 0 {
			panic(http.ErrAbortHandler) // the connection breaks after the request has arrived
		}
		w.WriteHeader(now)
		_, _ = io.WriteString(w, `{"id":"an-id"}`)
	}))
	defer api.Close()
	for _, test := range []struct {
		status int
		want   string
	}{{201, history.OK}, {200, history.OK}, {422, history.Fail}, {429, history.Fail}, {500, history.Unknown}, {503, history.Unknown}, {0, history.Unknown}} {
		status.Store(int32(test.status))
		c, events := clientOf(t, api.URL)
		c.send(context.Background(), c.single())
		got := events()
		if len(got) != 2 || got[0].Type != history.Invoke || got[1].Type != test.want || got[0].Op != got[1].Op || got[1].At < got[0].At {
			t.Errorf("status %d: %+v", test.status, got)
		}
	}
	api.Close()
	c, events := clientOf(t, api.URL)
	c.send(context.Background(), c.single())
	if got := events(); got[1].Type != history.Fail {
		t.Errorf("nobody listens: %s, want %s", got[1].Type, history.Fail)
	}
}

func TestARequestOfUnknownOutcomeIsSentAgainWithTheSameBytesUntilItIsKnown(t *testing.T) {
	var mu sync.Mutex
	var bodies []string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if bodies = append(bodies, string(body)+r.Header.Get("Idempotency-Key")); len(bodies) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, `{"id":"an-id"}`)
	}))
	defer api.Close()
	c, _ := clientOf(t, api.URL)
	r := c.single()
	for !r.safe {
		r = c.single()
	}
	c.settle(context.Background(), r)
	mu.Lock()
	defer mu.Unlock()
	if len(bodies) != 3 || bodies[0] != bodies[1] || bodies[1] != bodies[2] || c.idOf(r) != "an-id" {
		t.Errorf("sent %d times: %q; id %q", len(bodies), bodies, c.idOf(r))
	}
}

func TestAPayloadIsSentByteForByteAsItWasHashed(t *testing.T) {
	c, _ := clientOf(t, "http://127.0.0.1:1")
	for range 100 {
		s, b := c.job()
		var sent struct{ Payload json.RawMessage }
		if err := json.Unmarshal(b.bytes(), &sent); err != nil {
			t.Fatalf("%s: %v", b.bytes(), err)
		}
		if witness.Hash(sent.Payload) != s.Hash || !strings.Contains(string(sent.Payload), `{  "note":"<&>`) {
			t.Fatalf("payload %s", sent.Payload)
		}
	}
}
