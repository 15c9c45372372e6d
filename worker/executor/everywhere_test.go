package executor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// everywhere runs a test in a process of its own whose network leads every address, of both families, to that process: so
// there are servers at 10.0.0.1 and at 169.254.169.254, and a request that is let through arrives. It needs root or user
// namespaces.
func everywhere(t *testing.T, test func(*testing.T)) {
	t.Helper()
	const inside = "SLOTQ_TEST_EVERYWHERE"
	if os.Getenv(inside) == t.Name() {
		if err := leadEverythingHere(); err != nil {
			t.Fatal(err)
		}
		test(t)
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), inside+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM) && os.Getenv("CI") != "true":
		t.Skipf("no network of its own for this test: %v", err)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// leadEverythingHere does what `ip link set lo up; ip route add local 0.0.0.0/0 dev lo` does, and the same for IPv6.
func leadEverythingHere() error {
	const loopbackIndex = 1
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	up := unix.IfInfomsg{Index: loopbackIndex, Flags: unix.IFF_UP, Change: unix.IFF_UP}
	if err := tell(s, unix.RTM_NEWLINK, 0, bytesOf(&up)); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	out := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, 8), unix.RTA_OIF), loopbackIndex)
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		route := unix.RtMsg{Family: family, Table: unix.RT_TABLE_LOCAL, Protocol: unix.RTPROT_BOOT, Scope: unix.RT_SCOPE_HOST, Type: unix.RTN_LOCAL}
		if err := tell(s, unix.RTM_NEWROUTE, unix.NLM_F_CREATE, append(bytesOf(&route), out...)); err != nil {
			return fmt.Errorf("lead all addresses of family %d to lo: %w", family, err)
		}
	}
	return nil
}

func bytesOf[T any](v *T) []byte {
	return slices.Clone(unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)))
}

// tell sends a request to the kernel and waits for its answer.
func tell(s int, kind uint16, flags uint16, body []byte) error {
	header := unix.NlMsghdr{Len: uint32(unix.SizeofNlMsghdr + len(body)), Type: kind, Flags: unix.NLM_F_REQUEST | unix.NLM_F_ACK | flags}
	if err := unix.Sendto(s, append(bytesOf(&header), body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(s, answer, 0)
	if err != nil || n < unix.SizeofNlMsghdr+4 {
		return errors.Join(err, fmt.Errorf("an answer of %d bytes", n))
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
		return syscall.Errno(-code)
	}
	return nil
}

// listener is a server at every address that notes at which ones it is asked.
type listener struct {
	port int

	mu   sync.Mutex
	hits []netip.Addr
}

func listenEverywhere(t *testing.T) *listener {
	t.Helper()
	l := &listener{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // each run dials anew
		if to := r.URL.Query().Get("to"); to != "" {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusTemporaryRedirect)
			return
		}
		at := netip.MustParseAddrPort(r.Context().Value(http.LocalAddrContextKey).(net.Addr).String()).Addr().Unmap()
		l.mu.Lock()
		l.hits = append(l.hits, at)
		l.mu.Unlock()
	}))
	both, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	server.Listener.Close()
	server.Listener = both
	server.Start()
	t.Cleanup(server.Close)
	l.port = both.Addr().(*net.TCPAddr).Port
	return l
}

// asked returns the addresses at which it was asked since the last call.
func (l *listener) asked() []netip.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	hits := l.hits
	l.hits = nil
	return hits
}

// post runs one job against a URL; refused: the handler could not even be configured.
func post(t *testing.T, url string, allow ...netip.Prefix) (r Result, refused bool) {
	t.Helper()
	h, err := NewHTTP(HTTPConfig{URL: url, Allow: allow})
	if err != nil {
		return Result{}, true
	}
	defer h.Close()
	tk := task()
	tk.Timeout = 5 * time.Second
	return h.Execute(t.Context(), tk), false
}

// nameServer is a DNS server that all look-ups of the process ask. It answers a name with each of its lists of addresses in turn,
// without a time to live, and numbers as the most lenient of C libraries do.
type nameServer struct {
	mu    sync.Mutex
	lists map[string][][]string
	turns map[string]int // of a name and a type: A and AAAA are asked for at once, and each goes through the lists by itself
	given map[string]int // how many answers had this address in them
}

func serveNames(t *testing.T, lists map[string][][]string) *nameServer {
	t.Helper()
	n := &nameServer{lists: lists, turns: map[string]int{}, given: map[string]int{}}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		query := make([]byte, 512)
		for {
			size, from, err := socket.ReadFrom(query)
			if err != nil {
				return
			}
			_, _ = socket.WriteTo(n.answer(query[:size]), from)
		}
	})
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		socket.Close()
		serving.Wait()
	})
	return n
}

// answers returns how many answers had an address in them.
func (n *nameServer) answers(address string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.given[address]
}

// answer makes the answer to a query (RFC 1035): its head, its question, and an address in each record.
func (n *nameServer) answer(query []byte) []byte {
	const head, typeA, typeAAAA = 12, 1, 28
	var labels []string
	end := head
	for query[end] != 0 {
		length := int(query[end])
		labels = append(labels, string(query[end+1:end+1+length]))
		end += 1 + length
	}
	kind := binary.BigEndian.Uint16(query[end+1:])
	name := strings.ToLower(strings.Join(labels, "."))

	n.mu.Lock()
	defer n.mu.Unlock()
	var addresses []netip.Addr
	lists := n.lists[name]
	if number, ok := lenient(name); ok {
		lists = [][]string{{number.String()}}
	}
	var list []string
	if turn := fmt.Sprint(name, kind); len(lists) > 0 {
		list = lists[n.turns[turn]%len(lists)]
		n.turns[turn]++
	}
	for _, text := range list {
		if a := netip.MustParseAddr(text); a.Is4() == (kind == typeA) && (kind == typeA || kind == typeAAAA) {
			addresses = append(addresses, a)
			n.given[text]++
		}
	}
	answer := slices.Concat(query[:2], []byte{0x81, 0x80, 0, 1, 0, byte(len(addresses)), 0, 0, 0, 0}, query[head:end+5])
	if lists == nil {
		answer[3] |= 3 // there is no such name
	}
	for _, a := range addresses {
		answer = append(answer, 0xc0, head, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(a.BitLen()/8))
		answer = append(answer, a.AsSlice()...)
	}
	return answer
}

// lenient reads an address as inet_aton does: up to four numbers, decimal, octal or hexadecimal, the last of which fills what
// is left.
func lenient(name string) (netip.Addr, bool) {
	parts := strings.Split(name, ".")
	var address uint64
	for i, part := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 32 - 8*i
		}
		n, err := strconv.ParseUint(part, 0, max(bits, 8))
		if err != nil || len(parts) > 4 {
			return netip.Addr{}, false
		}
		address = address<<bits | n
	}
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(address)))), true
}
