package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

func TestHealthzAnswersEvenWhenNotReady(t *testing.T) {
	h := NewOpsHandler(NewRegistry("api"), func(context.Context) error { return errors.New("database is away") })
	if code, body := get(t, h, "/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("got %d %q", code, body)
	}
	if code, body := get(t, h, "/readyz"); code != 503 || body != "database is away\n" {
		t.Errorf("got %d %q", code, body)
	}
}

func TestReadyzIsOKWhenTheCheckIs(t *testing.T) {
	h := NewOpsHandler(NewRegistry("api"), func(ctx context.Context) error {
		if left, ok := ctx.Deadline(); !ok || time.Until(left) > readyLimit {
			return fmt.Errorf("the check has no time limit of %s", readyLimit)
		}
		return nil
	})
	if code, body := get(t, h, "/readyz"); code != 200 {
		t.Errorf("got %d %q", code, body)
	}
}

func TestReadyzAnswersInTimeWhenTheCheckHangs(t *testing.T) {
	release, ended := make(chan struct{}), make(chan struct{})
	checks := 0
	h := &readiness{limit: 20 * time.Millisecond, check: func(context.Context) error {
		defer close(ended) // a second check would panic
		checks++
		<-release // deaf to its context
		return nil
	}}
	var probes sync.WaitGroup
	for range 5 {
		probes.Go(func() {
			if code, body := get(t, h, "/readyz"); code != 503 || !strings.Contains(body, "no answer within 20ms") {
				t.Errorf("got %d %q", code, body)
			}
		})
	}
	probes.Wait()
	close(release)
	<-ended
	if checks != 1 {
		t.Errorf("%d checks ran at once, want 1", checks)
	}
}

func TestMetricsServeBuildInfoGoAndProcess(t *testing.T) {
	registry := NewRegistry("worker")
	code, body := get(t, NewOpsHandler(registry, nil), "/metrics")
	for _, want := range []string{`slotq_build_info{component="worker",goversion="go1.`, "go_goroutines", "process_start_time_seconds"} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("got %d without %s", code, want)
		}
	}
	if problems, err := testutil.GatherAndLint(registry, "slotq_build_info"); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

func TestOpsAnswersNothingElse(t *testing.T) {
	h := NewOpsHandler(NewRegistry("api"), nil)
	if code, _ := get(t, h, "/"); code != 404 {
		t.Errorf("got %d", code)
	}
}

func TestServeAnswersUntilItsContextEndsAndLetsRequestsFinish(t *testing.T) {
	l, err := Listen(context.Background(), "127.0.0.1:0", "ops-listen")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	server := NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel() // the stop comes while this request is under way
		fmt.Fprint(w, "finished")
	}), slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, server, l) }()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if string(body) != "finished" || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
	if err := <-served; err != nil {
		t.Errorf("a stop that was asked for gave %v", err)
	}
}

func TestServeReturnsWhenItsListenerBreaks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := Serve(context.Background(), NewServer(nil, slog.New(slog.DiscardHandler)), l); err == nil {
		t.Error("no error")
	}
}

func TestServerHasLimits(t *testing.T) {
	s := NewServer(nil, slog.New(slog.DiscardHandler))
	if s.ReadHeaderTimeout != 5*time.Second || s.ReadTimeout != 15*time.Second || s.WriteTimeout != 30*time.Second ||
		s.IdleTimeout != time.Minute || s.MaxHeaderBytes != 16<<10 {
		t.Errorf("%+v", s)
	}
}

func TestListenSaysWhichFlagToChange(t *testing.T) {
	l, err := Listen(context.Background(), "127.0.0.1:0", "ops-listen")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for address, part := range map[string]string{l.Addr().String(): "in use", "nonsense": "cannot listen", "127.0.0.1:99999": "cannot listen"} {
		_, err = Listen(context.Background(), address, "ops-listen")
		if err == nil || !strings.Contains(err.Error(), "--ops-listen or SLOTQ_OPS_LISTEN") || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

func TestIsLoopbackKnowsWhoCanReachAnAddress(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:8080": true, "127.9.9.9:1": true, "[::1]:8080": true, "localhost:8080": true, "LocalHost.:1": true,
		"[::ffff:127.0.0.1]:80": true, "::1": true, "[::1]": true, "localhost": true,
		":8080": false, "0.0.0.0:8080": false, "[::]:8080": false, "10.0.0.1:80": false, "example.org:80": false,
		"localhost.example.org:80": false, "": false, "[fe80::1%lo]:80": false,
	} {
		if got := IsLoopback(address); got != want {
			t.Errorf("IsLoopback(%q) = %t", address, got)
		}
	}
}

func TestBucketsReachFromAMillisecondToSixHours(t *testing.T) {
	got := DurationBuckets()
	if len(got) != 16 || got[0] != .001 || got[15] != (6*time.Hour).Seconds() {
		t.Errorf("%v", got)
	}
	got[0] = 0 // a caller's change is its own
	if DurationBuckets()[0] != .001 {
		t.Error("callers share the buckets")
	}
	prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x", Buckets: DurationBuckets()}) // panics unless increasing
}

func TestLabelCapCountsTheFirstHundredApartForEver(t *testing.T) {
	var c LabelCap
	for i := range MaxLabels {
		if name := fmt.Sprint(i); c.Of(name) != name {
			t.Fatalf("value %d of %d became %s", i, MaxLabels, c.Of(name))
		}
	}
	if got := c.Of("one more"); got != OtherLabel {
		t.Errorf("value 101 became %s", got)
	}
	if got := c.Of("7"); got != "7" {
		t.Errorf("a known value became %s", got)
	}
}

func TestLabelCapHoldsUnderConcurrentUse(t *testing.T) {
	var c LabelCap
	var mu sync.Mutex
	apart := map[string]bool{}
	var users sync.WaitGroup
	for user := range 8 {
		users.Go(func() {
			for i := range 200 {
				name := c.Of(fmt.Sprint((i + 25*user) % 200))
				mu.Lock()
				apart[name] = true
				mu.Unlock()
			}
		})
	}
	users.Wait()
	if len(apart) != MaxLabels+1 || !apart[OtherLabel] {
		t.Errorf("%d values were counted apart, want %d and %s", len(apart), MaxLabels, OtherLabel)
	}
}
