//go:build ledger

package cluster

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/test/e2e/system"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Settings of all services. The lease is longer than a failover takes, which is what docs/databases.md asks for: Galera
// gives a silent node 5 s before the others go on without it.
const (
	heartbeat = 2 * time.Second
	lease     = 12 * time.Second
	sweep     = 500 * time.Millisecond
)

// rig is slotq on a database of several servers.
type rig struct {
	*testing.T
	dir     string // of logs, binaries and notes
	entries []string
	apis    []string // addresses
	parts   []part
}

// part is a running service.
type part struct {
	process *system.Process
	address string
}

// start builds the services with the ledger in, makes the schema and starts them, spread over the entries: URLs of the
// database as the services see it.
func start(t *testing.T, schema func() error, entries ...string) *rig {
	t.Helper()
	r := &rig{T: t, dir: t.TempDir(), entries: entries}
	build(t, r.dir)
	if err := os.MkdirAll(filepath.Join(r.dir, "locks"), 0o700); err != nil {
		t.Fatal(err)
	}
	handlers := filepath.Join(r.dir, "handlers.yaml")
	text := fmt.Sprintf("handlers:\n  note.exec:\n    exec: [%s, %s]\n", filepath.Join(r.dir, "witness"), r.dir)
	if err := os.WriteFile(handlers, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := schema(); err != nil {
		t.Fatal(err)
	}
	for i, entry := range entries {
		api := r.launch("api", entry)
		r.apis = append(r.apis, api.address)
		r.launch("noter", entry, "--handlers="+handlers, "--insecure", "--concurrency=16")
		if i < 2 {
			r.launch("manager", entry)
		}
	}
	for _, p := range r.parts {
		if err := system.Await(t.Context(), system.ReadyLimit, p.ready); err != nil {
			t.Fatalf("%s: %v", p.process.Name, err)
		}
	}
	return r
}

func build(t *testing.T, dir string) {
	t.Helper()
	top, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"api", "manager", "test/e2e/cmd/witness", "test/faults/cluster/cmd/noter"} {
		cmd := exec.Command("go", "build", "-C", filepath.Join(top, program), "-tags", "ledger", "-o", filepath.Join(dir, filepath.Base(program)), ".")
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", program, err, output)
		}
	}
}

func (r *rig) launch(program, entry string, args ...string) part {
	r.Helper()
	address := "127.0.0.1:" + strconv.Itoa(system.FreePort(r))
	p := system.Start(r, program, r.dir, filepath.Join(r.dir, program), append([]string{"--listen=" + address}, args...), []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "TMPDIR=" + r.dir, "LANG=C.UTF-8", "NOTES=" + r.dir, "SLOTQ_LOG_FORMAT=text",
		"SLOTQ_DATABASE_URL=" + entry,
		"SLOTQ_HEARTBEAT=" + heartbeat.String(), "SLOTQ_LEASE=" + lease.String(), "SLOTQ_SWEEP=" + sweep.String(),
	})
	r.parts = append(r.parts, part{p, address})
	return r.parts[len(r.parts)-1]
}

// ready asks a service whether it is.
func (p part) ready() error {
	if !p.process.Running() {
		return fmt.Errorf("%s has ended", p.process.Name)
	}
	res, err := client.Get("http://" + p.address + "/readyz")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != 200 {
		return fmt.Errorf("readyz answers %d", res.StatusCode)
	}
	return nil
}

// through is a server's URL that leads through a forwarder.
func through(t testing.TB, server string, f *forwarder) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = f.address()
	return u.String()
}

// host is where a server listens.
func host(s *dbserver.Server) string {
	u, err := url.Parse(s.URL())
	if err != nil {
		return ""
	}
	return u.Host
}
