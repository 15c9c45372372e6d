package hostile

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// The limits that the api keeps (service.NewServer).
const (
	headLimit   = 5 * time.Second
	bodyLimit   = 15 * time.Second
	answerLimit = 30 * time.Second
)

// most is what the api's memory may grow by under attack: its bound on large bodies, 8 of 16 MiB, four times over.
const most = 512 << 20

// halfOpen is a client that holds a connection: it sends head, then a byte of drip each second, and reads nothing before
// the server hangs up.
type halfOpen struct{ head, drip string }

// held opens n connections, and returns how long the server let each live; open is called when all are.
func (h halfOpen) held(t *testing.T, api string, n int, limit time.Duration, open func()) (lived []time.Duration) {
	t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		c, err := net.DialTimeout("tcp", strings.TrimPrefix(api, "http://"), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
	}
	lived = make([]time.Duration, n)
	var all sync.WaitGroup
	for i, c := range conns {
		all.Go(func() {
			began := time.Now()
			_ = c.SetDeadline(began.Add(limit + 10*time.Second))
			_, _ = io.WriteString(c, h.head)
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				_, _ = io.Copy(io.Discard, c) // to the server's end of it, or a reset
			}()
			second := time.NewTicker(time.Second)
			defer second.Stop()
			for {
				select {
				case <-gone:
					lived[i] = time.Since(began)
					return
				case <-second.C:
					_, _ = io.WriteString(c, h.drip)
				}
			}
		})
	}
	open()
	all.Wait()
	return lived
}

// load runs good clients until stop is called, which returns the times of their requests.
func load(t *testing.T, s *system.System, clients int) (stop func() []time.Duration) {
	var mu sync.Mutex
	var times []time.Duration
	var ended atomic.Bool
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for !ended.Load() {
				began := time.Now()
				if _, err := s.Client.Enqueue(t.Context(), wire.NewJob{Kind: "good", Payload: []byte(`1`), DelaySeconds: 3600}); err != nil {
					t.Errorf("a good client is refused: %v", err)
					return
				}
				mu.Lock()
				times = append(times, time.Since(began))
				mu.Unlock()
				time.Sleep(50 * time.Millisecond) // the pace of a client, not a wait for something
			}
		})
	}
	return func() []time.Duration {
		ended.Store(true)
		all.Wait()
		slices.Sort(times)
		return times
	}
}

func TestConnectionsThatSendLittleOrNothingAreDroppedAndGoodClientsDoNotNotice(t *testing.T) {
	t.Parallel() // it mostly waits
	s, api, _ := onSQLite(t, "handlers:\n  good: {exec: [cat]}\n")
	for _, c := range []struct {
		name  string
		open  halfOpen
		limit time.Duration
	}{
		{"nothing at all", halfOpen{}, headLimit},
		{"a head that never ends", halfOpen{"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-", "a"}, headLimit},
		{"a request line that never ends", halfOpen{"GET /", "a"}, headLimit},
		{"a body that never ends", halfOpen{"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{", " "}, bodyLimit},
		{"a large body that never ends", halfOpen{"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16000000\r\n\r\n{", " "}, bodyLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, files := resident(t, api), descriptors(t, api)
			stop := load(t, s, 20)
			var grown int64
			lived := c.open.held(t, s.API, 500, c.limit, func() { grown = resident(t, api) - before })
			times := stop()
			grown = max(grown, resident(t, api)-before)
			longest, p99 := slices.Max(lived), times[len(times)*99/100]
			t.Logf("500 connections lived %s to %s; %d good requests, p50 %s, p99 %s, longest %s; the api grew by %d MiB",
				slices.Min(lived).Round(time.Millisecond), longest.Round(time.Millisecond), len(times), times[len(times)/2], p99, times[len(times)-1], grown>>20)
			if longest > c.limit+noise {
				t.Errorf("a connection lived %s, the limit is %s", longest, c.limit)
			}
			if p99 > time.Second {
				t.Errorf("good clients waited %s (p99)", p99)
			}
			if grown > most {
				t.Errorf("the api grew by %d MiB", grown>>20)
			}
			err := system.Await(t.Context(), 5*time.Second, func() error {
				if n := descriptors(t, api); n > files+25 { // those of good clients
					return fmt.Errorf("%d descriptors, %d before", n, files)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBodiesWithoutEndAreRefusedEarlyInBoundedMemory(t *testing.T) {
	s, api, _ := onSQLite(t, "handlers:\n  good: {exec: [cat]}\n")
	before := resident(t, api)
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 1<<20, strings.Repeat("[", 1<<20))
	var peak atomic.Int64
	var all sync.WaitGroup
	stop := load(t, s, 5)
	for range 30 {
		all.Go(func() {
			c, err := net.DialTimeout("tcp", strings.TrimPrefix(s.API, "http://"), 10*time.Second)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(bodyLimit + 10*time.Second))
			answered := make(chan int, 1)
			go func() {
				defer close(answered)
				if res, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
					_ = res.Body.Close()
					answered <- res.StatusCode
				}
			}()
			_, err = io.WriteString(c, "POST /v1/jobs/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
			sent := 0
			for ; err == nil && sent < 3<<10; sent++ { // 3 GiB
				_, err = io.WriteString(c, chunk)
				peak.Store(max(peak.Load(), resident(t, api)))
			}
			if status := <-answered; status != 413 && status != 503 && status != 0 { // 0: the reset overtook the answer
				t.Errorf("answered %d", status)
			}
			if sent > 200 {
				t.Errorf("%d MiB were taken", sent)
			}
		})
	}
	all.Wait()
	times := stop()
	t.Logf("the api grew by %d MiB; good requests %d, p99 %s", (peak.Load()-before)>>20, len(times), times[len(times)*99/100])
	if grown := peak.Load() - before; grown > most {
		t.Errorf("the api grew by %d MiB", grown>>20)
	}
}

func TestAHeadThatIsTooLargeIsRefused(t *testing.T) {
	s, _, _ := onSQLite(t, "handlers:\n  good: {exec: [cat]}\n")
	for name, head := range map[string]string{
		"one large field": "X-Large: " + strings.Repeat("a", 1<<20) + "\r\n",
		"many fields":     strings.Repeat("X-Many: a\r\n", 10_000),
		"a long address":  "",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.DialTimeout("tcp", strings.TrimPrefix(s.API, "http://"), 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			path := "/v1/jobs"
			if head == "" {
				path += "?cursor=" + strings.Repeat("a", 1<<20)
			}
			written := make(chan struct{})
			go func() {
				defer close(written)
				_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n"+head+"\r\n")
			}()
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			_ = c.Close()
			<-written
			if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("answered %d, want 431", res.StatusCode)
			}
		})
	}
}

func TestClientsThatNeverReadTheirAnswerAreDroppedInBoundedMemory(t *testing.T) {
	t.Parallel() // it mostly waits
	s, api, _ := onSQLite(t, "handlers:\n  good: {exec: [cat]}\n")
	metadata := []byte(`{"m":"` + strings.Repeat("m", 16000) + `"}`)
	jobs := make([]wire.NewJob, 500)
	for i := range jobs {
		jobs[i] = wire.NewJob{Kind: "good", DelaySeconds: 3600, Metadata: metadata}
	}
	for range 2 {
		if _, err := s.Client.EnqueueBatch(t.Context(), wire.Batch{Jobs: jobs}, ""); err != nil {
			t.Fatal(err)
		}
	}
	before := resident(t, api)
	stop := load(t, s, 5)
	var peak int64
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		often := time.NewTicker(20 * time.Millisecond)
		defer often.Stop()
		for {
			select {
			case <-often.C:
				peak = max(peak, resident(t, api))
			case <-ended:
				return
			}
		}
	})
	var all sync.WaitGroup
	lived := make([]time.Duration, 20)
	for i := range lived {
		all.Go(func() {
			c, err := net.DialTimeout("tcp", strings.TrimPrefix(s.API, "http://"), 10*time.Second)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_ = c.(*net.TCPConn).SetReadBuffer(4096)
			began := time.Now()
			_, _ = io.WriteString(c, "GET /v1/jobs?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
			// Only a write tells of the end to one who does not read.
			err = system.Await(t.Context(), answerLimit+bodyLimit+noise, func() error {
				if _, err := io.WriteString(c, "x"); err == nil {
					return fmt.Errorf("it still takes bytes")
				}
				return nil
			})
			if err != nil {
				t.Errorf("never dropped: %v", err)
			}
			lived[i] = time.Since(began)
		})
	}
	all.Wait()
	close(ended)
	watch.Wait()
	times := stop()
	t.Logf("20 connections lived up to %s; the api grew by %d MiB; good requests %d, p99 %s", slices.Max(lived), (peak-before)>>20, len(times), times[len(times)*99/100])
	if slices.Max(lived) > answerLimit+noise {
		t.Errorf("a connection lived %s, the limit is %s", slices.Max(lived), answerLimit)
	}
	if peak-before > most {
		t.Errorf("the api grew by %d MiB", (peak-before)>>20)
	}
}
