package executor

import (
	"fmt"
	"net/netip"
)

// Which addresses an HTTP handler may call. The check is made on the address that is dialled, after DNS, so that no
// spelling of a host and no DNS answer gets around it.

// never are the ranges that no configuration opens: they lead to a cloud's metadata and credentials, or nowhere.
var never = prefixes(
	"0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"100.100.100.200/32", "168.63.129.16/32", // metadata of Alibaba Cloud and Azure
	"fd00:ec2::/32", "fd20:ce::/32", // metadata of AWS and Google Cloud
	"fe80::/10", "fec0::/10", "ff00::/8",
	"2001::/23", "2001:db8::/32", "3fff::/20", // protocol assignments (Teredo among them), documentation
)

// listed are the ranges that are the operator's own: open only to handlers that list them.
var listed = prefixes(
	"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7",
)

var (
	global6   = netip.MustParsePrefix("2000::/3") // all that IPv6 has given out; the rest is reserved
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour = netip.MustParsePrefix("2002::/16")
)

func prefixes(cidrs ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(cidrs))
	for i, c := range cidrs {
		out[i] = netip.MustParsePrefix(c)
	}
	return out
}

func within(addr netip.Addr, ranges []netip.Prefix) bool {
	for _, r := range ranges {
		if r.Contains(addr) {
			return true
		}
	}
	return false
}

// checkAddress returns nil when a handler with these allowed ranges may connect to addr.
func checkAddress(addr netip.Addr, allow []netip.Prefix) error {
	target := embedded(addr.WithZone("").Unmap())
	switch {
	case !target.IsValid(), within(target, never):
	case within(target, listed):
		if within(target, allow) {
			return nil
		}
		return fmt.Errorf("%v is a private or loopback address, which the handler must list under `allow`", addr)
	case target.Is4(), global6.Contains(target):
		return nil
	}
	return fmt.Errorf("%v is link-local, multicast, reserved or a cloud's metadata address: handlers may never call it", addr)
}

// embedded is the IPv4 address that traffic to an address of a translation prefix ends at, or the address itself.
func embedded(addr netip.Addr) netip.Addr {
	b := addr.As16()
	switch {
	case addr.Is4():
		return addr
	case nat64.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr
}

// CheckAllow says why a range in HTTPConfig.Allow would have no effect, or nil.
func CheckAllow(p netip.Prefix) error {
	if !p.IsValid() {
		return fmt.Errorf("not a CIDR range")
	}
	if p.Addr().Is4In6() {
		return fmt.Errorf("write %v as an IPv4 range", p)
	}
	for _, n := range never {
		if n.Bits() <= p.Bits() && n.Contains(p.Addr()) {
			return fmt.Errorf("%v lies in %v, which handlers may never call", p, n)
		}
	}
	return nil
}
