package executor

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// MaxRetryAfter bounds what a Retry-After header can ask for.
const MaxRetryAfter = 24 * time.Hour

// DefaultDiscardOn are the statuses that discard a job when a handler lists none: an answer that will be the same next
// time.
func DefaultDiscardOn() []int { return []int{400, 410, 413, 415, 422} }

// HTTPConfig says how to run the jobs of one kind as HTTP requests.
type HTTPConfig struct {
	// URL is the target, http or https, without user and password.
	URL string
	// Secrets sign the requests; without any they are not signed.
	Secrets Secrets
	// Allow are the loopback and private ranges that the target may be in. Link-local, multicast and reserved ranges and
	// the metadata services of clouds are refused whatever it says.
	Allow []netip.Prefix
	// DiscardOn are the statuses that discard the job; nil means DefaultDiscardOn, empty none. A 2xx always completes.
	DiscardOn []int
}

// HTTP runs jobs as POST requests: the payload is the body, 2xx completes, DiscardOn discards, all else (redirects
// included, which are not followed) fails. The first OutputLimit bytes of the answer's body are the output, and the
// rest is not read. Nothing that the target says gets into Result.Message, but what its certificate is for.
//
// The request is sent once a run. It carries webhook-id (the job's id), webhook-timestamp and webhook-signature as
// Standard Webhooks has them, and slotq-attempt, slotq-run, slotq-kind and slotq-queue.
type HTTP struct {
	cfg    HTTPConfig
	client *http.Client
}

// NewHTTP returns the executor for one kind. It fails when the URL is no absolute http or https URL, has a user in it,
// or names an address that Allow does not cover.
func NewHTTP(cfg HTTPConfig) (*HTTP, error) {
	if err := checkURL(cfg.URL, cfg.Allow); err != nil {
		return nil, err
	}
	if cfg.DiscardOn == nil {
		cfg.DiscardOn = DefaultDiscardOn()
	}
	h := &HTTP{cfg: cfg}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second, ControlContext: h.control}
	h.client = &http.Client{
		Transport: &http.Transport{
			// Proxy stays nil: a proxy of the environment would make the connection, past the check of the address.
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    10 * time.Second,
			IdleConnTimeout:        30 * time.Second,
			MaxIdleConnsPerHost:    32,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true, // the bound on the answer counts the bytes that arrive
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return h, nil
}

func checkURL(text string, allow []netip.Prefix) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("the URL cannot be parsed") // not err: it repeats the URL, which may hold a password
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the URL must begin with http:// or https://")
	case u.Hostname() == "":
		return errors.New("the URL has no host")
	case u.User != nil:
		return errors.New("the URL has a user or password in it: sign the requests with secret_env instead")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("the URL's port %s is not within 1 to 65535", port)
		}
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		return checkAddress(addr, allow)
	}
	return nil
}

// errAddress marks a refusal by checkAddress on its way through the HTTP client.
type errAddress struct{ err error }

func (e errAddress) Error() string { return e.err.Error() }

func (h *HTTP) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return errAddress{fmt.Errorf("%s %s is no TCP address", network, address)}
	}
	if err := checkAddress(to.Addr(), h.cfg.Allow); err != nil && !addressUnchecked {
		return errAddress{err}
	}
	return nil
}

// Close drops idle connections. Runs that are going on are not touched.
func (h *HTTP) Close() { h.client.CloseIdleConnections() }

// Execute implements Executor.
func (h *HTTP) Execute(ctx context.Context, task Task) Result {
	if ctx.Err() != nil {
		return stopped(context.Cause(ctx), task, "")
	}
	ctx, cancel := withTimeout(ctx, task)
	defer cancel()
	req, err := h.request(ctx, task)
	if err != nil {
		return Result{Outcome: Failed, ErrorType: TypeHTTP, Message: message(err.Error(), "")}
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return failure(ctx, task, err, nil)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, OutputLimit))
	if err != nil {
		return failure(ctx, task, fmt.Errorf("reading the answer (status %d): %w", resp.StatusCode, err), body)
	}
	return h.result(resp, body)
}

func (h *HTTP) request(ctx context.Context, task Task) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.URL, bytes.NewReader(task.Payload))
	if err != nil {
		return nil, errors.New("the request cannot be made from the handler's URL")
	}
	// No Idempotency-Key header: the transport would then send the request again by itself on a connection that broke, and
	// a retry is an attempt of the job.
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "slotq")
	req.Header.Set("Webhook-Id", task.ID)
	timestamp, signature := h.cfg.Secrets.sign(task.ID, time.Now(), task.Payload)
	req.Header.Set("Webhook-Timestamp", timestamp)
	if signature != "" {
		req.Header.Set("Webhook-Signature", signature)
	}
	req.Header.Set("Slotq-Attempt", strconv.Itoa(task.Attempt))
	req.Header.Set("Slotq-Run", strconv.Itoa(task.Run))
	req.Header.Set("Slotq-Kind", task.Kind)
	req.Header.Set("Slotq-Queue", task.Queue)
	return req, nil
}

// failure is the Result of a request without a whole answer.
func failure(ctx context.Context, task Task, err error, body []byte) Result {
	if ctx.Err() != nil {
		r := stopped(context.Cause(ctx), task, "")
		r.Output = body
		return r
	}
	r := Result{Outcome: Failed, ErrorType: TypeHTTP, Output: body}
	var refused errAddress
	var wrapped *url.Error
	if errors.As(err, &refused) {
		r.ErrorType, err = TypeAddress, refused
	} else if errors.As(err, &wrapped) {
		err = wrapped.Err // without the URL, whose query may hold a token
	}
	r.Message = message(err.Error(), "")
	if quotes(err) {
		r.Message, r.Answer = "no answer in HTTP that could be read", beginning([]byte(err.Error()))
	}
	return r
}

// quotes reports whether the text of an error may have bytes of the target in it, such as "malformed HTTP response" has. That
// is all but what is known to have none, since the HTTP client has many errors without a type.
func quotes(err error) bool {
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, http.ErrSchemeMismatch} {
		if errors.Is(err, known) {
			return false
		}
	}
	for _, known := range []any{new(errAddress), new(net.Error), new(*tls.CertificateVerificationError), new(tls.RecordHeaderError)} {
		if errors.As(err, known) {
			return false
		}
	}
	return true
}

// beginning is the part of an answer that an error keeps.
func beginning(body []byte) string {
	return strings.ToValidUTF8(clean(string(body[:min(len(body), AnswerLimit)])), "")
}

func (h *HTTP) result(resp *http.Response, body []byte) Result {
	r := Result{Output: body}
	status := resp.StatusCode
	if status >= 200 && status <= 299 {
		r.Outcome = Completed
		return r
	}
	what := fmt.Sprintf("status %d %s", status, http.StatusText(status))
	r.ErrorType = TypeHTTPStatus
	switch {
	case slices.Contains(h.cfg.DiscardOn, status):
		r.Outcome, what = Discarded, what+", which discards the job"
	case status >= 300 && status <= 399:
		r.Outcome, what = Failed, what+": redirects are not followed"
	default:
		r.Outcome = Failed
	}
	if r.Outcome == Failed {
		r.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	r.Message, r.Answer = message(what, ""), beginning(body)
	if answerTold {
		r.Message += ": " + r.Answer
	}
	return r
}

// retryAfter reads a Retry-After header, seconds or a date, as a wait from now of at most MaxRetryAfter. What cannot be
// read, or has passed, is 0.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(MaxRetryAfter/time.Second) { // only too large is left as an error
			return MaxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}
