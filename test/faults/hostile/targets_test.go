package hostile

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// hostileTargets are HTTP targets, what a job that meets them becomes, and what its error says.
var hostileTargets = []struct {
	kind    string
	answer  func(w http.ResponseWriter, r *http.Request)
	state   job.State
	says    string
	wait    time.Duration // the least time to the next attempt
	noHTTP  bool          // nothing is answered at all
	hangsUp bool          // the connection is reset at once
}{
	{kind: "http.mute", noHTTP: true, state: job.Retryable, says: "timeout of 2s"},
	{kind: "http.reset", noHTTP: true, hangsUp: true, state: job.Retryable, says: "reset"},
	{kind: "http.hang", answer: hang, state: job.Retryable, says: "timeout of 2s"},
	{kind: "http.drip", answer: drip, state: job.Retryable, says: "timeout of 2s"},
	{kind: "http.drip.head", answer: dripHead, state: job.Retryable, says: "timeout of 2s"},
	{kind: "http.head", answer: endlessHead, state: job.Retryable, says: "no answer in HTTP"},
	{kind: "http.huge", answer: huge, state: job.Completed},
	{kind: "http.cut", answer: cut, state: job.Retryable, says: "reading the answer (status 200)"},
	{kind: "http.round", answer: round, state: job.Retryable, says: "redirects are not followed"},
	{kind: "http.gone", answer: status(http.StatusGone, ""), state: job.Discarded, says: "410"},
	{kind: "http.busy", answer: status(http.StatusTooManyRequests, "7200"), state: job.Retryable, says: "429", wait: 7200 * time.Second},
	{kind: "http.garbage", answer: garbage, state: job.Retryable, says: "no answer in HTTP"},
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// drip sends a byte a second.
func drip(w http.ResponseWriter, r *http.Request) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for r.Context().Err() == nil {
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-second.C:
		case <-r.Context().Done():
		}
	}
}

// byHand writes to the connection until it breaks.
func byHand(w http.ResponseWriter, write func(c net.Conn) error) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	for write(c) == nil {
	}
}

func dripHead(w http.ResponseWriter, _ *http.Request) {
	text := []byte("HTTP/1.1 200 OK\r\nX-Slow: ")
	byHand(w, func(c net.Conn) error {
		if len(text) == 0 {
			text = []byte("x")
		}
		// A read that waits is a pause that the end of the client cuts short.
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.Read(make([]byte, 1)); err == io.EOF {
			return err
		}
		_, err := c.Write(text[:1])
		text = text[1:]
		return err
	})
}

func endlessHead(w http.ResponseWriter, _ *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * time.Second))
	text := []byte("HTTP/1.1 200 OK\r\n")
	byHand(w, func(c net.Conn) error {
		_, err := c.Write(text)
		text = append(bytes.Repeat([]byte("X-More: more\r\n"), 1000), "X-End: "...)
		text = append(text, "end\r\n"...)
		return err
	})
}

// huge promises 10 GiB and sends all that is taken.
func huge(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "10737418240")
	mega := bytes.Repeat([]byte("h"), 1<<20)
	for range 10 << 10 {
		if _, err := w.Write(mega); err != nil {
			return
		}
	}
}

// cut resets the connection in the middle of the answer.
func cut(w http.ResponseWriter, _ *http.Request) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf an answer")
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

func round(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/http.round", http.StatusFound)
}

func status(code int, retryAfter string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(code)
	}
}

func garbage(w http.ResponseWriter, _ *http.Request) {
	byHand(w, func(c net.Conn) error {
		_, _ = c.Write(bytes.Repeat([]byte("\x00\xff\r\n"), 100))
		return io.EOF
	})
}

// targets are the servers of hostileTargets.
type targets struct {
	http  *httptest.Server
	plain map[string]net.Listener
	open  sync.WaitGroup
	stop  chan struct{}
	once  sync.Once
}

func startTargets(t *testing.T) *targets {
	t.Helper()
	mux := http.NewServeMux()
	all := &targets{plain: map[string]net.Listener{}, stop: make(chan struct{})}
	for _, target := range hostileTargets {
		if !target.noHTTP {
			mux.HandleFunc("/"+target.kind, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // the server notices the end of a client only when its body is read
				target.answer(w, r)
			})
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		all.plain[target.kind] = l
		all.open.Go(func() { all.accept(l, target.hangsUp) })
	}
	all.http = httptest.NewServer(mux)
	t.Cleanup(all.close)
	return all
}

// accept takes connections and reads, but never answers.
func (a *targets) accept(l net.Listener, hangUp bool) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if hangUp {
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
			continue
		}
		a.open.Go(func() {
			defer c.Close()
			go func() { <-a.stop; _ = c.SetReadDeadline(time.Now()) }()
			_, _ = io.Copy(io.Discard, c)
		})
	}
}

func (a *targets) urls() map[string]string {
	urls := map[string]string{}
	for _, target := range hostileTargets {
		if l, ok := a.plain[target.kind]; ok {
			urls[target.kind] = "http://" + l.Addr().String() + "/"
		} else {
			urls[target.kind] = a.http.URL + "/" + target.kind
		}
	}
	return urls
}

func (a *targets) close() {
	a.once.Do(func() {
		close(a.stop)
		for _, l := range a.plain {
			_ = l.Close()
		}
		a.open.Wait()
		a.http.CloseClientConnections()
		a.http.Close()
	})
}
