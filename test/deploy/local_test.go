package deploy

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slotq/slotq/test/e2e/system"
)

// imageUser is whom the image's USER is, as numbers.
var imageUser = syscall.Credential{Uid: 10001, Gid: 10001}

// local runs on this machine what the deployments run in containers: names of hosts and their ports become 127.0.0.1 and
// free ports, and paths of what is mounted those of this machine; nothing else is changed.
type local struct {
	t       *testing.T
	address map[string]string // "mysql:3306" → "127.0.0.1:41234"
	workDir string            // stands for /srv/slotq of the worker's image
}

// localize rewrites addresses in a flag or a variable.
func (l *local) localize(text string) string {
	for from, to := range l.address {
		text = strings.ReplaceAll(text, from, to)
	}
	return text
}

// start runs a program until the test ends. Listeners of all interfaces become ones of this machine: listen says which.
func (l *local) start(program string, command []string, environment, listen map[string]string) {
	l.t.Helper()
	var args []string
	for _, arg := range command {
		if name, address, ok := strings.Cut(arg, "=:"); ok {
			arg = name + "=" + listen[":"+address]
		}
		args = append(args, l.localize(arg))
	}
	cmd := exec.Command(binary(l.t, program), args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	for name, value := range environment {
		cmd.Env = append(cmd.Env, name+"="+l.localize(value))
	}
	cmd.Dir = l.workDir
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if os.Geteuid() == 0 {
		user := imageUser
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &user}
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
		err := cmd.Wait()
		kill.Stop()
		if err != nil {
			l.t.Errorf("%s ended: %v", program, err)
		}
		if l.t.Failed() {
			l.t.Logf("%s %s:\n%s", program, strings.Join(args, " "), log.String())
		}
	})
}

// srv makes what the image worker-demo has in /srv/slotq, as its Dockerfile copies it.
func srv(t *testing.T, handlers string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "slotq-srv-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, step := range []func() error{
		func() error { return os.CopyFS(filepath.Join(dir, "deploy", "demo"), os.DirFS("../../deploy/demo")) },
		func() error { return os.MkdirAll(filepath.Join(dir, "bin"), 0o755) },
		func() error {
			return os.Symlink(binary(t, "demo-thumbnail"), filepath.Join(dir, "bin", "demo-thumbnail"))
		},
		func() error { return os.Mkdir(filepath.Join(dir, "data"), 0o755) },
		func() error { return os.WriteFile(filepath.Join(dir, "worker.yaml"), []byte(handlers), 0o644) },
		func() error { return os.Chmod(dir, 0o755) },
		func() error {
			if os.Geteuid() != 0 {
				return nil
			}
			return os.Chown(filepath.Join(dir, "data"), int(imageUser.Uid), int(imageUser.Gid))
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func freeAddress(t *testing.T) string {
	t.Helper()
	return "127.0.0.1:" + strconv.Itoa(system.FreePort(t))
}

func ready(ctx context.Context, address string) error { return healthy(ctx, address, "/readyz") }

// healthy asks for a page once; nil = 200.
func healthy(ctx context.Context, address, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(strconv.Itoa(answer.StatusCode))
	}
	return nil
}

func await(t *testing.T, limit time.Duration, what string, so func() error) {
	t.Helper()
	if err := system.Await(t.Context(), limit, so); err != nil {
		t.Fatalf("waited %s for %s: %v", limit, what, err)
	}
}
