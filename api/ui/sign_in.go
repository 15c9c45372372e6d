package ui

import (
	"net/http"
	"strings"

	"github.com/slotq/slotq/shared/wire"
)

// Door is who knows tokens and lets browsers in.
type Door interface {
	SignIn(w http.ResponseWriter, r *http.Request, secret string) error // a *wire.Problem to show
	SignOut(w http.ResponseWriter)
	SignedIn(r *http.Request) bool
}

// secretBytes is more than the form with a secret takes.
const secretBytes = 4 << 10

var signInPage = parse("sign-in.html")

// tokenForm shows the form, and what was wrong with the last try. That its template fails is a fault of the program that every
// test of it would meet.
func tokenForm(w http.ResponseWriter, r *http.Request, wrong string, status int) {
	_ = render(w, signInPage, frame{Root: root(r), Title: "Sign in", Page: wrong}, status)
}

func askToken(w http.ResponseWriter, r *http.Request) { tokenForm(w, r, "", http.StatusOK) }

func signIn(door Door) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, secretBytes)
		if err := r.ParseForm(); err != nil {
			tokenForm(w, r, "Give the secret of a token in the form.", http.StatusBadRequest)
			return
		}
		if err := door.SignIn(w, r, strings.TrimSpace(r.PostForm.Get("token"))); err != nil {
			p := wire.ProblemOf(err)
			tokenForm(w, r, p.Title+". "+p.Detail, p.Status)
			return
		}
		sendTo(w, root(r))
	}
}

func signOut(door Door) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		door.SignOut(w)
		sendTo(w, root(r)+"sign-in")
	}
}
