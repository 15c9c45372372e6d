package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Client talks to an api. It is safe for concurrent use.
//
// It sends every request once; WithRetries makes one that sends it again where that is safe. Errors are asked about with
// errors.Is for the domain's, such as job.ErrNotFound, errors.As for a *Problem, and Temporary.
type Client struct {
	base *url.URL
	http *http.Client

	secret   job.APISecret // "" = none
	retryFor time.Duration // 0 = every request is sent once
}

// NewClient makes a client of the api at base, such as "http://127.0.0.1:8080". A nil h is a client of its own that
// gives a request 30 s, more than the api takes for any.
func NewClient(base string, h *http.Client) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("the api's address: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the api's address must be like http://127.0.0.1:8080")
	}
	if h == nil {
		h = &http.Client{Timeout: 30 * time.Second}
	}
	return &Client{base: u, http: h}, nil
}

// WithToken returns a client that sends the secret of a token with every request. Beyond this machine send it over https
// alone.
func (c *Client) WithToken(secret string) *Client {
	with := *c
	with.secret = job.APISecret(secret)
	return &with
}

// request is one call; path is made of segments, see there.
type request struct {
	method string
	path   []string
	query  url.Values
	header http.Header
	body   any  // nil = none
	named  bool // it has an id or an Idempotency-Key: sent twice it is carried out once
}

// segments escapes the parts of a path. A name comes from anywhere: it must not lead to another call, by a slash in it or by being
// a step up.
func segments(path []string) ([]string, error) {
	escaped := make([]string, len(path))
	for i, part := range path {
		if part == "" || part == "." || part == ".." {
			return nil, fmt.Errorf("make the request: nothing has the name %q: %w", part, job.ErrNotFound)
		}
		escaped[i] = url.PathEscape(part)
	}
	return escaped, nil
}

// send sends a request and reads the answer into out, which may be nil. A status of 400 or above comes back as a
// *Problem.
func (c *Client) send(ctx context.Context, r request, out any) error {
	var body io.Reader
	if r.body != nil {
		b, err := Marshal(r.body)
		if err != nil {
			return fmt.Errorf("make the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	path, err := segments(r.path)
	if err != nil {
		return err
	}
	u := c.base.JoinPath(path...)
	u.RawQuery = r.query.Encode()
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	if c.secret != "" {
		req.Header.Set("Authorization", "Bearer "+c.secret.Reveal())
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%w that is whole: %w", ErrNoAnswer, err)
	}
	if res.StatusCode >= 400 {
		return problem(res, answer)
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("read the api's answer (status %d): %w", res.StatusCode, err)
	}
	return nil
}

// problem reads an error; what is no problem+json, say from a proxy in between, becomes one without a type.
func problem(res *http.Response, answer []byte) error {
	p := &Problem{}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if kind != "application/problem+json" || json.Unmarshal(answer, p) != nil {
		p = &Problem{Type: "about:blank", Title: res.Status, Detail: strings.TrimSpace(string(answer[:min(len(answer), 200)]))}
	}
	p.Status = res.StatusCode
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	return p
}
