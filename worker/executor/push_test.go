package executor

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"testing"
)

// loopbackSpellings are ways to write this machine's own address.
var loopbackSpellings = []string{
	"127.0.0.1", "127.1", "127.0.1", "127.0.0.1.", "127.255.255.254", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "0177.0.0.1",
	"017700000001", "0", "0.0.0.0", "00000000127.0.0.1", "127.000.000.001", "%31%32%37.0.0.1", "localhost", "LOCALHOST", "localhost.",
	"ip6-localhost", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[0000::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:0:7f00:1]",
	"[::127.0.0.1]", "[::ffff:0.0.0.0]", "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
	"[2001:0:7f00:1::]", "[::1%25lo]", "[fe80::1%25lo]", "①②⑦.⓪.⓪.①", "127。0。0。1", "user@127.0.0.1", "example.org@127.0.0.1",
}

// privateSpellings are ways to write other addresses that are nobody's to call who has not listed them.
var privateSpellings = []string{
	// A cloud's metadata service, as an address, a number, inside IPv6, and by name.
	"169.254.169.254", "169.254.169.254.", "169.254.43518", "169.16689662", "2852039166", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe", "025177524776",
	"0251.0376.0251.0376", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[::169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]",
	"metadata.google.internal", "metadata.google.internal.", "100.100.100.200", "168.63.129.16", "192.0.0.192", "[fd00:ec2::254]", "[fd20:ce::254]",
	// Private networks.
	"10.0.0.1", "10.1", "167772161", "0x0a000001", "012.0.0.1", "[::ffff:10.0.0.1]", "[64:ff9b::10.0.0.1]", "[2002:a00:1::1]", "[::10.0.0.1]",
	"172.16.0.1", "172.31.255.255", "2886729729", "192.168.0.1", "192.168.1", "3232235521", "0xc0a80001", "[::ffff:192.168.0.1]", "[64:ff9b::c0a8:1]",
	"100.64.0.1", "100.127.255.254", "[::ffff:100.64.0.1]", "[fc00::1]", "[fd12:3456::1]", "[FD12:3456::1]", "[fd12:3456:0:0:0:0:0:1]",
	// Link-local, site-local, multicast, reserved, this network.
	"169.254.0.1", "[fe80::1]", "[fe80::a9fe:a9fe%25lo]", "[febf::1%25lo]", "[fec0::1]", "224.0.0.1", "[ff02::1%25lo]", "240.0.0.1", "255.255.255.255",
	"0.1.2.3", "192.0.2.1", "198.18.0.1", "[2001:db8::1]", "[100::1]", "[5f00::1]",
	// Names that somebody has pointed there, also with a public address first or beside.
	"private.example", "PRIVATE.example", "private.example.", "loopback.example", "mapped.example", "ula.example", "user:password@10.0.0.1", "8.8.8.8@10.0.0.1",
	"10.0.0.1%2f.example.org", "8.8.8.8%00.10.0.0.1",
}

var pointed = map[string][][]string{
	"metadata.google.internal": {{"169.254.169.254"}}, "private.example": {{"10.0.0.1"}}, "loopback.example": {{"127.0.0.1", "::1"}},
	"mapped.example": {{"::ffff:10.0.0.1"}}, "ula.example": {{"fd12:3456::1"}}, "public.example": {{"8.8.8.8"}},
	"both.example": {{"10.0.0.1", "169.254.169.254", "8.8.8.8", "fd12:3456::1"}}, "rebind.example": {{"8.8.8.8"}, {"127.0.0.1"}, {"10.0.0.1"}, {"fd12:3456::1"}},
}

// TestNoSpellingOfAPrivateAddressIsCalled asks for each of them where each of them would answer: as the handler's own URL,
// as one whose ranges are listed wrongly, and as the target of a redirect.
func TestNoSpellingOfAPrivateAddressIsCalled(t *testing.T) {
	everywhere(t, func(t *testing.T) {
		l := listenEverywhere(t)
		serveNames(t, pointed)
		// What proves that the rest of this test can fail.
		for _, host := range []string{"8.8.8.8", "[2606:4700::1111]", "[::ffff:8.8.8.8]", "public.example", "[64:ff9b::808:808]"} {
			if r, _ := post(t, l.url(host)); r.Outcome != Completed || len(l.asked()) != 1 {
				t.Fatalf("%s, which is public, was not reached: %s", host, r.Message)
			}
		}
		for host, allow := range map[string]string{
			"10.0.0.1": "10.0.0.0/8", "private.example": "10.0.0.0/8", "[fd12:3456::1]": "fd12::/16", "100.64.0.1": "100.64.0.0/10",
			"192.168.0.1": "192.168.0.0/24", "localhost": "127.0.0.0/8", "[::1]": "::1/128",
		} {
			if r, _ := post(t, l.url(host), netip.MustParsePrefix(allow)); r.Outcome != Completed || len(l.asked()) != 1 {
				t.Fatalf("%s, which is listed, was not reached: %s", host, r.Message)
			}
		}

		spellings := slices.Concat(loopbackSpellings, privateSpellings)
		refused := 0
		for _, host := range spellings {
			for _, allow := range [][]netip.Prefix{nil, {netip.MustParsePrefix("10.99.0.0/16"), netip.MustParsePrefix("fd99::/16")}} {
				r, atOnce := post(t, l.url(host), allow...)
				if hits := l.asked(); len(hits) > 0 || r.Outcome == Completed {
					t.Errorf("%s was called at %v: %v", host, hits, r.Outcome)
				}
				if atOnce || r.ErrorType == TypeAddress {
					refused++
				} else if r.ErrorType != TypeHTTP {
					t.Errorf("%s: %s %s", host, r.ErrorType, r.Message)
				}
			}
			r, _ := post(t, l.url("8.8.8.8")+"?to="+url.QueryEscape(l.url(host)))
			if hits := l.asked(); len(hits) > 0 || r.Outcome != Failed {
				t.Errorf("a redirect to %s was followed to %v: %v %s", host, hits, r.Outcome, r.Message)
			}
		}
		for _, host := range []string{"169.254.169.254", "[fd00:ec2::254]", "metadata.google.internal", "0.0.0.0", "[fe80::1%25lo]"} {
			r, _ := post(t, l.url(host), netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"))
			if hits := l.asked(); len(hits) > 0 || r.Outcome == Completed {
				t.Errorf("%s was called at %v though nothing may open it", host, hits)
			}
		}
		t.Logf("%d spellings, each as a URL, with other ranges listed, and behind a redirect: 0 hits; %d times refused for the address, else not resolved", len(spellings), refused)
	})
}

func (l *listener) url(host string) string { return fmt.Sprintf("http://%s:%d/", host, l.port) }

// TestANameThatChangesItsAddressReachesOnlyPublicOnes is about DNS rebinding: the check is made on the address that is
// dialled, and there is no second look-up after it.
func TestANameThatChangesItsAddressReachesOnlyPublicOnes(t *testing.T) {
	everywhere(t, func(t *testing.T) {
		l := listenEverywhere(t)
		n := serveNames(t, pointed)
		public := netip.MustParseAddr("8.8.8.8")
		h, err := NewHTTP(HTTPConfig{URL: l.url("rebind.example")})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		completed, closed := 0, 0
		for range 40 {
			switch r := h.Execute(t.Context(), task()); {
			case r.Outcome == Completed:
				completed++
			case r.ErrorType == TypeAddress:
				closed++
			default:
				t.Errorf("%s: %s", r.ErrorType, r.Message)
			}
		}
		hits := l.asked()
		if slices.ContainsFunc(hits, func(a netip.Addr) bool { return a != public }) || len(hits) != completed {
			t.Errorf("it was called at %v", hits)
		}
		if completed != 10 || closed != 30 || n.answers("127.0.0.1") != 10 || n.answers("10.0.0.1") != 10 || n.answers("fd12:3456::1") != 10 {
			t.Errorf("%d completed and %d refused of 40: the name was not at each of its four addresses ten times", completed, closed)
		}
		// Of several addresses the ones that are closed are passed over.
		if r, _ := post(t, l.url("both.example")); r.Outcome != Completed || !slices.Equal(l.asked(), []netip.Addr{public}) {
			t.Errorf("a name with private addresses and a public one: %s", r.Message)
		}
	})
}
