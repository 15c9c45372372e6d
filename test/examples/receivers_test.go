package examples

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// Secrets as Standard Webhooks has them, without whsec_.
var (
	first  = base64.StdEncoding.EncodeToString([]byte("the secret that goes, 32 bytes.."))
	second = base64.StdEncoding.EncodeToString([]byte("the secret that comes, 32 bytes."))
	other  = base64.StdEncoding.EncodeToString([]byte("a secret of somebody else's, 32."))
)

// receivers are the commands that serve each language's kind on a port, and the port that worker.yaml says.
var receivers = []struct {
	kind, port, program string
	args                func(port string) []string
}{
	{"php.hook", "9001", "php", func(port string) []string {
		return []string{"-S", "127.0.0.1:" + port, "docs/examples/php/receiver.php"}
	}},
	{"python.hook", "9002", "python3", func(port string) []string { return []string{"docs/examples/python/receiver.py", port} }},
	{"javascript.hook", "9003", "node", func(port string) []string {
		return []string{"docs/examples/javascript/receiver.mjs", port}
	}},
}

// TestWhileTheSecretIsChangedReceiversWithEitherOneTakeTheJob signs with two secrets. Each receiver checks signatures in its
// own language and knows only one.
func TestWhileTheSecretIsChangedReceiversWithEitherOneTakeTheJob(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		secret string
		want   job.State
	}{"the one that goes": {first, job.Completed}, "the one that comes": {second, job.Completed}, "neither": {other, job.Retryable}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handlers := read(t, "docs/examples/worker.yaml")
			for _, r := range receivers {
				port := fmt.Sprint(system.FreePort(t))
				handlers = replaced(t, handlers, ":"+r.port+"/", ":"+port+"/")
				serve(t, r.program, r.args(port), port, c.secret)
			}
			db := system.Database{Name: "sqlite", URL: "sqlite:" + filepath.Join(t.TempDir(), "slotq.db")}
			s := start(t, db, handlers, "HOOK_SECRET=whsec_"+first+" whsec_"+second)
			for _, r := range receivers {
				made, err := s.Client.Enqueue(t.Context(), wire.NewJob{Kind: r.kind, Payload: json.RawMessage(`{"to": "zoë@example.org"}`)})
				if err != nil {
					t.Fatal(err)
				}
				j := settled(t, s, made.ID)
				if j.State != c.want {
					t.Errorf("%s: it is %s, want %s: %v", r.kind, j.State, c.want, j.Errors)
				}
				if c.want == job.Completed && !strings.Contains(string(j.Output), made.ID.String()) {
					t.Errorf("%s answered %s", r.kind, j.Output)
				}
				if c.want == job.Retryable && !strings.Contains(j.Errors[0].Message, "401") {
					t.Errorf("%s: %v", r.kind, j.Errors)
				}
				if c.want != job.Completed {
					continue
				}
				made, err = s.Client.Enqueue(t.Context(), wire.NewJob{Kind: r.kind, Payload: json.RawMessage(`{}`)})
				if err != nil {
					t.Fatal(err)
				}
				if j := settled(t, s, made.ID); j.State != job.Discarded {
					t.Errorf("%s with a payload that it cannot use: it is %s, want discarded: %v", r.kind, j.State, j.Errors)
				}
			}
		})
	}
}

// serve runs a receiver until the test ends.
func serve(t *testing.T, program string, args []string, port, secret string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(top, "docs"), filepath.Join(dir, "docs")); err != nil {
		t.Fatal(err)
	}
	system.Start(t, program, dir, interpreter(t, program), args, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "HOOK_SECRET=whsec_" + secret})
	err := system.Await(t.Context(), patience, func() error {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	if err != nil {
		t.Fatalf("%s does not listen: %v", program, err)
	}
}

// settled waits until a job's first run has ended.
func settled(t *testing.T, s *system.System, id job.ID) (j wire.Job) {
	t.Helper()
	err := system.Await(t.Context(), patience, func() (err error) {
		j, err = s.Client.Get(t.Context(), id)
		if err == nil && !j.State.Finished() && j.State != job.Retryable {
			err = fmt.Errorf("it is %s", j.State)
		}
		return err
	})
	if err != nil {
		t.Fatalf("the job has not run: %v", err)
	}
	return j
}
