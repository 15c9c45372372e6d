package command

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/service"
)

// manager is a running manager.
type manager struct {
	t    *testing.T
	base string
	stop func() error
	logs *bytes.Buffer // to be read after stop
}

func startManager(t *testing.T, url string, args ...string) *manager {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	read, write := io.Pipe()
	m := &manager{t: t, logs: &bytes.Buffer{}}
	ended, logged := make(chan error, 1), make(chan struct{})
	listening := make(chan string, 1)
	go func() {
		ended <- Main(ctx, service.Process{
			Name: "manager", Args: append([]string{"--listen=127.0.0.1:0", "--log-format=text"}, args...),
			Environ: []string{"SLOTQ_DATABASE_URL=" + url}, Stdout: io.Discard, Stderr: write,
		})
		write.Close()
	}()
	go func() {
		defer close(logged)
		for lines := bufio.NewScanner(read); lines.Scan(); {
			fmt.Fprintln(m.logs, lines.Text())
			if found := regexp.MustCompile(`listen=(\S+)`).FindStringSubmatch(lines.Text()); found != nil {
				listening <- found[1]
			}
		}
	}()
	var stopped bool
	m.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		<-logged
		return <-ended
	}
	t.Cleanup(func() { m.stop() })
	select {
	case address := <-listening:
		m.base = "http://" + address
	case <-logged:
		t.Fatalf("the manager ended: %v\n%s", m.stop(), m.logs)
	case <-time.After(20 * time.Second):
		t.Fatal("the manager does not listen after 20 s")
	}
	return m
}

func (m *manager) get(path string) (int, string) {
	m.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	answer, err := client.Get(m.base + path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// waitFor waits until something is so; a test that hangs says what it waited for.
func waitFor(t *testing.T, what string, so func() bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited 20 s for: %s", what)
		}
	}
}

// mortal registers a worker that states no lease, so that the manager's own counts.
func (b *bench) mortal(name string) job.Worker {
	b.t.Helper()
	w := job.Worker{ID: job.NewWorkerID(), Name: name, Concurrency: 1, StartedAt: b.now}
	if err := b.store.Register(b.t.Context(), w); err != nil {
		b.t.Fatal(err)
	}
	return w
}

func TestManagersBringTheJobsOfADeadWorkerBackAndOneOfThemLeads(t *testing.T) {
	b := newBench(t)
	// With sweeps of 50 ms, on a busy machine, each took the other's turn before it had counted: nobody led for 20 s.
	timing := []string{"--heartbeat=100ms", "--lease=600ms", "--sweep=250ms"}
	a, c := startManager(t, b.url, timing...), startManager(t, b.url, timing...)
	w := b.mortal("host-1")
	j := b.enqueue("q", "k", nil)
	b.claim(w, j)
	waitFor(t, "the job to be taken back", func() bool { return b.state(j.ID) == job.Available })
	got, err := b.store.Get(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Crashes != 1 || got.Attempt != 1 {
		t.Errorf("%d crashes, attempt %d; want one crash and no failure", got.Crashes, got.Attempt)
	}
	leads := func(m *manager) bool {
		_, metrics := m.get("/metrics")
		leads := strings.Contains(metrics, "\nslotq_leader 1\n")
		if shows := strings.Contains(metrics, `slotq_queue_depth{queue="q",state="available"} 1`); shows && !leads {
			t.Error("a manager that does not lead exports the cluster's gauges")
		} else if leads && !shows {
			return false // not counted yet
		}
		return leads
	}
	// Not both: one that has lost its turn says so when it tries for the next.
	waitFor(t, "one manager to lead and to count", func() bool { return leads(a) != leads(c) })
	for _, m := range []*manager{a, c} {
		if code, body := m.get("/readyz"); code != 200 {
			t.Errorf("/readyz is %d %s", code, body)
		}
		if code, _ := m.get("/healthz"); code != 200 {
			t.Errorf("/healthz is %d", code)
		}
		if err := m.stop(); err != nil {
			t.Errorf("stopped with %v", err)
		}
	}
	rescued := strings.Count(a.logs.String()+c.logs.String(), "took the jobs of a dead worker back")
	if rescued != 1 {
		t.Errorf("%d managers say that they took the job back, want 1\n%s%s", rescued, a.logs, c.logs)
	}
}

func TestExpiredJobsEndAlthoughNobodyClaimsThem(t *testing.T) {
	b := newBench(t)
	j := b.enqueue("q", "k", func(s *job.Spec) { s.ExpiresAt = b.now.Add(time.Millisecond) })
	startManager(t, b.url, "--sweep=20ms")
	waitFor(t, "the expired job to end", func() bool { return b.state(j.ID) == job.Discarded })
}

func TestManagerMakesTheTablesOfAnEmptyDatabase(t *testing.T) {
	url := "sqlite:" + t.TempDir() + "/new.db"
	m := startManager(t, url)
	if r := call1(t.Context(), url, "", "queues"); r.failure != nil {
		t.Errorf("the empty database was not migrated: %v", r.failure)
	}
	if code, body := m.get("/readyz"); code != 200 {
		t.Errorf("/readyz is %d %s", code, body)
	}
}

func TestPortInUseIsSaidBeforeTheDatabaseIsTouched(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r := call1(t.Context(), "mysql://nobody@127.0.0.1:1/none", "", "--listen="+taken.Addr().String())
	if r.code() != 1 || !strings.Contains(r.failure.Error(), "in use") || !strings.Contains(r.failure.Error(), "--listen") {
		t.Errorf("code %d, %v; want it to say which port is in use and what to change", r.code(), r.failure)
	}
}

func TestLeaseUnderThreeHeartbeatsIsRefused(t *testing.T) {
	r := call1(t.Context(), "sqlite:"+t.TempDir()+"/x.db", "", "--heartbeat=5s", "--lease=10s")
	if r.code() != 2 || !strings.Contains(r.failure.Error(), "3 heartbeats") {
		t.Errorf("code %d, %v", r.code(), r.failure)
	}
}
