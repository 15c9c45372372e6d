package handlers

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/worker/executor"
)

func TestMain(m *testing.M) {
	executor.ShimMain()
	goleak.VerifyTestMain(m)
}

var notRoot = 1000

func env(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if v, ok := pairs[name]; ok {
			return v, true
		}
		return "/bin:/usr/bin", name == "PATH"
	}
}

func parse(text string) (*Set, error) {
	return Parse("worker.yaml", []byte(text), Options{euid: &notRoot, LookupEnv: env(map[string]string{"HOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "BAD_SECRET": "whsec_###"})})
}

func TestWholeFileIsRead(t *testing.T) {
	set, err := parse(`
handlers:
  mail.send:
    exec: [sh, -c, "cat", 5, true, ""]
    timeout: 1m30s
    grace: 2s
    memory: 64MiB
    processes: 10
    concurrency: 4
    env: [SMTP_HOST]
    dir: /tmp
  hook.deliver:
    http: https://example.org/hook
    timeout: 10s
    secret_env: HOOK_SECRET
    allow: [10.1.2.3/8, "::1/128"]
    discard_on: [404]
  "*": {exec: [/bin/sh]}
`)
	if err != nil {
		t.Fatal(err)
	}
	mail, ok := set.Lookup("mail.send")
	if !ok || mail.Line != 3 || mail.Timeout != 90*time.Second || mail.Concurrency != 4 || mail.HTTP != nil {
		t.Errorf("%+v", mail)
	}
	c := mail.Command
	if !filepath.IsAbs(c.Path) || !slices.Equal(c.Argv, []string{"sh", "-c", "cat", "5", "true", ""}) || c.Grace != 2*time.Second || c.Limits != (executor.Limits{Memory: 64 << 20, Processes: 10}) || c.Dir != "/tmp" || !slices.Equal(c.Env, []string{"SMTP_HOST"}) {
		t.Errorf("%+v", c)
	}
	hook, _ := set.Lookup("hook.deliver")
	if hook.Command != nil || hook.HTTP.URL != "https://example.org/hook" || len(hook.HTTP.Allow) != 2 || hook.HTTP.Allow[0].String() != "10.0.0.0/8" || !slices.Equal(hook.HTTP.DiscardOn, []int{404}) {
		t.Errorf("%+v", hook.HTTP)
	}
	other, ok := set.Lookup("anything")
	if !ok || other.Kind != CatchAll || other.Command.Grace != executor.DefaultGrace || other.Command.Path != "/bin/sh" {
		t.Errorf("%+v", other)
	}
	if all := set.All(); len(all) != 3 || all[0].Kind != CatchAll {
		t.Errorf("%+v", all)
	}
}

func TestKindWithoutHandlerIsNotServed(t *testing.T) {
	set, err := parse("handlers: {a: {exec: [sh]}}")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := set.Lookup("A"); ok {
		t.Error("served")
	}
}

func TestEveryMistakeIsNamedWithItsLine(t *testing.T) {
	long := strings.Repeat("k", 129)
	for _, tc := range []struct{ name, text, want string }{
		{"empty file", "", "worker.yaml: the file is empty"},
		{"only a comment", "# nothing\n", "worker.yaml: the file is empty"},
		{"no map", "- a\n", "worker.yaml:1: the file must hold a map"},
		{"no handlers", "{}\n", "worker.yaml:1: the key handlers is missing"},
		{"unknown key at the top", "handlers:\n  a: {exec: [sh]}\nqueues: 1\n", `worker.yaml:3: unknown key "queues"`},
		{"empty handlers", "handlers:\n", "worker.yaml:1: handlers must be a map of kinds"},
		{"handlers as a list", "handlers: [a]\n", "worker.yaml:1: handlers must be a map"},
		{"broken YAML", "handlers:\n  a: {exec: [sh}\n", "worker.yaml:2: this is no YAML"},
		{"a tab", "handlers:\n\ta: 1\n", "worker.yaml:2: this is no YAML"},
		{"* without quotes", "handlers:\n  *: {exec: [sh]}\n", `"*"`},
		{"two documents", "handlers:\n  a: {exec: [sh]}\n---\nb: 1\n", "worker.yaml:3: a second document"},
		{"kind twice", "handlers:\n  a: {exec: [sh]}\n  a: {exec: [sh]}\n", `worker.yaml:3: "a" is here twice, the first is in line 2`},
		{"key twice", "handlers:\n  a:\n    exec: [sh]\n    exec: [sh]\n", `worker.yaml:4: "exec" is here twice`},
		{"bad kind", "handlers:\n  a b: {exec: [sh]}\n", `worker.yaml:2: "a b" is no kind`},
		{"empty kind", "handlers:\n  \"\": {exec: [sh]}\n", `worker.yaml:2: "" is no kind`},
		{"long kind", "handlers:\n  " + long + ": {exec: [sh]}\n", "is no kind"},
		{"kind as a map", "handlers:\n  ? {a: b}\n  : {exec: [sh]}\n", "worker.yaml:2: a key must be plain text"},
		{"handler as text", "handlers:\n  a: sh\n", "worker.yaml:2: handler a must be a map"},
		{"unknown key", "handlers:\n  a:\n    exec: [sh]\n    tiemout: 5s\n", `worker.yaml:4: handler a: unknown key "tiemout"`},
		{"both", "handlers:\n  a:\n    exec: [sh]\n    http: https://example.org/\n", "worker.yaml:4: handler a has both exec: and http:"},
		{"neither", "handlers:\n  a:\n    timeout: 5s\n", "worker.yaml:2: handler a has neither exec: nor http:"},
		{"exec as text", "handlers:\n  a:\n    exec: php send.php\n", "worker.yaml:3: handler a: exec is a list"},
		{"exec empty", "handlers:\n  a:\n    exec: []\n", "worker.yaml:3: handler a: exec must be a list"},
		{"exec with a map", "handlers:\n  a:\n    exec: [sh, {a: b}]\n", "worker.yaml:3: handler a: exec must be plain text"},
		{"exec with null", "handlers:\n  a:\n    exec: [sh, ~]\n", "worker.yaml:3: handler a: exec is empty"},
		{"program without name", "handlers:\n  a:\n    exec: [\"\", x]\n", "worker.yaml:3: handler a: exec is empty"},
		{"program not on PATH", "handlers:\n  a:\n    exec: [no-such-program-x]\n", "worker.yaml:3: handler a: the program no-such-program-x is not on PATH"},
		{"program missing", "handlers:\n  a:\n    exec: [/no/such/program]\n", "worker.yaml:3: handler a: the program /no/such/program does not exist"},
		{"program not executable", "handlers:\n  a:\n    exec: [/etc/passwd]\n", "/etc/passwd is not executable: chmod +x"},
		{"program a directory", "handlers:\n  a:\n    exec: [/tmp]\n", "/tmp is a directory"},
		{"program not in dir", "handlers:\n  a:\n    exec: [./sh]\n    dir: /tmp\n", "worker.yaml:3: handler a: the program /tmp/sh does not exist"},
		{"dir missing", "handlers:\n  a:\n    exec: [sh]\n    dir: /no/such\n", "worker.yaml:4: handler a: dir: the directory /no/such does not exist"},
		{"timeout without unit", "handlers:\n  a:\n    exec: [sh]\n    timeout: 60\n", "worker.yaml:4: handler a: timeout: \"60\" is no duration: it has no unit: write 60s"},
		{"timeout nonsense", "handlers:\n  a:\n    exec: [sh]\n    timeout: soon\n", "is no duration"},
		{"timeout 0", "handlers:\n  a:\n    exec: [sh]\n    timeout: 0s\n", "must be more than 0s"},
		{"timeout as a list", "handlers:\n  a:\n    exec: [sh]\n    timeout: [1s]\n", "worker.yaml:4: handler a: timeout must be plain text"},
		{"grace negative", "handlers:\n  a:\n    exec: [sh]\n    grace: -1s\n", "worker.yaml:4: handler a: grace must be from 0s to 10m0s"},
		{"memory without unit", "handlers:\n  a:\n    exec: [sh]\n    memory: 64\n", "worker.yaml:4: handler a: memory must be from 1MiB to"},
		{"memory with a wrong unit", "handlers:\n  a:\n    exec: [sh]\n    memory: 64M\n", "worker.yaml:4: handler a: memory: \"64M\" is no size in bytes: write it as"},
		{"memory as a list", "handlers:\n  a:\n    exec: [sh]\n    memory: [64MiB]\n", "worker.yaml:4: handler a: memory must be plain text"},
		{"memory with http", "handlers:\n  a:\n    http: https://example.org/\n    memory: 64MiB\n", "worker.yaml:4: handler a: memory belongs to handlers with exec"},
		{"processes 0", "handlers:\n  a:\n    exec: [sh]\n    processes: 0\n", "worker.yaml:4: handler a: processes must be a whole number from 1 to 100000"},
		{"concurrency 0", "handlers:\n  a:\n    exec: [sh]\n    concurrency: 0\n", "worker.yaml:4: handler a: concurrency must be a whole number"},
		{"concurrency text", "handlers:\n  a:\n    exec: [sh]\n    concurrency: \"4\"\n", "concurrency must be a whole number"},
		{"env as a map", "handlers:\n  a:\n    exec: [sh]\n    env: {A: b}\n", "worker.yaml:4: handler a: env must be a list"},
		{"env with a value", "handlers:\n  a:\n    exec: [sh]\n    env: [A=b]\n", "is no name of a variable"},
		{"env with a secret", "handlers:\n  a:\n    exec: [sh]\n    env: [SLOTQ_DATABASE_URL]\n", "cannot be passed on"},
		{"user unknown", "handlers:\n  a:\n    exec: [sh]\n    user: no-such-user-x\n", "worker.yaml:4: handler a: user:"},
		{"http key with exec", "handlers:\n  a:\n    exec: [sh]\n    allow: []\n", "worker.yaml:4: handler a: allow belongs to handlers with http"},
		{"exec key with http", "handlers:\n  a:\n    http: https://example.org/\n    dir: /tmp\n", "worker.yaml:4: handler a: dir belongs to handlers with exec"},
		{"bad URL", "handlers:\n  a:\n    http: example.org\n", "worker.yaml:3: handler a: http: the URL must begin with http"},
		{"URL with a password", "handlers:\n  a:\n    http: https://u:p@example.org/\n", "secret_env instead"},
		{"URL on loopback", "handlers:\n  a:\n    http: http://127.0.0.1/\n", "must list under `allow`"},
		{"bad CIDR", "handlers:\n  a:\n    http: https://example.org/\n    allow: [10.0.0.1]\n", "worker.yaml:4: handler a: allow: \"10.0.0.1\" is no CIDR range"},
		{"CIDR of metadata", "handlers:\n  a:\n    http: https://example.org/\n    allow: [169.254.169.254/32]\n", "may never call"},
		{"secret not set", "handlers:\n  a:\n    http: https://example.org/\n    secret_env: NO_SECRET\n", "worker.yaml:4: handler a: the variable NO_SECRET of secret_env is not set"},
		{"secret unusable", "handlers:\n  a:\n    http: https://example.org/\n    secret_env: BAD_SECRET\n", "not base64"},
		{"discard_on 200", "handlers:\n  a:\n    http: https://example.org/\n    discard_on: [200]\n", "discard_on must be a whole number from 300 to 599"},
		{"discard_on number", "handlers:\n  a:\n    http: https://example.org/\n    discard_on: 404\n", "worker.yaml:4: handler a: discard_on must be a list"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			set, err := parse(tc.text)
			var problems Problems
			if !errors.As(err, &problems) || set != nil {
				t.Fatalf("accepted: %+v, %v", set, err)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got  %s\nwant %s", err, tc.want)
			}
			if len(problems) != 1 {
				t.Errorf("one mistake gives %d messages:\n%v", len(problems), err)
			}
		})
	}
}

func TestAllMistakesComeTogetherInOrder(t *testing.T) {
	_, err := parse("handlers:\n  a:\n    exec: [no-such-x]\n    timeout: 1\n  b c: {}\n  d: {http: 'ftp://x/'}\n")
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var lines []int
	for _, p := range problems {
		lines = append(lines, p.Line)
	}
	if !slices.Equal(lines, []int{3, 4, 5, 6}) {
		t.Errorf("lines %v:\n%v", lines, err)
	}
}

func TestAliasesAreFollowed(t *testing.T) {
	set, err := parse("handlers:\n  a: &a {exec: [sh], timeout: 5s}\n  b: *a\n")
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := set.Lookup("b"); b.Timeout != 5*time.Second || b.Kind != "b" || b.Line != 3 {
		t.Errorf("%+v", b)
	}
}

func TestRootNeedsAUserOrInsecure(t *testing.T) {
	root := 0
	text := []byte("handlers:\n  a:\n    exec: [sh]\n")
	opts := Options{euid: &root, LookupEnv: env(nil)}
	if _, err := Parse("w.yaml", text, opts); err == nil || !strings.Contains(err.Error(), "w.yaml:3: handler a: the worker runs as root") {
		t.Errorf("got %v", err)
	}
	opts.Insecure = true
	if _, err := Parse("w.yaml", text, opts); err != nil {
		t.Error(err)
	}
}

func TestMissingFileSaysWhatToDo(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), Options{})
	if err == nil || !strings.Contains(err.Error(), "SLOTQ_HANDLERS") {
		t.Error(err)
	}
	if _, err := Load(t.TempDir(), Options{}); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Error(err)
	}
}

func TestLoadedHandlerRuns(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "echo.sh"), []byte("#!/bin/sh\ncat; pwd\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "worker.yaml")
	if err := os.WriteFile(file, []byte("handlers:\n  a: {exec: [./echo.sh], dir: "+dir+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := Load(file, Options{Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := executor.NewSubprocess(executor.SubprocessOptions{Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	sub.ExtendLease(executor.BootTime() + int64(time.Minute))
	h, _ := set.Lookup("a")
	e, err := h.Executor(sub)
	if err != nil {
		t.Fatal(err)
	}
	r := e.Execute(t.Context(), executor.Task{ID: "1", Run: 1, Payload: []byte("payload ")})
	if r.Outcome != executor.Completed || string(r.Output) != "payload "+dir+"\n" {
		t.Errorf("%v %s %q", r.Outcome, r.Message, r.Output)
	}
}
