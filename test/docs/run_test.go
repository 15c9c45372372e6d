// Package docs runs the commands of README.md and docs/*.md, as a reader would who follows them from the top: in a fresh
// copy of the repository, beside the `make run` that the README begins with.
package docs

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/test/e2e/system"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// notRun are commands that no test can run, and why.
var notRun = []struct{ pattern, why string }{
	{`^(docker|kubectl|systemctl|systemd-\S+|sudo|apt-get|git clone)\b`, "they change the machine, or need another"},
	{`^make up\b`, "it needs a container engine"},
	{`^make (test|lint|race|fuzz|bench|bench-quick|faults|faults-ci|mutants)\b`, "CI runs them, or they take hours"},
	{`^go test\b`, "tests run by themselves"},
}

// forEver are commands that go on until they are stopped, and what shows that they work.
var forEver = []struct{ pattern, shows string }{
	{`^(\w+=\S+ )*make run\b`, `the end +Ctrl-C`},
	{`^(go run \./|)api\b`, `the api runs`},
	{`^(go run \./|)worker\b`, `\bworking\b`},
	{`^(go run \./)?manager *$`, `the manager runs`},
	{`^(bin/)?manager top *(#|$)`, `QUEUE`},
}

// seen is what a reader sees of some commands, in the output of what goes on beside them.
var seen = []struct{ pattern, shows string }{
	{`"kind": "demo.flaky"`, `completed demo\.flaky`},
	{`"kind": "hello"`, `completed hello`},
	{`^kill -9 WORKER`, `worker died .* started again`},
}

// known are the programs that a document may use. One that is not here is a mistake, or a new one to think about.
var known = regexp.MustCompile(`^(\w+=\S+ )*(bin/)?(api|worker|manager|curl|go|make|kill|cat|export|source|openssl|sqlite3|pg_dump|pg_restore|mariadb-dump|mariadb)\b`)

// findings may be what `manager doctor` exits with: 1 says that it has found something.
var findings = regexp.MustCompile(`\bmanager doctor\b`)

func TestEveryCommandOfTheDocumentsRuns(t *testing.T) {
	r := start(t)
	ran, skipped := 0, 0
	for _, file := range documents(t) {
		r.exports = nil
		for _, c := range commands(t, file) {
			if why := reason(c.text); why != "" {
				skipped++
				continue
			}
			if !known.MatchString(c.text) {
				t.Errorf("%s:%d: nobody has said how to run this: %s", c.file, c.line, c.text)
				continue
			}
			began := time.Now()
			if err := r.run(c); err != nil {
				t.Errorf("%s:%d: %s\n%v", c.file, c.line, c.text, err)
			}
			t.Logf("%s:%d: %4d ms  %s", c.file, c.line, time.Since(began).Milliseconds(), strings.SplitN(c.text, "\n", 2)[0])
			ran++
		}
	}
	t.Logf("%d commands ran, %d are in the list of those that cannot", ran, skipped)
	named(t, filepath.Join(r.dir, "bin", "manager"))
}

// named looks for the commands that a text names, in tables and sentences, without running them.
func named(t *testing.T, manager string) {
	t.Helper()
	makefile := read(t, "Makefile")
	seen := map[string]bool{}
	for _, file := range documents(t) {
		for _, m := range inline.FindAllStringSubmatch(read(t, file), -1) {
			words := strings.Fields(m[2])
			for len(words) > 0 && strings.HasPrefix(words[len(words)-1], "-") {
				words = words[:len(words)-1]
			}
			name := m[1] + " " + strings.Join(words, " ")
			if seen[name] || len(words) == 0 {
				continue
			}
			seen[name] = true
			if m[1] == "make" {
				if !strings.Contains(makefile, "\n"+words[0]+":") {
					t.Errorf("%s names `%s`, which the Makefile does not have", file, name)
				}
				continue
			}
			// Words at the end may be arguments, such as the name of a queue.
			if err := helped(manager, words); err != nil {
				t.Errorf("%s names `%s`: %v", file, name, err)
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d commands are named: %v", len(seen), seen)
	}
}

// helped asks for help on a command, with the last word or without.
func helped(manager string, words []string) (err error) {
	for n := len(words); n > 0 && n >= len(words)-1; n-- {
		var out []byte
		if out, err = exec.Command(manager, append(words[:n:n], "--help")...).CombinedOutput(); err == nil {
			return nil
		}
		err = fmt.Errorf("%w: %s", err, out)
	}
	return err
}

func reason(text string) string {
	for _, n := range notRun {
		if regexp.MustCompile(n.pattern).MatchString(text) {
			return n.why
		}
	}
	return ""
}

// reader follows the documents.
type reader struct {
	t       *testing.T
	dir     string   // the copy of the repository
	home    string   // with a place for each shell's completion, and the MariaDB client's password
	api     string   // host and port of the api of `make run`
	worker  string   // the process id of its worker
	secure  string   // a port for the api with TLS
	environ []string // of every command
	exports []string // of this document, in the order in which they came
	servers map[string][]string
	begun   []*system.Process // what goes on
}

// start follows the README's first command, with the handlers that the README writes for it later.
func start(t *testing.T) *reader {
	t.Helper()
	for _, program := range []string{"curl", "openssl", "sqlite3", "pg_dump", "mariadb-dump"} {
		if _, err := exec.LookPath(program); err != nil {
			system.Absent(t, program+" is not installed: run the tests by `SLOTQ_TEST_INSTALL=1 make test`, which installs it")
		}
	}
	r := &reader{t: t, dir: system.Checkout(t), home: t.TempDir(), secure: fmt.Sprint(system.FreePort(t)), servers: map[string][]string{}}
	for _, dir := range []string{".zsh", ".config/fish/completions"} {
		if err := os.MkdirAll(filepath.Join(r.home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.strictCurl()
	r.environ = []string{
		"PATH=" + filepath.Join(r.home, "bin") + ":" + filepath.Join(r.dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + r.home, "TMPDIR=" + r.home,
		"LANG=C.UTF-8", "GOCACHE=" + output(t, "go", "env", "GOCACHE"), "GOMODCACHE=" + output(t, "go", "env", "GOMODCACHE"),
	}
	if os.Geteuid() == 0 {
		r.environ = append(r.environ, "SLOTQ_INSECURE=true") // the documents' reader is not root, for whom handlers need a user
	}
	r.server("mariadb", "SLOTQ_TEST_MYSQL_URL")
	r.server("postgres", "SLOTQ_TEST_POSTGRES_URL")

	system.OwnRunPorts(t)
	said := r.begin("make run", "", forEver[0].shows, nil)
	r.api = first(t, said, `the page +http://([^/]+)/`)
	r.worker = first(t, said, `break it +kill -9 (\d+)`)
	r.environ = append(r.environ, "SLOTQ_DATABASE_URL=sqlite:data/slotq.db")
	return r
}

// strictCurl makes a refusal of the api a failure of curl, which a reader would see and a test would not.
func (r *reader) strictCurl() {
	path, err := exec.LookPath("curl")
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(r.home, "bin"), 0o700); err != nil {
		r.t.Fatal(err)
	}
	script := "#!/bin/sh\nexec " + path + " --fail-with-body --silent --show-error \"$@\"\n"
	if err := os.WriteFile(filepath.Join(r.home, "bin", "curl"), []byte(script), 0o700); err != nil {
		r.t.Fatal(err)
	}
}

// server gives blocks about a database an empty one of its own.
func (r *reader) server(name, variable string) {
	r.t.Helper()
	at := os.Getenv(variable)
	if at == "" {
		system.Absent(r.t, variable+" is not set: run the tests by `make test`, which starts servers of its own")
	}
	fresh, drop, err := dbserver.Fresh(r.t.Context(), at)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(drop)
	u, err := url.Parse(fresh)
	if err != nil {
		r.t.Fatal(err)
	}
	r.servers[name] = []string{"SLOTQ_DATABASE_URL=" + fresh, "DATABASE=" + strings.TrimPrefix(u.Path, "/")}
	if name == "mariadb" {
		password, _ := u.User.Password()
		options := fmt.Sprintf("[client]\nhost=%s\nport=%s\nuser=%s\npassword=%s\n", u.Hostname(), u.Port(), u.User.Username(), password)
		if err := os.WriteFile(filepath.Join(r.home, ".my.cnf"), []byte(options), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	migrate := exec.CommandContext(r.t.Context(), "go", "run", "./manager", "migrate", "--database-url="+fresh)
	migrate.Dir = top
	if out, err := migrate.CombinedOutput(); err != nil {
		r.t.Fatalf("%v: %s", err, out)
	}
}

// run does one command, in a shell that knows what the document has exported before.
func (r *reader) run(c command) error {
	if strings.HasPrefix(c.text, "export ") {
		r.exports = append(r.exports, c.text)
		return nil
	}
	environ := r.environ
	if c.on != "" {
		environ = append(environ[:len(environ):len(environ)], r.servers[c.on]...)
	}
	text := r.actual(c)
	for _, f := range forEver {
		if regexp.MustCompile(f.pattern).MatchString(c.text) {
			r.begin(strings.Join(append(r.exports, text), "\n"), c.on, f.shows, environ)
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", strings.Join(append(r.exports, text), "\n"))
	cmd.Dir, cmd.Env = r.dir, environ
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 && findings.MatchString(c.text) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	for _, s := range seen {
		if regexp.MustCompile(s.pattern).MatchString(c.text) {
			return r.await(s.shows)
		}
	}
	return nil
}

// await waits until something that goes on says what it should.
func (r *reader) await(shows string) error {
	return system.Await(r.t.Context(), time.Minute, func() error {
		for _, p := range r.begun {
			if regexp.MustCompile(shows).MatchString(p.Log()) {
				return nil
			}
		}
		return fmt.Errorf("nothing that goes on says %s", shows)
	})
}

// actual puts in what a reader would: the addresses and ids of what runs.
func (r *reader) actual(c command) string {
	text := strings.ReplaceAll(c.text, "127.0.0.1:8080", r.api)
	text = strings.ReplaceAll(text, ":8443", ":"+r.secure)
	text = strings.ReplaceAll(text, "kill -9 WORKER", "kill -9 "+r.worker)
	if strings.Contains(text, "revoke TOKEN") {
		id := output(r.t, filepath.Join(r.dir, "bin", "manager"), "tokens", "--database-url=sqlite:"+filepath.Join(r.dir, "data", "slotq.db"))
		text = strings.ReplaceAll(text, "revoke TOKEN", "revoke "+first(r.t, id, `(?m)^([0-9a-f-]{36})`))
	}
	if c.on != "" {
		text = regexp.MustCompile(`'(mysql|postgres)://[^']*'`).ReplaceAllString(text, "'"+strings.TrimPrefix(r.servers[c.on][0], "SLOTQ_DATABASE_URL=")+"'")
	}
	return text
}

// begin starts a command that goes on until the test ends, and waits until it shows that it works.
func (r *reader) begin(script, name, shows string, environ []string) string {
	r.t.Helper()
	if environ == nil {
		environ = r.environ
	}
	// Their own addresses are taken by `make run`.
	listen := fmt.Sprintf("SLOTQ_LISTEN=127.0.0.1:%d", system.FreePort(r.t))
	p := system.Start(r.t, "reader"+name, r.dir, "/bin/bash", []string{"-euo", "pipefail", "-c", script}, append(environ[:len(environ):len(environ)], listen))
	r.t.Cleanup(func() { // before it is killed: what it has started ends with it
		_ = syscall.Kill(-p.Pid, syscall.SIGTERM)
		p.Exit(r.t, 30*time.Second)
	})
	r.begun = append(r.begun, p)
	err := system.Await(r.t.Context(), 5*time.Minute, func() error {
		if !regexp.MustCompile(shows).MatchString(p.Log()) {
			if !p.Running() {
				return errors.New("it has ended")
			}
			return errors.New("it does not show that it works")
		}
		return nil
	})
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", script, err, p.Log())
	}
	return p.Log()
}

func first(t *testing.T, text, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("nothing like %s in\n%s", pattern, text)
	}
	return m[1]
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}
