// Package openapi owns the OpenAPI 3.1 document: it makes it from the table of routes and from the Go types of the
// bodies, so that the document cannot say anything else than the code. What the routes are is the server's.
package openapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// Operation is what the document says of a route.
type Operation struct {
	Method      string
	Pattern     string // as chi has it, such as /v1/jobs/{id}
	Tag         string
	Summary     string
	Description string
	Query       []Parameter
	Headers     []Parameter
	Body        any      // a value of the body's type; nil = none
	BodyKinds   []string // beside application/json
	Answers     map[int]any
	Problems    []wire.Code // beside those that every route may answer
	Scope       job.Scope   // of the token
}

// Parameter is a parameter of the query, or a header.
type Parameter struct {
	Name   string
	Doc    string
	Schema map[string]any
}

// Everywhere are the problems that every route may answer.
var Everywhere = []wire.Code{wire.CodeUnauthorized, wire.CodeForbidden, wire.CodeRate, wire.CodeHost, wire.CodeInvalid, wire.CodeInternal, wire.CodeUnavailable}

// Document makes the document as JSON.
func Document(version string, operations []Operation) ([]byte, error) {
	g := &generator{schemas: map[string]any{}}
	paths := map[string]map[string]any{}
	for _, o := range operations {
		if paths[o.Pattern] == nil {
			paths[o.Pattern] = map[string]any{}
		}
		paths[o.Pattern][strings.ToLower(o.Method)] = g.operation(o)
	}
	b, err := json.MarshalIndent(map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title": "slotq", "version": version,
			"description": "A job queue on a SQL database. Bodies are JSON, times RFC 3339 in UTC, durations numbers of seconds. " +
				"Errors are application/problem+json (RFC 9457); the type of each is stable.",
		},
		"paths": paths,
		"components": map[string]any{"schemas": g.schemas, "securitySchemes": map[string]any{"token": map[string]any{
			"type": "http", "scheme": "bearer", "description": "A token of `manager tokens create`. An api on loopback needs none until the first one is made.",
		}}},
	}, "", " ")
	if err != nil {
		return nil, fmt.Errorf("make the OpenAPI document: %w", err)
	}
	return b, nil
}

// Statuses are the statuses that an operation may answer with.
func (o Operation) Statuses() map[int]bool {
	all := map[int]bool{}
	for status := range o.Answers {
		all[status] = true
	}
	for _, code := range o.problems() {
		all[wire.NewProblem(code, "").Status] = true
	}
	return all
}

func (o Operation) problems() []wire.Code {
	all := append([]wire.Code(nil), o.Problems...)
	if o.Method != http.MethodGet {
		all = append(all, wire.CodeCrossOrigin)
	}
	if o.Body != nil {
		all = append(all, wire.CodeMalformed, wire.CodeTooLarge, wire.CodeMediaType)
	}
	return append(all, Everywhere...)
}

func (g *generator) operation(o Operation) map[string]any {
	out := map[string]any{"summary": o.Summary, "tags": []string{o.Tag}, "operationId": operationID(o)}
	out["description"] = strings.TrimSpace(o.Description + " Needs a token with the scope " + string(o.Scope) + ".")
	out["security"] = []any{map[string]any{"token": []string{string(o.Scope)}}, map[string]any{}} // the second: none, while there are no tokens
	var parameters []any
	for part := range strings.SplitSeq(o.Pattern, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			parameters = append(parameters, map[string]any{
				"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": map[string]any{"type": "string"},
			})
		}
	}
	for _, p := range o.Query {
		parameters = append(parameters, map[string]any{"name": p.Name, "in": "query", "description": p.Doc, "schema": p.Schema})
	}
	for _, p := range o.Headers {
		parameters = append(parameters, map[string]any{"name": p.Name, "in": "header", "description": p.Doc, "schema": p.Schema})
	}
	if parameters != nil {
		out["parameters"] = parameters
	}
	if o.Body != nil {
		content := map[string]any{}
		for _, kind := range append([]string{"application/json"}, o.BodyKinds...) {
			content[kind] = map[string]any{"schema": g.of(o.Body, true)}
		}
		out["requestBody"] = map[string]any{"required": true, "content": content}
	}
	answers := map[string]any{}
	for status, body := range o.Answers {
		answer := map[string]any{"description": http.StatusText(status)}
		if body != nil {
			answer["content"] = map[string]any{"application/json": map[string]any{"schema": g.of(body, false)}}
		}
		answers[strconv.Itoa(status)] = answer
	}
	titles := map[int][]string{}
	for _, code := range o.problems() {
		p := wire.NewProblem(code, "")
		titles[p.Status] = append(titles[p.Status], p.Title+" ("+p.Type+").")
	}
	for status, texts := range titles {
		answers[strconv.Itoa(status)] = map[string]any{
			"description": strings.Join(texts, " "),
			"content":     map[string]any{"application/problem+json": map[string]any{"schema": g.of(wire.Problem{}, false)}},
		}
	}
	out["responses"] = answers
	return out
}

// operationID is what generators of clients name the call, such as post_v1_jobs_id_cancel.
func operationID(o Operation) string {
	return strings.ToLower(o.Method) + strings.NewReplacer("/", "_", "{", "", "}", "").Replace(o.Pattern)
}
