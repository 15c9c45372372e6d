// Package ui owns the pages for people: an overview of queues and workers, the documentation of the calls, and the form to
// sign in with a token, made on the server without scripts. What is shown comes from the store and the OpenAPI document;
// it changes nothing.
package ui

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"
)

//go:embed pages
var files embed.FS

// policy allows a page its own style sheet and nothing else, so that a job's text, should it ever get into a page as
// more than text, could do nothing.
const policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Pages are the routes of the pages by pattern: GET, or the method that it begins with. document is the OpenAPI document.
func Pages(source Source, document []byte, door Door, log *slog.Logger) (map[string]http.Handler, error) {
	docs, err := newDocs(document)
	if err != nil {
		return nil, err
	}
	return map[string]http.Handler{
		"/":              &overview{source: source, door: door, log: log},
		"/docs":          docs,
		"/style.css":     http.HandlerFunc(style),
		"/sign-in":       http.HandlerFunc(askToken),
		"POST /sign-in":  signIn(door),
		"POST /sign-out": signOut(door),
	}, nil
}

func parse(name string) *template.Template {
	return template.Must(template.New(name).Funcs(template.FuncMap{"ago": ago}).ParseFS(files, "pages/"+name))
}

// ago is a time for people: how long before now.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "–"
	}
	d := now.Sub(t)
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	}
	return fmt.Sprintf("%d h ago", d/time.Hour)
}

// render writes a page, or nothing of it.
func render(w http.ResponseWriter, t *template.Template, data any, status int) error {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		http.Error(w, "The page cannot be shown; the server's log says why.", http.StatusInternalServerError)
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who hung up does not read this
	return nil
}

func style(w http.ResponseWriter, _ *http.Request) {
	b, err := files.ReadFile("pages/style.css")
	if err != nil {
		panic(err) // it is embedded
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(b)
}
