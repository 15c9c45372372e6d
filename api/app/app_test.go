package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/service"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output is what a process says, and a way to wait for it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	said chan struct{}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	select {
	case o.said <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// run starts the api and returns the address that it says it listens on.
func run(t *testing.T, args ...string) (address string, stop func() error) {
	t.Helper()
	out := &output{said: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Main(ctx, service.Process{Name: "api", Args: args, Stdout: out, Stderr: out}) }()
	var once sync.Once
	stop = func() (err error) {
		once.Do(func() {
			cancel()
			err = <-done
		})
		return err
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	listen := regexp.MustCompile(`"?listen"?[=:]"?([0-9.:\[\]]+)`)
	for {
		if m := listen.FindStringSubmatch(out.String()); m != nil {
			return m[1], stop
		}
		select {
		case <-out.said:
		case err := <-done:
			done <- err
			t.Fatalf("it ended: %v\n%s", err, out)
		case <-time.After(30 * time.Second):
			t.Fatalf("it does not listen:\n%s", out)
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func sqlite(t *testing.T) string {
	return "--database-url=sqlite:" + filepath.Join(t.TempDir(), "slotq.db")
}

func TestTheAPIMigratesAnEmptyDatabaseServesAndKeepsJobsOverARestart(t *testing.T) {
	database := sqlite(t)
	address, stop := run(t, database, "--listen=127.0.0.1:0")
	c, err := wire.NewClient("http://"+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	j, err := c.Enqueue(t.Context(), wire.NewJob{Kind: "k", Payload: []byte(`{"a" : 1}`)})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/": "default", "/docs": "/v1/jobs/{id}", "/assets/page.css": "table", "/openapi.json": "3.1.0", "/healthz": "ok", "/readyz": "ready", "/metrics": `slotq_jobs_enqueued_total{kind="k",queue="default"} 1`,
	} {
		if status, body := get(t, "http://"+address+path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.300s", path, status, body)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	address, _ = run(t, database, "--listen=127.0.0.1:0")
	if c, err = wire.NewClient("http://"+address, nil); err != nil {
		t.Fatal(err)
	}
	if again, err := c.Get(t.Context(), j.ID); err != nil || string(again.Payload) != `{"a" : 1}` {
		t.Errorf("after a restart: %+v, %v", again, err)
	}
}

func TestHealthAndMetricsCanHaveAListenerOfTheirOwn(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ops := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	address, _ := run(t, sqlite(t), "--listen=127.0.0.1:0", "--ops-listen="+ops)
	for url, want := range map[string]int{
		"http://" + ops + "/metrics": 200, "http://" + ops + "/readyz": 200, "http://" + address + "/metrics": 404, "http://" + address + "/healthz": 404,
	} {
		if status, body := get(t, url); status != want {
			t.Errorf("%s: %d %s, want %d", url, status, body, want)
		}
	}
}

func TestWhatCannotWorkIsSaidAtTheStart(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		args  []string
		usage bool
		says  string
	}{
		"no database":             {nil, true, "SLOTQ_DATABASE_URL"},
		"an unknown database":     {[]string{"--database-url=oracle://x", "--listen=127.0.0.1:0"}, false, "must begin with"},
		"a database that is away": {[]string{"--database-url=postgres://u:hunter2@127.0.0.1:1/db", "--listen=127.0.0.1:0"}, false, "postgres://u:***@127.0.0.1:1/db"},
		"beyond loopback":         {[]string{sqlite(t), "--listen=0.0.0.0:0"}, true, "--insecure"},
		"all interfaces":          {[]string{sqlite(t), "--listen=:0"}, true, "--insecure"},
		"a port in use":           {[]string{sqlite(t), "--listen=" + taken.Addr().String()}, false, "in use"},
		"an ops port in use":      {[]string{sqlite(t), "--listen=127.0.0.1:0", "--ops-listen=" + taken.Addr().String()}, false, "--ops-listen"},
		"half a certificate":      {[]string{sqlite(t), "--tls-cert=x"}, true, "--tls-key"},
		"no certificate":          {[]string{sqlite(t), "--listen=127.0.0.1:0", "--tls-cert=/nothing", "--tls-key=/nothing"}, false, "--tls-cert"},
		"a body below a payload":  {[]string{sqlite(t), "--max-body=128KiB"}, true, "--max-body"},
		"a body beyond memory":    {[]string{sqlite(t), "--max-body=2GiB"}, true, "1GiB"},
	} {
		err := Main(t.Context(), service.Process{Name: "api", Args: c.args, Stdout: io.Discard, Stderr: io.Discard})
		usage := (*service.UsageError)(nil)
		if err == nil || errors.As(err, &usage) != c.usage || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestItListensBeyondLoopbackWhenToldThatTheNetworkIsSafe(t *testing.T) {
	address, _ := run(t, sqlite(t), "--listen=0.0.0.0:0", "--insecure", "--hosts=queue.example")
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{"queue.example": 200, "127.0.0.1": 200, "other.example": 421, "0.0.0.0": 421} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/v1/queues", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("Host %s: %d, want %d", host, res.StatusCode, want)
		}
	}
}

// broken is a store whose schema is of another release.
type broken struct {
	store.Store
	have, want int64
}

func (b broken) Schema(context.Context) (int64, int64, error) { return b.have, b.want, nil }

func TestADatabaseOfAnotherReleaseIsRefusedWithAdvice(t *testing.T) {
	for schema, want := range map[[2]int64]error{{1, 2}: job.ErrOldSchema, {9, 2}: job.ErrNewerSchema} {
		_, err := assemble(t.Context(), &Config{}, broken{have: schema[0], want: schema[1]}, nil, nil, nil)
		if !errors.Is(err, want) {
			t.Errorf("schema %v: %v, want %v", schema, err, want)
		}
	}
}
