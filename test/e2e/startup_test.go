package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// starts are the ways to start each binary so that only what a test makes wrong is wrong.
func starts(s *system.System) map[string][]string {
	return map[string][]string{
		system.API:     {"--listen=127.0.0.1:0"},
		system.Manager: {"--listen=127.0.0.1:0"},
		system.Worker:  {"--listen=127.0.0.1:0", "--insecure", "--handlers=" + filepath.Join(s.Dir, "handlers.yaml")},
	}
}

// ends starts a program that must end by itself with an exit code and one clear sentence, which names no password.
func ends(t *testing.T, s *system.System, program string, code int, says []string, args ...string) {
	t.Helper()
	p := s.Launch(program, args...)
	got := p.Exit(t, patience)
	last := strings.TrimSpace(p.Log())
	if i := strings.LastIndexByte(last, '\n'); i >= 0 {
		last = last[i+1:]
	}
	if got != code {
		t.Errorf("%s %v ends with %d, want %d: %s", program, args, got, code, last)
	}
	for _, word := range says {
		if !strings.Contains(last, word) {
			t.Errorf("%s %v says %q, want a sentence with %q", program, args, last, word)
		}
	}
	if strings.Contains(p.Log(), secret) {
		t.Errorf("%s shows the password: %s", program, p.Log())
	}
	if strings.Contains(p.Log(), "goroutine ") {
		t.Errorf("%s panics: %s", program, p.Log())
	}
}

// secret is a password that no output may show.
const secret = "hunter2secret"

func TestABinaryThatCannotStartSaysWhyAndWhatToDo(t *testing.T) {
	t.Parallel()
	s := system.New(t, system.Database{Name: "sqlite", URL: "sqlite:" + t.TempDir() + "/slotq.db"}, system.Short, handlersWith("http://127.0.0.1:1"), hookEnviron)
	closed := system.FreePort(t) // nobody listens there
	for program, args := range starts(s) {
		t.Run(program, func(t *testing.T) {
			with := func(more ...string) []string { return append(append([]string(nil), args...), more...) }
			t.Run("without a database", func(t *testing.T) {
				ends(t, s, program, 2, []string{"SLOTQ_DATABASE_URL"}, with("--database-url=")...)
			})
			for name, url := range map[string]string{
				"a URL of another database":  "redis://user:" + secret + "@127.0.0.1:6379/0",
				"a URL that is none":         "mysql//user:" + secret + "@host",
				"a URL that does not parse":  "postgres://user:" + secret + "@127.0.0.1:port/db",
				"a URL without a host":       "mysql://user:" + secret + "@/db",
				"a file in no directory":     "sqlite:" + s.Dir + "/no/such/dir/slotq.db",
				"a file that is a directory": "sqlite:" + s.Dir,
			} {
				t.Run(name, func(t *testing.T) {
					p := s.Launch(program, with("--database-url="+url)...)
					if code := p.Exit(t, patience); code != 1 && code != 2 {
						t.Errorf("exit code %d, want 1 or 2: %s", code, p.Log())
					}
					if log := p.Log(); strings.Contains(log, secret) || strings.Contains(log, "goroutine ") || len(log) < 40 {
						t.Errorf("it says %q", log)
					}
				})
			}
			for _, scheme := range []string{"mysql", "postgres"} {
				t.Run("a "+scheme+" server that is not there", func(t *testing.T) {
					ends(t, s, program, 1, []string{"database", "127.0.0.1"}, with(fmt.Sprintf("--database-url=%s://user:%s@127.0.0.1:%d/db", scheme, secret, closed))...)
				})
			}
			t.Run("an unknown flag", func(t *testing.T) { ends(t, s, program, 2, []string{"--nosuch"}, with("--nosuch")...) })
			t.Run("a lease under 3 heartbeats", func(t *testing.T) {
				ends(t, s, program, 2, []string{"3 heartbeats"}, with("--lease=2s", "--heartbeat=1s")...)
			})
			t.Run("a port in use", func(t *testing.T) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				check(t, err)
				defer l.Close()
				ends(t, s, program, 1, []string{"in use", "--listen"}, with("--listen="+l.Addr().String())...)
			})
			t.Run("--help", func(t *testing.T) {
				p := s.Launch(program, "--help")
				if code := p.Exit(t, patience); code != 0 || !strings.Contains(p.Log(), "SLOTQ_DATABASE_URL") {
					t.Errorf("exit code %d: %s", code, p.Log())
				}
			})
		})
	}
	t.Run("an api that others can reach", func(t *testing.T) {
		ends(t, s, system.API, 2, []string{"--insecure"}, "--listen=0.0.0.0:0")
	})
}

func TestAWrongPasswordOrDatabaseIsRefusedAndNotShown(t *testing.T) {
	t.Parallel()
	system.EachDatabase(t, func(t *testing.T, db system.Database) {
		if db.Name == "sqlite" {
			t.Skip("a file has neither")
		}
		t.Parallel()
		s := system.New(t, db, system.Short, handlersWith("http://127.0.0.1:1"), hookEnviron)
		head, host, _ := strings.Cut(db.URL, "@")
		user, _, _ := strings.Cut(strings.SplitAfter(head, "://")[1], ":")
		scheme, _, _ := strings.Cut(head, "://")
		for program, args := range starts(s) {
			ends(t, s, program, 1, []string{"database"}, append(args, "--database-url="+scheme+"://"+user+":"+secret+"@"+host)...)
			gone := strings.Replace(db.URL, "/slotq_test_", "/slotq_none_", 1)
			ends(t, s, program, 1, []string{"slotq_none_"}, append(args, "--database-url="+gone)...)
		}
		password := filepath.Join(t.TempDir(), "password")
		check(t, os.WriteFile(password, []byte(strings.TrimPrefix(strings.SplitAfter(head, "://")[1], user+":")+"\n"), 0o600))
		s.Setting("SLOTQ_DATABASE_URL=" + scheme + "://" + user + "@" + host)
		s.Setting("SLOTQ_DATABASE_PASSWORD_FILE=" + password)
		s.StartAPI()
	})
}

func TestANewerSchemaIsRefusedByAllBinaries(t *testing.T) {
	t.Parallel()
	system.EachDatabase(t, func(t *testing.T, db system.Database) {
		t.Parallel()
		s := system.New(t, db, system.Short, handlersWith("http://127.0.0.1:1"), hookEnviron)
		s.StartAPI().Kill()
		_, err := system.OpenRaw(t, db.URL).Exec("INSERT INTO slotq_migrations (version_id, is_applied) VALUES (9999, TRUE)")
		check(t, err)
		for program, args := range starts(s) {
			ends(t, s, program, 1, []string{"newer", "9999"}, args...)
		}
		ends(t, s, system.Manager, 1, []string{"newer", "9999"}, "migrate")
	})
}

func TestAHandlerFileThatIsWrongStopsTheWorkerWithItsLine(t *testing.T) {
	t.Parallel()
	s := system.New(t, system.Database{Name: "sqlite", URL: "sqlite:" + t.TempDir() + "/slotq.db"}, system.Short, "handlers: {}\n")
	plain := filepath.Join(s.Dir, "plain")
	check(t, os.WriteFile(plain, []byte("not executable"), 0o600))
	for _, c := range []struct {
		name, content string
		says          []string
	}{
		{"no YAML", "handlers:\n  a: [", []string{":3:", "YAML"}},
		{"no handlers", "", []string{"handlers"}},
		{"an unknown key", "handlers:\n  a:\n    exec: [true]\n    colour: red\n", []string{":4:", "colour"}},
		{"a command in one string", "handlers:\n  a:\n    exec: php send.php\n", []string{":3:", "list"}},
		{"a command that does not exist", "handlers:\n  a:\n    exec: [no-such-program]\n", []string{":3:", "no-such-program"}},
		{"a command that is not executable", "handlers:\n  a:\n    exec: [" + plain + "]\n", []string{":3:", "executable"}},
		{"a command that is a directory", "handlers:\n  a:\n    exec: [/tmp]\n", []string{":3:", "directory"}},
		{"a time without a unit", "handlers:\n  a:\n    exec: [true]\n    timeout: 60\n", []string{":4:", "60s"}},
		{"a secret that is not set", "handlers:\n  a:\n    http: https://example.org/\n    secret_env: NO_SUCH\n", []string{":4:", "NO_SUCH"}},
		{"two ways to run", "handlers:\n  a:\n    exec: [true]\n    http: https://example.org/\n", []string{"both"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "worker.yaml")
			check(t, os.WriteFile(file, []byte(c.content), 0o600))
			ends(t, s, system.Worker, 2, append(c.says, "worker.yaml"), "--listen=127.0.0.1:0", "--insecure", "--handlers="+file)
		})
	}
	t.Run("a file that is not there", func(t *testing.T) {
		ends(t, s, system.Worker, 2, []string{"missing.yaml", "--handlers"}, "--listen=127.0.0.1:0", "--insecure", "--handlers="+s.Dir+"/missing.yaml")
	})
	if os.Geteuid() == 0 {
		t.Run("root without a user to run as", func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "worker.yaml")
			check(t, os.WriteFile(file, []byte("handlers:\n  a:\n    exec: [true]\n"), 0o600))
			ends(t, s, system.Worker, 2, []string{"root", "--insecure"}, "--listen=127.0.0.1:0", "--handlers="+file)
		})
	}
}

func TestAWorkerPinnedToASlotThatIsNotThereStaysIdleAndSaysSo(t *testing.T) {
	t.Parallel()
	s := system.New(t, system.Database{Name: "sqlite", URL: "sqlite:" + t.TempDir() + "/slotq.db"}, system.Short, handlersWith("http://127.0.0.1:1"), hookEnviron)
	s.StartAPI()
	slots := 2
	must(s.Client.PutQueue(t.Context(), "small", wire.QueueSettings{Slots: &slots}))(t)
	w := s.StartWorker("--slots=3", "--queues=small")
	eventually(t, patience, "the worker says so", func() error {
		if log := w.Log(); !strings.Contains(log, "pinned") || !strings.Contains(log, "slot 3") {
			return fmt.Errorf("its log: %s", log)
		}
		return nil
	})
	id := post(t, s, wire.NewJob{Kind: "w.run", Queue: "small"})
	slots = 3
	must(s.Client.PatchQueue(t.Context(), "small", wire.QueueSettings{Slots: &slots}))(t)
	eventually(t, patience, "the worker serves the slot when it comes", func() error {
		j := must(s.Client.Enqueue(t.Context(), wire.NewJob{Kind: "w.run", Queue: "small"}))(t)
		if j.Slot != 3 {
			return fmt.Errorf("no job has drawn slot 3 yet")
		}
		wants(t, ended(t, s, j.ID), job.Completed, "")
		return nil
	})
	if j := must(s.Client.Get(t.Context(), id))(t); j.State != job.Available {
		t.Errorf("a job of slot %d is %v: the worker is pinned to slot 3", j.Slot, j.State)
	}
	if !w.Running() {
		t.Error("the worker has ended")
	}
	status, _, err := s.Read(w.URL + "/healthz")
	if err != nil || status != http.StatusOK {
		t.Errorf("/healthz: %d %v", status, err)
	}
}
