package ui

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

//go:embed templates
var templates embed.FS

// policy allows a page its own scripts and style sheets and nothing else: a job's text, should it ever get into a page as
// more than text, could do nothing.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// frame is what every page shows around its own part. Links are relative to where the page is, so that the api may stand under
// any path of a proxy that takes the path away, without a setting and without trust in a header.
type frame struct {
	Root   string // the way up to the overview, such as ./ or ../
	Here   string // the entry of the menu
	Title  string
	Signed bool // in: it can sign out
	Can    can
	Note   string // what a form has just done
	Every  int    // ms after which the page asks for itself again; 0 = never
	Now    time.Time
	Page   any
}

// can is what the visitor may do; what is not offered would be refused too.
type can struct{ Enqueue, Operate, Admin, Payload, Demo bool }

// look is one request for a page.
type look struct {
	*site
	ctx   context.Context
	r     *http.Request
	can   can
	now   time.Time
	title string // when it is another than the menu's
	still bool   // the page does not ask for itself again
}

// How often a page asks for itself again: often enough to be live, and such that making it takes a twentieth of the time.
const (
	every = 2 * time.Second
	share = 20
)

func (s *site) look(r *http.Request, ctx context.Context) *look {
	return &look{site: s, ctx: ctx, r: r, now: s.API.Now().Time(), can: can{
		Enqueue: s.API.May(ctx, job.ScopeEnqueue), Operate: s.API.May(ctx, job.ScopeOperate), Admin: s.API.May(ctx, job.ScopeAdmin),
		Payload: s.API.May(ctx, job.ScopeReadPayload), Demo: s.Demo && s.API.May(ctx, job.ScopeEnqueue) && s.API.Sees(ctx, demoQueue),
	}}
}

// page serves what view makes.
func (s *site) page(name, here string, view func(*look) (any, error)) http.HandlerFunc {
	t := parse(name)
	return func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		ctx, err := s.API.Admit(w, r)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		l := s.look(r, ctx)
		page, err := view(l)
		if on := (elsewhere{}); errors.As(err, &on) {
			sendTo(w, root(r)+on.to)
			return
		}
		if err != nil {
			s.trouble(w, r, here, l.can, err)
			return
		}
		f := frame{Root: root(r), Here: here, Title: here, Signed: s.API.SignedIn(r), Can: l.can, Note: notes[r.URL.Query().Get("note")], Now: l.now, Page: page}
		if l.title != "" {
			f.Title = l.title
		}
		if !l.still {
			f.Every = int(max(every, share*time.Since(begun)).Milliseconds())
		}
		s.show(w, t, f, http.StatusOK)
	}
}

// formBytes is the most that a form may send: a payload of the usual size and what stands around it.
const formBytes = 1 << 20

// form does what a form asks for and sends the browser on, to a place from the top and with a note of what was done.
func (s *site) form(do func(l *look, form url.Values) (to, note string, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, err := s.API.Admit(w, r)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		l := s.look(r, ctx)
		r.Body = http.MaxBytesReader(w, r.Body, formBytes)
		if err = r.ParseForm(); err != nil {
			err = wire.NewProblem(wire.CodeMalformed, "The form was not read: it may have at most 1 MiB.")
		}
		to, note := "", ""
		if err == nil {
			to, note, err = do(l, r.PostForm)
		}
		if err != nil {
			s.trouble(w, r, "", l.can, err)
			return
		}
		if note != "" {
			to += map[bool]string{true: "&", false: "?"}[strings.Contains(to, "?")] + "note=" + note
		}
		sendTo(w, root(r)+to)
	}
}

// sendTo answers a form with another page. http.Redirect would make the relative link an absolute one, without a proxy's path.
func sendTo(w http.ResponseWriter, link string) {
	w.Header().Set("Location", link)
	w.WriteHeader(http.StatusSeeOther)
}

// refuse answers those who may not see the page: people who have no token are sent to where they can give one.
func (s *site) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if wire.ProblemOf(err).Code() == wire.CodeUnauthorized && strings.Contains(r.Header.Get("Accept"), "text/html") {
		sendTo(w, root(r)+"sign-in")
		return
	}
	s.trouble(w, r, "", can{}, err)
}

// trouble is what a person is told of a call that failed.
type trouble struct {
	Title, Detail string
	Fields        []wire.FieldError
	Unsure        bool // a form may have done what it asked for
}

func (s *site) troubleOf(err error) trouble {
	p := &wire.Problem{}
	if !errors.As(err, &p) {
		// The calls log what they fail with; this is what no call has.
		p = wire.ProblemOf(err)
		if p.Code() == wire.CodeInternal {
			s.Log.Error("a page cannot be shown", "error", err)
		}
	}
	return trouble{p.Title, p.Detail, p.Errors, p.Status >= http.StatusInternalServerError}
}

var troublePage = parse("trouble.html")

func (s *site) trouble(w http.ResponseWriter, r *http.Request, here string, may can, err error) {
	f := frame{Root: root(r), Here: here, Title: "Trouble", Signed: s.API.SignedIn(r), Can: may, Now: time.Now(), Page: s.troubleOf(err)}
	status := wire.ProblemOf(err).Status
	if r.Method == http.MethodGet && (status >= http.StatusInternalServerError || status == http.StatusTooManyRequests) {
		f.Every = int(every.Milliseconds()) // it may be over
	}
	s.show(w, troublePage, f, status)
}

// root is the way from a page up to the overview.
func root(r *http.Request) string {
	if up := strings.Count(r.URL.EscapedPath(), "/") - 1; up > 0 {
		return strings.Repeat("../", up)
	}
	return "./"
}

func parse(name string) *template.Template {
	return template.Must(template.New(name).Funcs(words).ParseFS(templates, "templates/layout.html", "templates/parts.html", "templates/"+name))
}

// show writes a page, or nothing of it.
func (s *site) show(w http.ResponseWriter, t *template.Template, f frame, status int) {
	if err := render(w, t, f, status); err != nil {
		s.Log.Error("a page cannot be rendered", "page", f.Title, "error", err)
	}
}

func render(w http.ResponseWriter, t *template.Template, f frame, status int) error {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout.html", f); err != nil {
		http.Error(w, "The page cannot be shown; the server's log says why.", http.StatusInternalServerError)
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who hung up does not read this
	return nil
}
