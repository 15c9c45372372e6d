package executor

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestOnlyPublicAddressesAreOpenByDefault(t *testing.T) {
	// closed: refused always. listed: refused unless its own range is allowed. open: always allowed.
	const closed, listed, open = 0, 1, 2
	for text, want := range map[string]int{
		"8.8.8.8": open, "1.1.1.1": open, "172.15.255.255": open, "172.32.0.1": open, "100.63.255.255": open, "100.128.0.1": open,
		"192.167.1.1": open, "11.0.0.1": open, "223.255.255.255": open, "2606:4700::1111": open, "2a00:1450::1": open,
		"::ffff:8.8.8.8": open, "64:ff9b::808:808": open, "2002:808:808::1": open,

		"127.0.0.1": listed, "127.255.255.254": listed, "127.0.0.2": listed, "10.0.0.1": listed, "10.255.255.255": listed,
		"172.16.0.1": listed, "172.31.255.255": listed, "192.168.0.1": listed, "100.64.0.1": listed, "100.127.255.255": listed,
		"::1": listed, "fc00::1": listed, "fd12:3456::1": listed, "::ffff:127.0.0.1": listed, "::ffff:10.0.0.1": listed,
		"::ffff:7f00:1": listed, "64:ff9b::7f00:1": listed, "64:ff9b::10.0.0.1": listed, "2002:7f00:1::": listed, "2002:a00:1::1": listed,

		"0.0.0.0": closed, "0.1.2.3": closed, "169.254.169.254": closed, "169.254.0.1": closed, "192.0.0.192": closed,
		"192.0.2.1": closed, "192.88.99.1": closed, "198.18.0.1": closed, "198.51.100.1": closed, "203.0.113.1": closed,
		"224.0.0.1": closed, "239.255.255.255": closed, "240.0.0.1": closed, "255.255.255.255": closed,
		"100.100.100.200": closed, "168.63.129.16": closed,
		"::": closed, "fe80::1": closed, "fe80::1%eth0": closed, "fe80::a9fe:a9fe": closed, "febf::1": closed, "fec0::1": closed,
		"ff02::1": closed, "ff0e::1": closed, "fd00:ec2::254": closed, "fd00:ec2::23": closed, "fd20:ce::254": closed,
		"::ffff:169.254.169.254": closed, "::ffff:0.0.0.0": closed, "::ffff:a9fe:a9fe": closed, "::127.0.0.1": closed,
		"::169.254.169.254": closed, "::ffff:0:127.0.0.1": closed, "64:ff9b::a9fe:a9fe": closed, "64:ff9b::": closed,
		"64:ff9b:1::a9fe:a9fe": closed, "2002:a9fe:a9fe::": closed, "2002:e000:1::": closed, "2001::1": closed,
		"2001:0:7f00:1::": closed, "2001:db8::1": closed, "3fff::1": closed, "100::1": closed, "4000::1": closed, "5f00::1": closed,
	} {
		addr := netip.MustParseAddr(text)
		everything := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
		elsewhere := []netip.Prefix{netip.MustParsePrefix("10.99.0.0/16"), netip.MustParsePrefix("fd99::/16")}
		if got := checkAddress(addr, nil) == nil; got != (want == open) {
			t.Errorf("%s with no list: allowed is %v", text, got)
		}
		if got := checkAddress(addr, elsewhere) == nil; got != (want == open) {
			t.Errorf("%s with another range listed: allowed is %v", text, got)
		}
		if got := checkAddress(addr, everything) == nil; got != (want != closed) {
			t.Errorf("%s with everything listed: allowed is %v", text, got)
		}
	}
	if checkAddress(netip.Addr{}, nil) == nil {
		t.Error("no address at all is allowed")
	}
}

func TestNoSpellingReachesLoopback(t *testing.T) {
	var hits atomic.Int32
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	l, err := net.Listen("tcp", "[::]:0") // both families
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: handler}
	go srv.Serve(l)
	defer srv.Close()
	port := l.Addr().(*net.TCPAddr).Port

	for _, host := range loopbackSpellings {
		t.Run(host, func(t *testing.T) {
			h, err := NewHTTP(HTTPConfig{URL: fmt.Sprintf("http://%s:%d/", host, port)})
			if err != nil {
				return // refused when it was configured
			}
			defer h.Close()
			tk := task()
			tk.Timeout = time.Second
			if r := h.Execute(t.Context(), tk); r.Outcome == Completed {
				t.Errorf("%s completed", host)
			}
			if hits.Swap(0) != 0 {
				t.Errorf("%s reached the listener", host)
			}
		})
	}
	// The same listener answers where it is listed, so that the table above proves something.
	r := newHTTP(t, HTTPConfig{URL: fmt.Sprintf("http://127.0.0.1:%d/", port)}).Execute(t.Context(), task())
	wantOutcome(t, r, Completed, "")
}

func TestNameThatResolvesToAClosedAddressIsRefusedWhenDialled(t *testing.T) {
	h, err := NewHTTP(HTTPConfig{URL: "http://localhost:1/"})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	r := h.Execute(t.Context(), task())
	wantOutcome(t, r, Failed, TypeAddress)
	if !strings.Contains(r.Message, "list under `allow`") {
		t.Errorf("the message does not say what to do: %s", r.Message)
	}
}

func TestUnusableURLsAreRefusedAtOnce(t *testing.T) {
	for _, u := range []string{"", "example.org", "/hook", "ftp://example.org/", "http://", "http://:80/", "https://u:p@example.org/",
		"http://example.org:0/", "http://example.org:65536/", "http://127.0.0.1/", "http://169.254.169.254/", "http://[::1]/", "http://exa mple.org/",
		"gopher://127.0.0.1/", "file:///etc/passwd", "http://[::1"} {
		if h, err := NewHTTP(HTTPConfig{URL: u}); err == nil {
			h.Close()
			t.Errorf("%q was accepted", u)
		}
	}
	if _, err := NewHTTP(HTTPConfig{URL: "http://169.254.169.254/", Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}); err == nil {
		t.Error("the metadata address was accepted")
	}
}
