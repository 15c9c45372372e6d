package server

import (
	"context"
	"net/http"
	"net/url"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// cookieName: with this prefix a browser takes the cookie only from a secure origin, for this host alone and all of its
// paths, so that no other host can plant one. Browsers but Safari take localhost and 127.0.0.1 for secure over plain http
// too. A second cookie without Secure, for that case, was given up: it would be sent in the clear wherever somebody
// forgets https, and whoever is on the way could plant it.
const cookieName = "__Host-slotq"

// SignIn checks the secret of a token and gives it to the browser as a cookie, until the browser ends: without a session
// here it works at every api of the database and ends with the token. Calls take it for reading alone (GET), the page for
// its forms too, where they are its own (see Admit), and it is sent with links from other sites, so that one in a chat opens, but
// with nothing else of theirs (SameSite); no script sees it. The error is a *wire.Problem to show.
func (s *Server) SignIn(w http.ResponseWriter, r *http.Request, text string) error {
	secret := job.APISecret(text)
	if wrong := secret.Check(); wrong != "" {
		return wire.NewProblem(wire.CodeUnauthorized, "The secret of a token "+wrong+".")
	}
	a, wrong, err := s.admit(r, secret)
	if wrong != "" {
		return wire.NewProblem(wire.CodeUnauthorized, wrong)
	}
	if err == nil {
		err = a.reads()
	}
	if err != nil {
		if wire.ProblemOf(err).Code() == wire.CodeInternal {
			s.Log.Error("sign in", "error", err)
		}
		return wire.ProblemOf(err)
	}
	http.SetCookie(w, cookie(secret.Reveal(), 0))
	return nil
}

// SignOut takes the cookie away.
func (s *Server) SignOut(w http.ResponseWriter) { http.SetCookie(w, cookie("", -1)) }

// SignedIn says whether the browser has a cookie.
func (s *Server) SignedIn(r *http.Request) bool {
	_, err := r.Cookie(cookieName)
	return err == nil
}

func cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// Admit finds out what the visitor of a page may do, and returns the context that the page's calls need. A form's POST is
// taken with the cookie when the browser says that a page of ours has sent it. The error is a *wire.Problem to show.
func (s *Server) Admit(w http.ResponseWriter, r *http.Request) (context.Context, error) {
	a, err := s.access(w, r, safe(r) || ownForm(r))
	if err == nil {
		err = a.reads()
	}
	if err != nil {
		p := wire.ProblemOf(err)
		s.advise(w, r, p, err)
		return nil, p
	}
	return context.WithValue(r.Context(), accessKey{}, a), nil
}

func (a access) reads() error {
	if a.can(job.ScopeRead) {
		return nil
	}
	return wire.NewProblem(wire.CodeForbidden, "The page needs a token with the scope read: an operator makes one with `manager tokens create --scope=read`.")
}

func safe(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// ownForm says that a page of this very origin has sent the request. All browsers of today say so in one of the two headers;
// what says neither is no browser, or one that nobody should trust with a cookie.
func ownForm(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && origin.Host != "" && origin.Host == r.Host
}

// visitor is the access of a browser. ok false: it has no cookie of a token that is valid, which is as if it
// had none.
func (s *Server) visitor(r *http.Request) (a access, ok bool, err error) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return access{}, false, nil
	}
	secret := job.APISecret(c.Value)
	if secret.Check() != "" {
		return access{}, false, nil
	}
	a, wrong, err := s.admit(r, secret)
	return a, wrong == "" && err == nil, err
}
