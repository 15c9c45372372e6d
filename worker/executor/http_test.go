package executor

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func newHTTP(t *testing.T, cfg HTTPConfig) *HTTP {
	t.Helper()
	if cfg.Allow == nil {
		cfg.Allow = loopback
	}
	h, err := NewHTTP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func serve(t *testing.T, f http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s
}

func TestStatusDecidesTheOutcome(t *testing.T) {
	var status atomic.Int32
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		if status.Load() != 204 && status.Load() != 304 {
			io.WriteString(w, "because")
		}
	})
	byDefault := newHTTP(t, HTTPConfig{URL: s.URL})
	listed := newHTTP(t, HTTPConfig{URL: s.URL, DiscardOn: []int{404, 302}})
	none := newHTTP(t, HTTPConfig{URL: s.URL, DiscardOn: []int{}})
	for _, tc := range []struct {
		h       *HTTP
		status  int32
		outcome Outcome
	}{
		{byDefault, 200, Completed}, {byDefault, 201, Completed}, {byDefault, 204, Completed}, {byDefault, 299, Completed},
		{byDefault, 400, Discarded}, {byDefault, 410, Discarded}, {byDefault, 413, Discarded}, {byDefault, 415, Discarded},
		{byDefault, 422, Discarded}, {byDefault, 404, Failed}, {byDefault, 401, Failed}, {byDefault, 429, Failed},
		{byDefault, 500, Failed}, {byDefault, 503, Failed}, {byDefault, 301, Failed}, {byDefault, 304, Failed}, {byDefault, 399, Failed},
		{listed, 404, Discarded}, {listed, 302, Discarded}, {listed, 400, Failed}, {none, 410, Failed},
	} {
		status.Store(tc.status)
		r := tc.h.Execute(t.Context(), task())
		if r.Outcome != tc.outcome {
			t.Errorf("%d with %v: got %v (%s), want %v", tc.status, tc.h.cfg.DiscardOn, r.Outcome, r.Message, tc.outcome)
		}
		if tc.outcome != Completed && (r.ErrorType != TypeHTTPStatus || !strings.Contains(r.Message, fmt.Sprint(tc.status)) || strings.Contains(r.Message, "because") || r.Answer != "because" && tc.status != 304) {
			t.Errorf("%d: %q %q %q", tc.status, r.ErrorType, r.Message, r.Answer)
		}
	}
}

func TestRequestIsSignedAsStandardWebhooks(t *testing.T) {
	const old, raw = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "a raw secret-of-32-bytes"
	var got *http.Request
	var body []byte
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	})
	secrets, err := ParseSecrets(old + "," + strings.ReplaceAll(raw, " ", "_"))
	if err != nil {
		t.Fatal(err)
	}
	wantOutcome(t, newHTTP(t, HTTPConfig{URL: s.URL, Secrets: secrets}).Execute(t.Context(), task()), Completed, "")

	if !bytes.Equal(body, task().Payload) || got.Method != "POST" || got.ContentLength != int64(len(body)) {
		t.Errorf("%s of %q", got.Method, body)
	}
	key1, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(old, "whsec_"))
	var want []string
	for _, key := range [][]byte{key1, []byte(strings.ReplaceAll(raw, " ", "_"))} {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", task().ID, got.Header.Get("webhook-timestamp"), body)
		want = append(want, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	for name, value := range map[string]string{
		"webhook-id": task().ID, "webhook-signature": strings.Join(want, " "), "content-type": "application/json",
		"slotq-attempt": "2", "slotq-run": "3", "slotq-kind": "mail.send", "slotq-queue": "mail",
	} {
		if got.Header.Get(name) != value {
			t.Errorf("%s: got %q, want %q", name, got.Header.Get(name), value)
		}
	}
}

// The example of the Standard Webhooks specification.
func TestSignatureOfTheSpecificationsExample(t *testing.T) {
	s, err := ParseSecrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	_, got := s.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSecretsThatCannotBeUsedAreErrorsThatDoNotTellThem(t *testing.T) {
	for _, text := range []string{"", " ", ",", "whsec_", "whsec_!!secret!!"} {
		if _, err := ParseSecrets(text); err == nil || strings.Contains(err.Error(), "!!secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
	s, _ := ParseSecrets("topsecret")
	if text := fmt.Sprintf("%v %+v %#v %s", s, HTTPConfig{Secrets: s}, HTTPConfig{Secrets: s}, s); strings.Contains(text, "topsecret") || strings.Contains(text, "116") {
		t.Error(text)
	}
}

func TestRedirectIsAFailure(t *testing.T) {
	var hits atomic.Int32
	target := serve(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target.URL, status) })
		r := newHTTP(t, HTTPConfig{URL: s.URL}).Execute(t.Context(), task())
		wantOutcome(t, r, Failed, TypeHTTPStatus)
		if !strings.Contains(r.Message, "redirects are not followed") {
			t.Error(r.Message)
		}
	}
	if hits.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestAnswerIsReadToTheLimitOnly(t *testing.T) {
	gone := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		for {
			if _, err := w.Write(bytes.Repeat([]byte("x"), 4096)); err != nil {
				return
			}
		}
	})
	r := newHTTP(t, HTTPConfig{URL: s.URL}).Execute(t.Context(), task())
	wantOutcome(t, r, Completed, "")
	if len(r.Output) != OutputLimit {
		t.Errorf("%d bytes", len(r.Output))
	}
	<-gone // the endless answer was cut off
}

// The message of an error is seen by people who may not see outputs.
func TestNothingThatATargetSaysIsInTheMessageOfAnError(t *testing.T) {
	const secret = "s3cret"
	long := secret + strings.Repeat("\u00e9", 4096)
	for name, answer := range map[string]string{
		"a body":               "HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\n" + secret,
		"a discarding body":    "HTTP/1.1 410 Gone\r\nContent-Length: 6\r\n\r\n" + secret,
		"a long body":          "HTTP/1.1 500 Oops\r\nContent-Length: " + fmt.Sprint(len(long)) + "\r\n\r\n" + long,
		"a body that is cut":   "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + secret,
		"a reason":             "HTTP/1.1 500 " + secret + "\r\nContent-Length: 0\r\n\r\n",
		"a banner":             secret + " ready\r\n",
		"a status":             "HTTP/1.1 " + secret + "\r\n\r\n",
		"a version":            "HTTP/" + secret + " 200 OK\r\n\r\n",
		"a header":             "HTTP/1.1 200 OK\r\n" + secret + "\r\n\r\n",
		"a length":             "HTTP/1.1 200 OK\r\nContent-Length: " + secret + "\r\n\r\n",
		"an encoding":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + secret + "\r\n\r\n",
		"a chunk":              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + secret + "\r\n",
		"a location":           "HTTP/1.1 302 Found\r\nLocation: http://" + secret + "%zz/\r\nContent-Length: 0\r\n\r\n",
		"a header without end": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat(secret, 20_000) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := newHTTP(t, HTTPConfig{URL: "http://" + speak(t, answer)}).Execute(t.Context(), task())
			if r.Outcome == Completed || r.Message == "" || strings.Contains(r.Message, secret) {
				t.Errorf("%v with the message %q", r.Outcome, r.Message)
			}
			if len(r.Answer) > AnswerLimit || !utf8.ValidString(r.Answer) {
				t.Errorf("%d bytes of the answer are kept: %q", len(r.Answer), r.Answer)
			}
			if strings.Contains(name, "body") && !strings.Contains(string(r.Output), secret) {
				t.Errorf("the output is %q", r.Output)
			}
		})
	}
}

// speak is a server that answers the first request with these bytes and hangs up.
func speak(t *testing.T, answer string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var speaking sync.WaitGroup
	t.Cleanup(speaking.Wait)
	t.Cleanup(func() { l.Close() })
	speaking.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r, err := http.ReadRequest(bufio.NewReader(c))
			if err == nil {
				io.Copy(io.Discard, r.Body)
			}
			io.WriteString(c, answer)
			c.Close()
		}
	})
	return l.Addr().String()
}

func TestTimeoutCoversConnectHeadersAndBody(t *testing.T) {
	release := make(chan struct{})
	mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts by its backlog and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	slow := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		<-release
	})
	defer close(release)
	for name, url := range map[string]string{"headers": "http://" + mute.Addr().String(), "tls": "https://" + mute.Addr().String(), "body": slow.URL} {
		t.Run(name, func(t *testing.T) {
			tk := task()
			tk.Timeout = 200 * time.Millisecond
			start := time.Now()
			r := newHTTP(t, HTTPConfig{URL: url}).Execute(t.Context(), tk)
			wantOutcome(t, r, TimedOut, TypeTimeout)
			if d := time.Since(start); d > 2*time.Second || !strings.Contains(r.Message, "200ms") {
				t.Errorf("%v: %s", d, r.Message)
			}
		})
	}
}

func TestCancelledRequestIsCutOff(t *testing.T) {
	arrived, gone := make(chan struct{}), make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // the server watches for the end of the connection only then
		close(arrived)
		<-r.Context().Done()
		close(gone)
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	h := newHTTP(t, HTTPConfig{URL: s.URL})
	result := make(chan Result)
	go func() { result <- h.Execute(ctx, task()) }()
	<-arrived
	cancel(ErrCancelled)
	wantOutcome(t, <-result, Cancelled, TypeCancelled)
	<-gone
}

func TestRetryAfterIsTheLeastWait(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, " 7 ": 7 * time.Second, "86400": 24 * time.Hour, "86401": 24 * time.Hour,
		"99999999999999999999999": 24 * time.Hour, "-5": 0, "soon": 0, "1.5": 0,
		"Sun, 01 Mar 2026 12:01:00 GMT": time.Minute, "Sun, 01 Mar 2026 11:00:00 GMT": 0, "Mon, 01 Mar 2027 12:00:00 GMT": 24 * time.Hour,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(429)
	})
	if r := newHTTP(t, HTTPConfig{URL: s.URL}).Execute(t.Context(), task()); r.Outcome != Failed || r.RetryAfter != 90*time.Second {
		t.Errorf("%v %v", r.Outcome, r.RetryAfter)
	}
}

func TestConnectionRefusedIsAFailureWithoutTheURL(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	r := newHTTP(t, HTTPConfig{URL: "http://" + l.Addr().String() + "/?token=secret"}).Execute(t.Context(), task())
	wantOutcome(t, r, Failed, TypeHTTP)
	if strings.Contains(r.Message, "secret") || !strings.Contains(r.Message, "refused") {
		t.Error(r.Message)
	}
}

func TestProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	var hits atomic.Int32
	proxy := serve(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	tr := newHTTP(t, HTTPConfig{URL: "http://192.0.2.1.example.invalid/"}).client.Transport.(*http.Transport)
	if tr.Proxy != nil { // the environment is read once in a process, so the effect alone could miss it
		t.Error("the transport has a proxy")
	}
	tk := task()
	tk.Timeout = 2 * time.Second
	if r := newHTTP(t, HTTPConfig{URL: "http://name.invalid/"}).Execute(t.Context(), tk); r.Outcome == Completed || hits.Load() != 0 {
		t.Errorf("%v, %d hits on the proxy", r.Outcome, hits.Load())
	}
}
