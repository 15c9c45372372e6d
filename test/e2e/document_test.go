package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/slotq/slotq/test/e2e/system"
)

// document is the api's own description of itself, which all its answers are held against.
type document struct {
	s      *system.System
	doc    *openapi3.T
	router routers.Router

	mu   sync.Mutex
	seen map[string]bool // "GET /v1/jobs 200"
}

func newDocument(t *testing.T, s *system.System) *document {
	t.Helper()
	a := ask(t, s, http.MethodGet, "/openapi.json", "")
	if a.status != http.StatusOK {
		t.Fatalf("/openapi.json: %d %s", a.status, a.body)
	}
	doc := must(openapi3.NewLoader().LoadFromData(a.body))(t)
	doc.Servers = nil
	return &document{s: s, doc: doc, router: must(gorillamux.NewRouter(doc))(t), seen: map[string]bool{}}
}

// ask sends a request and checks the answer: the document has it for this route, with this status and this body.
func (d *document) ask(t testing.TB, method, path, body string, headers ...string) answer {
	t.Helper()
	a := ask(t, d.s, method, path, body, headers...)
	d.holds(t, method, path, a)
	return a
}

func (d *document) holds(t testing.TB, method, path string, a answer) {
	t.Helper()
	req, err := http.NewRequest(method, path, nil)
	check(t, err)
	route, parameters, err := d.router.FindRoute(req)
	if err != nil {
		if a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s %s is not in the document, its answer is %d", method, path, a.status)
		}
		return
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: parameters, Route: route},
		Status:                 a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(context.Background(), input); err != nil {
		t.Errorf("%s %s: the answer %d %.300s is not what the document says: %v", method, path, a.status, a.body, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen[fmt.Sprintf("%s %s %d", method, route.Path, a.status)] = true
}

// complete fails the test for what the document says and no test has seen.
func (d *document) complete(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(d.doc.Paths.Map())) {
		for method, operation := range d.doc.Paths.Value(path).Operations() {
			for text := range operation.Responses.Map() {
				status, err := strconv.Atoi(text)
				check(t, err)
				switch status {
				case http.StatusInternalServerError: // a defect; there is none to show it with
				case http.StatusServiceUnavailable: // the database away has a test of its own
				case http.StatusForbidden, http.StatusTooManyRequests: // who may what, and how often, is tried by the api's own tests, for each call
				default:
					if name := fmt.Sprintf("%s %s %d", method, path, status); !d.seen[name] {
						t.Errorf("%s is documented and was never seen", name)
					}
				}
			}
		}
	}
}

// each calls fn for every documented call, with a path in which the parameters stand.
func (d *document) each(fn func(method, path string, o *openapi3.Operation)) {
	for _, path := range slices.Sorted(maps.Keys(d.doc.Paths.Map())) {
		for method, o := range d.doc.Paths.Value(path).Operations() {
			fn(method, path, o)
		}
	}
}

// filled puts values into a path's parameters.
func filled(path, id, name string) string {
	return strings.NewReplacer("{id}", id, "{name}", name).Replace(path)
}
