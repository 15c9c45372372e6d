package app

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

func TestPeopleSignInWithATokenAndOutAgain(t *testing.T) {
	cert, key, pool := certificate(t)
	secret := strings.Repeat("0123456789abcdef", 4)
	address, _ := run(t, sqlite(t), "--listen=127.0.0.1:0", "--tls-cert="+cert, "--tls-key="+key, "--bootstrap-token-file="+secretFile(t, secret))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Transport: transport, Jar: jar}
	base := "https://" + address
	// at is where the browser ends up, and what it shows there.
	at := func(method, path string, form url.Values) (where string, status int, body string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if method == http.MethodPost {
			r.Header.Set("Origin", base)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		res, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.Request.URL.Path, res.StatusCode, string(b)
	}
	if where, status, body := at("GET", "/", nil); where != "/sign-in" || status != 200 || !strings.Contains(body, `name="token"`) {
		t.Errorf("without a token: %s %d %s", where, status, body)
	}
	if where, status, body := at("POST", "/sign-in", url.Values{"token": {strings.Repeat("x", 40)}}); where != "/sign-in" || status != 401 || !strings.Contains(body, "No token has this secret") {
		t.Errorf("with a wrong token: %s %d %s", where, status, body)
	}
	if where, status, body := at("POST", "/sign-in", url.Values{"token": {secret}}); where != "/" || status != 200 || !strings.Contains(body, "Sign out") {
		t.Errorf("with the token: %s %d %s", where, status, body)
	}
	if _, status, body := at("GET", "/v1/queues", nil); status != 200 {
		t.Errorf("a link of the page: %d %s", status, body)
	}
	if _, status, _ := at("PUT", "/v1/queues/mail", nil); status != 401 {
		t.Errorf("a change by the cookie alone: %d", status)
	}
	if where, _, _ := at("POST", "/sign-out", nil); where != "/sign-in" {
		t.Errorf("signed out it is at %s", where)
	}
	if where, _, _ := at("GET", "/", nil); where != "/sign-in" {
		t.Errorf("after signing out it is at %s", where)
	}
}
