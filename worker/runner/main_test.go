package runner

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/nudge"
	"github.com/slotq/slotq/shared/service"
)

func TestSlotListsAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string][]int{"7": {7}, "1-3,15": {1, 2, 3, 15}, " 2 , 1-2": {1, 2}, "1024": {1024}} {
		var got slotList
		if err := got.UnmarshalText([]byte(text)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "1025", "3-1", "a", "1-", "1,,2", "-3"} {
		var got slotList
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

// output is a log that may be read while it is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// program runs the worker's Program and returns what it logs and how it is ended.
func program(t *testing.T, log *output, args ...string) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Program(ctx, service.Process{Name: "worker", Args: args, Environ: os.Environ(), Stdout: io.Discard, Stderr: log})
	}()
	var once sync.Once
	var err error
	stop = func() error { once.Do(func() { cancel(); err = <-ended }); return err }
	t.Cleanup(func() { _ = stop() })
	return stop
}

// until waits for a text in a log.
func until(t *testing.T, log *output, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if m := re.FindStringSubmatch(log.String()); m != nil {
			return m
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %q in the log:\n%s", pattern, log)
		}
	}
}

func TestTheWorkerProgramRunsSubprocessesServesItsProbesAndHearsTheNudge(t *testing.T) {
	dir := t.TempDir()
	url := "sqlite:" + filepath.Join(dir, "slotq.db")
	file := filepath.Join(dir, "worker.yaml")
	if err := os.WriteFile(file, []byte("handlers:\n  echo:\n    exec: [cat]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log output
	stop := program(t, &log, "--database-url", url, "--handlers", file, "--listen", "127.0.0.1:0", "--insecure", "--log-format", "text", "--poll", "1h")
	address := until(t, &log, `listen=(\S+)`)[1]
	until(t, &log, `msg=working`)

	s := openURL(t, url)
	ids := enqueue(t, s, 1, job.Spec{Kind: "echo", Payload: []byte(`{"a": "<1e400>"}`)})
	j, err := s.Get(t.Context(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	workers, err := s.Workers(t.Context())
	if err != nil || len(workers) != 1 || workers[0].Nudge != address {
		t.Fatalf("workers %+v, %v; want one with the nudge at %s", workers, err, address)
	}
	conn, err := net.Dial("udp", workers[0].Nudge)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 100 { // what is not a nudge does no harm
		_, _ = conn.Write([]byte("not a nudge"))
	}
	sender := nudge.NewSender(s.Workers)
	sending, end := context.WithCancel(t.Context())
	var sent sync.WaitGroup
	sent.Go(func() { _ = sender.Run(sending) })
	sent.Go(func() {
		// Again, since one may be lost: this worker looks by itself only in an hour.
		for again := time.NewTicker(time.Second); ; {
			sender.Nudge(j.Queue, j.Kind, j.InSlot())
			select {
			case <-again.C:
			case <-sending.Done():
				again.Stop()
				return
			}
		}
	})
	finished(t, s, ids)
	end()
	sent.Wait()
	if j, err = s.Get(t.Context(), ids[0]); err != nil || string(j.Output) != `{"a": "<1e400>"}` {
		t.Errorf("output %q, %v; want the payload as it was sent", j.Output, err)
	}
	until(t, &log, `completed echo `+ids[0].String()+` in \d+ ms, attempt 1`)
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		answer, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != 200 || path == "/metrics" && !strings.Contains(string(body), `slotq_job_attempts_total{kind="echo",outcome="completed",queue="default"} 1`) {
			t.Errorf("%s: %d\n%s", path, answer.StatusCode, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Errorf("Program: %v", err)
	}
}

func TestWhatCannotWorkIsRefusedAtStartWithWhatToDo(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	for file, text := range map[string]string{
		good: "handlers:\n  a:\n    exec: [cat]\n",
		bad:  "handlers:\n  a:\n    exec: [no-such-command-anywhere]\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	url := "sqlite:" + filepath.Join(dir, "slotq.db")
	for name, c := range map[string]struct {
		args  []string
		want  string
		usage bool
	}{
		"no database":           {[]string{"--handlers", good}, "SLOTQ_DATABASE_URL", true},
		"no file":               {[]string{"--database-url", url, "--handlers", dir + "/none.yaml"}, "none.yaml: there is no such file", true},
		"no command":            {[]string{"--database-url", url, "--handlers", bad}, "bad.yaml:3:", true},
		"slots":                 {[]string{"--database-url", url, "--handlers", good, "--slots", "0"}, "slots from 1 to 1024", true},
		"concurrency":           {[]string{"--database-url", url, "--handlers", good, "--concurrency", "0"}, "--concurrency is 0", true},
		"queues":                {[]string{"--database-url", url, "--handlers", good, "--queues", "a b"}, "--queues", true},
		"port in use":           {[]string{"--database-url", url, "--handlers", good, "--insecure", "--listen", taken.Addr().String()}, "is in use by another program", false},
		"database away":         {[]string{"--database-url", "mysql://u:geheim@127.0.0.1:1/x", "--handlers", good, "--insecure", "--listen", "127.0.0.1:0"}, "127.0.0.1:1", false},
		"lease of 2 heartbeats": {[]string{"--database-url", url, "--handlers", good, "--heartbeat", "5s", "--lease", "10s"}, "3 heartbeats", true},
	} {
		args := c.args
		if os.Geteuid() == 0 && c.usage {
			args = append(args, "--insecure")
		}
		environ := slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "SLOTQ_") })
		err := Program(t.Context(), service.Process{Name: "worker", Args: args, Environ: environ, Stdout: io.Discard, Stderr: io.Discard})
		var usage *service.UsageError
		switch {
		case err == nil || !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: %v; want it to say %q", name, err, c.want)
		case errors.As(err, &usage) != c.usage:
			t.Errorf("%s: usage error %v, want %v: %v", name, !c.usage, c.usage, err)
		case strings.Contains(err.Error(), "geheim"):
			t.Errorf("%s: shows the password: %v", name, err)
		}
	}
}
