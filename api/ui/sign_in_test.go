package ui

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/wire"
)

// door lets one secret in.
type door struct{ signed bool }

const right = "slotq_right"

func (d *door) SignIn(w http.ResponseWriter, _ *http.Request, secret string) error {
	if secret != right {
		return wire.NewProblem(wire.CodeUnauthorized, "Ask <an> operator.")
	}
	http.SetCookie(w, &http.Cookie{Name: "in", Value: "1"})
	return nil
}

func (d *door) SignOut(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: "in", MaxAge: -1})
}
func (d *door) SignedIn(*http.Request) bool { return d.signed }

func post(t *testing.T, path, body string) *http.Response {
	t.Helper()
	pages, err := Pages(&source{}, []byte(sample), &door{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	pages["POST "+path].ServeHTTP(rec, r)
	return rec.Result()
}

func TestATokenSignsInAndOut(t *testing.T) {
	if body := text(t, get(t, &source{}, "/sign-in")); !strings.Contains(body, `name="token"`) || strings.Contains(body, `class="trouble"`) {
		t.Errorf("the form: %s", body)
	}
	r := post(t, "/sign-in", url.Values{"token": {" " + right + "\n"}}.Encode()) // pasted
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/" || len(r.Cookies()) != 1 {
		t.Errorf("signed in: %d %v", r.StatusCode, r.Header)
	}
	r = post(t, "/sign-out", "")
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/sign-in" || r.Cookies()[0].MaxAge >= 0 {
		t.Errorf("signed out: %d %v", r.StatusCode, r.Header)
	}
}

func TestAWrongTokenShowsTheFormAgainWithoutTheToken(t *testing.T) {
	r := post(t, "/sign-in", "token=wr0ng")
	if body := text(t, r); r.StatusCode != 401 || len(r.Cookies()) != 0 || strings.Contains(body, "wr0ng") || !strings.Contains(body, "Ask &lt;an&gt; operator.") {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	if r := post(t, "/sign-in", "token="+strings.Repeat("x", formBytes)); r.StatusCode != 400 {
		t.Errorf("a form that is too large: %d", r.StatusCode)
	}
}

func TestWhoIsSignedInCanSignOut(t *testing.T) {
	for _, signed := range []bool{true, false} {
		pages, err := Pages(&source{}, []byte(sample), &door{signed}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		rec := httptest.NewRecorder()
		pages["/"].ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		if strings.Contains(rec.Body.String(), "/sign-out") != signed {
			t.Errorf("signed in %v: %s", signed, rec.Body)
		}
	}
}
