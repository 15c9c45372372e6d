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

// formBytes is more than the form with a secret takes.
const formBytes = 4 << 10

var signInPage = parse("sign-in.html")

// form shows the form, and what was wrong with the last try. That its template fails is a fault of the program that every
// test of it would meet.
func form(w http.ResponseWriter, wrong string, status int) { _ = render(w, signInPage, wrong, status) }

func askToken(w http.ResponseWriter, _ *http.Request) { form(w, "", http.StatusOK) }

func signIn(door Door) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, formBytes)
		if err := r.ParseForm(); err != nil {
			form(w, "Give the secret of a token in the form.", http.StatusBadRequest)
			return
		}
		if err := door.SignIn(w, r, strings.TrimSpace(r.PostForm.Get("token"))); err != nil {
			p := wire.ProblemOf(err)
			form(w, p.Title+". "+p.Detail, p.Status)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

func signOut(door Door) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		door.SignOut(w)
		http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	}
}
