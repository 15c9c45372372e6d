//go:build ledger

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// clients is how many closed loops post jobs: enough to keep every api busy, few enough for two cores.
const clients = 8

// think is a client's pause after an answer; without it three servers, their replication and the services would measure
// the machine.
const think = 8 * time.Millisecond

var client = &http.Client{Timeout: 8 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: clients}}

// load posts jobs until it is stopped. Every job has a number of its own, in its payload and as its Idempotency-Key.
type load struct {
	apis    []string
	next    atomic.Int64
	unknown atomic.Int64 // answers that left the outcome open; the same key was sent again

	mu    sync.Mutex
	acked map[int64]string // number → id as answered
	wrong []string         // answers that no fault excuses
	last  time.Time
	gap   time.Duration // the longest time without any acknowledgement

	stop context.CancelFunc
	wg   sync.WaitGroup
}

func startLoad(ctx context.Context, apis []string) *load {
	l := &load{apis: apis, acked: map[int64]string{}, last: time.Now()}
	ctx, l.stop = context.WithCancel(ctx)
	for i := range clients {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				l.post(ctx, i)
				pause(ctx, think)
			}
		})
	}
	return l
}

// end stops the load. What is under way goes on until it is known.
func (l *load) end() {
	l.stop()
	l.wg.Wait()
	client.CloseIdleConnections()
}

// post sends one job until it is acknowledged: to the client's own api, and to the next after an answer that is none.
func (l *load) post(ctx context.Context, home int) {
	n := l.next.Add(1)
	kind, ms := "note.go", n%40
	if n%10 == 0 {
		kind, ms = "note.exec", n%200
	}
	body := fmt.Sprintf(`{"kind":%q,"max_crashes":20,"payload":{"n":%d,"ms":%d}}`, kind, n, ms)
	late := time.Now().Add(2 * time.Minute)
	for try := home; time.Now().Before(late); try++ {
		id, err := send(l.apis[try%len(l.apis)], n, body)
		if err == nil {
			l.answered(n, id)
			return
		}
		if refused, ok := err.(refusal); ok {
			l.complain(n, refused)
			return
		}
		l.unknown.Add(1)
		pause(context.WithoutCancel(ctx), 100*time.Millisecond)
	}
	l.complain(n, "no answer within two minutes")
}

// refusal is an answer that says that the job will never be stored.
type refusal string

func (r refusal) Error() string { return string(r) }

func send(api string, n int64, body string) (id string, err error) {
	req, err := http.NewRequest(http.MethodPost, "http://"+api+"/v1/jobs", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", strconv.FormatInt(n, 10))
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return "", err
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests:
		return "", fmt.Errorf("%d", res.StatusCode)
	case res.StatusCode >= 300:
		return "", refusal(fmt.Sprintf("%d %s", res.StatusCode, answer))
	}
	var j struct{ ID string }
	err = json.Unmarshal(answer, &j)
	return j.ID, err
}

func (l *load) answered(n int64, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[n] = strings.ReplaceAll(id, "-", "")
	now := time.Now()
	l.gap = max(l.gap, now.Sub(l.last))
	l.last = now
}

func (l *load) complain(n int64, what refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, fmt.Sprintf("job %d: %s", n, what))
}

// count is how many jobs are acknowledged so far.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// takeGap returns the longest time without an acknowledgement since it was asked last.
func (l *load) takeGap() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	gap := max(l.gap, time.Since(l.last))
	l.gap = 0
	return gap
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
