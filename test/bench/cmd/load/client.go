package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// client is one connection.
type client struct {
	answered int
	took     []int64 // microseconds
}

// run sends the same request again and again while take says so.
func (c *client) run(address string, request []byte, take func() (time.Time, bool)) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for {
		at, more := take()
		if !more {
			return nil
		}
		time.Sleep(time.Until(at))
		start := time.Now()
		if _, err := conn.Write(request); err != nil {
			return err
		}
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			return err
		}
		answer, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		if res.StatusCode/100 != 2 {
			return fmt.Errorf("%s: %s", res.Status, bytes.TrimSpace(answer[:min(len(answer), 200)]))
		}
		c.answered++
		c.took = append(c.took, time.Since(start).Microseconds())
	}
}

// request is one POST with its head. A job's payload is 100 bytes.
func request(s settings) []byte {
	job := `{"queue":"bench","kind":"noop","payload":"` + strings.Repeat("x", 98) + `"}`
	body, path := job, s.path
	if s.batch > 1 {
		body = `{"jobs":[` + strings.TrimSuffix(strings.Repeat(job+",", s.batch), ",") + `]}`
		path += "/batch"
	}
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}
