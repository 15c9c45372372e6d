package command

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/slotq/slotq/manager/doctor"
	"github.com/slotq/slotq/shared/store/dbserver"
)

// serverBench is a bench on a server of its own, which may be set as badly as a test likes.
func serverBench(t *testing.T, start func(context.Context, dbserver.Options) (*dbserver.Server, error), o dbserver.Options) *bench {
	t.Helper()
	server, err := start(t.Context(), o)
	if errors.Is(err, dbserver.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skipf("%v: `make test` says how to install it", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return benchOn(t, server.URL())
}

// plant runs statements past the store.
func (b *bench) plant(statements ...string) {
	b.t.Helper()
	db, err := dbserver.Open(b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(b.t.Context(), statement); err != nil {
			b.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// examine is the report of `manager doctor`, and the names of the settings that are wrong.
func (b *bench) examine() (r doctor.Report, settings []string) {
	b.t.Helper()
	res := call1(b.t.Context(), b.url, "", "doctor", "--json")
	r = parse[doctor.Report](b.t, res.out)
	if want := map[bool]int{true: 0, false: 1}[r.Healthy]; res.code() != want {
		b.t.Errorf("exit code %d, want %d: %v", res.code(), want, res.failure)
	}
	for _, f := range r.Findings {
		if f.Name != "wrong-setting" {
			b.t.Errorf("found %+v besides the settings", f)
		}
		settings = append(settings, f.About)
	}
	slices.Sort(settings)
	return r, settings
}

// heals does what each finding says, and wants to see no finding after it.
func (b *bench) heals(r doctor.Report) {
	b.t.Helper()
	for _, f := range r.Findings {
		text, _, _ := strings.Cut(f.Remedy, " --")
		b.plant(strings.Split(strings.TrimSuffix(text, ";"), "; ")...)
	}
	waitFor(b.t, "the findings to be gone once it was done as they say", func() bool {
		return call1(b.t.Context(), b.url, "", "doctor").code() == 0
	})
}

func TestDoctorNamesTheSettingsOfAMariaDBThatLosesJobs(t *testing.T) {
	b := serverBench(t, dbserver.StartMariaDB, dbserver.Options{Args: []string{"--log-bin=binlog", "--sync-binlog=1", "--binlog-format=ROW"}})
	b.sound()
	if r, wrong := b.examine(); !r.Healthy {
		t.Fatalf("%v are wrong on a server that is set as docs/databases.md asks: %+v", wrong, r)
	}
	b.plant("SET GLOBAL innodb_flush_log_at_trx_commit = 0", "SET GLOBAL sync_binlog = 0", "SET GLOBAL binlog_format = MIXED",
		"SET GLOBAL max_allowed_packet = 1048576")
	r, wrong := b.examine()
	if want := []string{"binlog_format", "innodb_flush_log_at_trx_commit", "max_allowed_packet", "sync_binlog"}; !slices.Equal(wrong, want) {
		t.Fatalf("%v are wrong, want %v", wrong, want)
	}
	b.heals(r)

	// A server whose clock is years behind, for everybody but an administrator.
	b.plant("CREATE USER 'app'@'%' IDENTIFIED BY 'app-password'", "GRANT ALL PRIVILEGES ON slotq.* TO 'app'@'%'", "SET GLOBAL init_connect = 'SET timestamp = 1000000000'")
	_, host, _ := strings.Cut(b.url, "@")
	res := call1(t.Context(), "mysql://app:app-password@"+host, "", "doctor", "--json")
	if r := parse[doctor.Report](t, res.out); !slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool { return f.Name == "clock-offset" && strings.Contains(f.Wrong, "behind") }) {
		t.Errorf("found %+v, want the clock behind", r.Findings)
	}
}

func TestDoctorNamesTheSettingsOfAPostgreSQLThatLosesJobs(t *testing.T) {
	b := serverBench(t, dbserver.StartPostgres, dbserver.Options{})
	b.sound()
	if r, wrong := b.examine(); !r.Healthy {
		t.Fatalf("%v are wrong on a server that is set as docs/databases.md asks: %+v", wrong, r)
	}
	b.plant("ALTER DATABASE slotq SET synchronous_commit = off", "ALTER SYSTEM SET autovacuum = off", "ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()")
	var r doctor.Report
	want := []string{"autovacuum", "full_page_writes", "synchronous_commit"}
	waitFor(t, strings.Join(want, ", ")+" to be found", func() bool {
		var wrong []string
		r, wrong = b.examine()
		return slices.Equal(wrong, want)
	})
	b.heals(r)
}

func TestDoctorNamesAPostgreSQLThatDoesNotWaitForItsDisk(t *testing.T) {
	b := serverBench(t, dbserver.StartPostgres, dbserver.Options{Fast: true})
	b.sound()
	r, wrong := b.examine()
	if !slices.Equal(wrong, []string{"fsync", "full_page_writes"}) {
		t.Fatalf("%v are wrong, want fsync and full_page_writes", wrong)
	}
	if !strings.Contains(r.Findings[0].Remedy, "without -c fsync=off") {
		t.Errorf("it says %q of a setting that the command line has made", r.Findings[0].Remedy)
	}
}

func TestDoctorNamesAGaleraClusterThatLostANode(t *testing.T) {
	g, err := dbserver.StartGalera(t.Context(), dbserver.Options{})
	if errors.Is(err, dbserver.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skipf("%v: `make test` says how to install it", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	})
	b := benchOn(t, g.Node(0).URL())
	b.sound()
	if r, wrong := b.examine(); !r.Healthy {
		t.Fatalf("%v are wrong on a cluster of three: %+v", wrong, r)
	}
	g.Node(2).Kill()
	waitFor(t, "the cluster of two to be found", func() bool {
		r := parse[doctor.Report](t, call1(t.Context(), b.url, "", "doctor", "--json").out)
		return len(r.Findings) == 1 && r.Findings[0].About == "wsrep_cluster_size" && strings.HasSuffix(r.Findings[0].Wrong, " 2")
	})
}
