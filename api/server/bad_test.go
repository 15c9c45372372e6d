package server

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/wire"
)

// secret stands in every bad value: no answer may repeat it.
const secret = "s3cr3t"

func TestABadJobIsRefusedWithAPointerAndWithoutEchoingItsValue(t *testing.T) {
	e := start(t)
	long := strings.Repeat("x", 129)
	for body, pointers := range map[string]string{
		`{}`:                                                                  "#/kind",
		`{"kind":""}`:                                                         "#/kind",
		`{"kind":"a ` + secret + `"}`:                                         "#/kind",
		`{"kind":"` + long + `"}`:                                             "#/kind",
		`{"kind":"k` + `\u0000` + secret + `"}`:                               "#/kind",
		`{"kind":"\ud800` + secret + `"}`:                                     "#/kind",
		`{"kind":1}`:                                                          "#/kind",
		`{"kind":null}`:                                                       "#/kind",
		`{"kind":"k","queue":""}`:                                             "#/queue",
		`{"kind":"k","queue":"` + secret + `/"}`:                              "#/queue",
		`{"kind":"k","kind":"k"}`:                                             "#/kind",
		`{"kind":"k","payload":1,"payload":1}`:                                "#/payload",
		`{"kind":"k","Kind":"k"}`:                                             "#/Kind",
		`{"kind":"k","payloads":"` + secret + `"}`:                            "#/payloads",
		`{"kind":"k","a b":"` + secret + `"}`:                                 "#",
		`{"kind":"k","` + strings.Repeat("a", 65) + `":1}`:                    "#",
		`{"kind":"k","\udfff":1}`:                                             "#",
		`{"kind":"k","id":"` + secret + `"}`:                                  "#/id",
		`{"kind":"k","id":"00000000-0000-0000-0000-000000000000"}`:            "#/id",
		`{"kind":"k","priority":0}`:                                           "#/priority",
		`{"kind":"k","priority":5}`:                                           "#/priority",
		`{"kind":"k","priority":1.5}`:                                         "#/priority",
		`{"kind":"k","priority":"1"}`:                                         "#/priority",
		`{"kind":"k","max_attempts":0}`:                                       "#/max_attempts",
		`{"kind":"k","max_attempts":99999999999999999999}`:                    "#/max_attempts",
		`{"kind":"k","max_crashes":-1}`:                                       "#/max_crashes",
		`{"kind":"k","timeout_seconds":0}`:                                    "#/timeout_seconds",
		`{"kind":"k","timeout_seconds":1e400}`:                                "#/timeout_seconds",
		`{"kind":"k","timeout_seconds":1e300}`:                                "#/timeout_seconds",
		`{"kind":"k","backoff":"exponential"}`:                                "#/backoff",
		`{"kind":"k","backoff":{"kind":"` + secret + `"}}`:                    "#/backoff",
		`{"kind":"k","backoff":{"kind":"list","list":[]}}`:                    "#/backoff",
		`{"kind":"k","backoff":{"kind":"list","list":[-1]}}`:                  "#/backoff",
		`{"kind":"k","backoff":{"kind":"list","list":"` + secret + `"}}`:      "#/backoff",
		`{"kind":"k","backoff":{"kind":"exponential"}}`:                       "#/backoff",
		`{"kind":"k","backoff":{"nonsense":1}}`:                               "#/backoff",
		`{"kind":"k","run_at":"9999-12-31T00:00:00Z"}`:                        "#/run_at",
		`{"kind":"k","run_at":"1999-12-31T23:59:59Z"}`:                        "#/run_at",
		`{"kind":"k","run_at":"1970-01-01T00:00:00Z"}`:                        "#/run_at",
		`{"kind":"k","run_at":"0001-01-01T00:00:00Z"}`:                        "#/run_at",
		`{"kind":"k","run_at":"2100-01-01T00:00:00Z"}`:                        "#/run_at",
		`{"kind":"k","run_at":"tomorrow ` + secret + `"}`:                     "#/run_at",
		`{"kind":"k","run_at":"2030-01-31T08:00:00"}`:                         "#/run_at",
		`{"kind":"k","run_at":1700000000}`:                                    "#/run_at",
		`{"kind":"k","expires_at":"9999-12-31T00:00:00Z"}`:                    "#/expires_at",
		`{"kind":"k","delay_seconds":-1}`:                                     "#/delay_seconds",
		`{"kind":"k","delay_seconds":3153600000}`:                             "#/delay_seconds",
		`{"kind":"k","delay_seconds":1e18}`:                                   "#/delay_seconds",
		`{"kind":"k","delay_seconds":5,"run_at":"2030-01-31T08:00:00Z"}`:      "#/delay_seconds",
		`{"kind":"k","unique_key":""}`:                                        "#/unique_key",
		`{"kind":"k","unique_key":"a` + `\u0000` + `"}`:                       "#/unique_key",
		`{"kind":"k","unique_key":"` + strings.Repeat("ü", 128) + `"}`:        "#/unique_key",
		`{"kind":"k","concurrency_key":["` + secret + `"]}`:                   "#/concurrency_key",
		`{"kind":"k","concurrency_limit":2}`:                                  "#/concurrency_limit",
		`{"kind":"k","concurrency_key":"c","concurrency_limit":0}`:            "#/concurrency_limit",
		`{"kind":"k","tags":"` + secret + `"}`:                                "#/tags",
		`{"kind":"k","tags":["a",1]}`:                                         "#/tags",
		`{"kind":"k","tags":[` + strings.Repeat(`"a",`, 32) + `"a"]}`:         "#/tags",
		`{"kind":"k","metadata":["` + secret + `"]}`:                          "#/metadata",
		`{"kind":"k","metadata":{"a":"` + strings.Repeat("x", 16<<10) + `"}}`: "#/metadata",
		`{"kind":"k","payload":"` + strings.Repeat("x", 256<<10) + `"}`:       "#/payload",
		`{"kind":"","queue":"/","priority":9}`:                                "#/kind #/queue #/priority",
		`{"kind":"k","atomic":true}`:                                          "#/atomic",
	} {
		g := e.want(422, "POST", "/v1/jobs", body)
		var got []string
		for _, f := range g.problem.Errors {
			got = append(got, f.Pointer)
			if f.Detail == "" {
				t.Errorf("%.80s: no detail", body)
			}
		}
		if strings.Join(got, " ") != pointers {
			t.Errorf("%.80s: pointers %v, want %s", body, got, pointers)
		}
		if strings.Contains(g.body, secret) {
			t.Errorf("%.80s: the answer repeats the value: %s", body, g.body)
		}
	}
	if page, err := e.client.Page(t.Context(), wire.JobFilter{}, ""); err != nil || len(page.Jobs) > 0 {
		t.Errorf("%d jobs were stored all the same; %v", len(page.Jobs), err)
	}
}

func TestABodyFullOfFaultsIsAnsweredBriefly(t *testing.T) {
	e := start(t)
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, `"f%d":1,`, i)
	}
	if g := e.want(422, "POST", "/v1/jobs", "{"+b.String()+`"kind":"k"}`); len(g.problem.Errors) != maxFieldErrors {
		t.Errorf("%d errors, want %d", len(g.problem.Errors), maxFieldErrors)
	}
	e.want(422, "POST", "/v1/jobs", `{"kind":"`+strings.Repeat("k", 10<<20)+`"}`)
	e.want(422, "POST", "/v1/jobs", `{"kind":"k","payload":`+strings.Repeat(`{"a":`, 10_000)+"1"+strings.Repeat("}", 10_000)+"}")
	e.want(201, "POST", "/v1/jobs", `{"kind":"k","payload":`+strings.Repeat(`[`, 63)+strings.Repeat("]", 63)+"}")
}

func TestABodyOfThreeGigabytesIsRefusedWithoutReadingIt(t *testing.T) {
	e := start(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	// The headers alone: an api that reads would wait for the rest.
	fmt.Fprintf(conn, "POST /v1/jobs/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 3221225472\r\n\r\n")
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 413 ")) {
		t.Errorf("%.300s, %v", answer, err)
	}
}

func TestABodyOfThreeGigabytesWithoutALengthIsCutOff(t *testing.T) {
	e := start(t)
	sent := &counter{r: endless{}}
	r, err := http.NewRequestWithContext(t.Context(), "POST", e.url+"/v1/jobs/batch", io.LimitReader(sent, 3<<30))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil { // the server may also cut the connection while the client still sends
		res.Body.Close()
		if res.StatusCode != 413 {
			t.Errorf("%d, want 413", res.StatusCode)
		}
	}
	if n := sent.n.Load(); n > 64<<20 { // the transport may still be sending
		t.Errorf("%d bytes were read", n)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return copy(b, bytes.Repeat([]byte(" "), len(b))), nil }

type counter struct {
	r io.Reader
	n atomic.Int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}

func TestABodyThatEndsEarlyIsMalformed(t *testing.T) {
	e := start(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"kind\":")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 400 ")) {
		t.Errorf("%.300s, %v", answer, err)
	}
}

func TestTheMemoryForLargeBodiesIsBounded(t *testing.T) {
	e := start(t)
	if !e.server.bodies.TryAcquire(largeBodies * DefaultMaxBody) {
		t.Fatal("some body is still counted")
	}
	g := e.want(503, "POST", "/v1/jobs", `{"kind":"k","payload":"`+strings.Repeat("x", smallBody)+`"}`)
	if !strings.Contains(g.problem.Detail, "Nothing was stored") || g.header.Get("Retry-After") == "" {
		t.Errorf("%s", g.body)
	}
	e.want(201, "POST", "/v1/jobs", `{"kind":"k"}`) // small ones go on
	e.server.bodies.Release(largeBodies * DefaultMaxBody)
	e.want(201, "POST", "/v1/jobs", `{"kind":"k","payload":"`+strings.Repeat("x", smallBody)+`"}`)
	if !e.server.bodies.TryAcquire(largeBodies * DefaultMaxBody) {
		t.Error("a body that was answered is still counted")
	}
}

func TestABadQueryOfAListIsRefused(t *testing.T) {
	e := start(t)
	for query, parameter := range map[string]string{
		"limit=0": "limit", "limit=1001": "limit", "limit=x": "limit", "limit=": "limit", "limit=1&limit=2": "limit", "slot=0": "slot", "slot=1025": "slot",
		"state=done": "state", "state=": "state", "state=available,": "state", "queue=": "queue", "queue=a/b": "queue", "kind=%00": "kind",
		"tag=": "tag", "tag=a%00": "tag", "tag=%ff": "tag", "concurrency_key=": "concurrency_key", "unique_key=": "unique_key", "Queue=a": "Queue", "cursor=x": "cursor",
	} {
		g := e.want(422, "GET", "/v1/jobs?"+query, "")
		if len(g.problem.Errors) != 1 || g.problem.Errors[0].Parameter != parameter {
			t.Errorf("%s: %s", query, g.body)
		}
	}
}
