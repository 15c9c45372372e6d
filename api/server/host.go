package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/slotq/slotq/shared/wire"
)

// knownHost lets only requests through whose Host is this machine's or one that the operator named. A page of a stranger
// can point a name of its own at 127.0.0.1 and have a browser send requests here (DNS rebinding); it cannot choose the
// Host that the browser sends with them.
func (s *Server) knownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !hostAllowed(r.Host, s.Hosts) {
			s.problem(w, r, wire.NewProblem(wire.CodeHost, "Ask for localhost, or start the api with --hosts (SLOTQ_HOSTS) naming the host that clients ask for."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hostAllowed(host string, allowed []string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if name == "localhost" {
		return true
	}
	if ip, err := netip.ParseAddr(name); err == nil && ip.Unmap().IsLoopback() {
		return true
	}
	return slices.ContainsFunc(allowed, func(a string) bool {
		return a == "*" || strings.EqualFold(strings.Trim(a, "[]"), name)
	})
}

// sameOrigin refuses requests that a browser sends for another site's page and that change something.
func (s *Server) sameOrigin(next http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.problem(w, r, wire.NewProblem(wire.CodeCrossOrigin, "This looks like a request of another site's page in a browser. Programs send neither Origin nor Sec-Fetch-Site."))
	}))
	return p.Handler(next)
}

// hardened sets what every answer says to browsers.
func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}
