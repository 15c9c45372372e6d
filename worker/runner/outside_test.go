package runner

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

const outsideMain = `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/worker/runner"
)

func main() {
	if api := os.Getenv("API"); api != "" {
		client, err := wire.NewClient(api, nil)
		if err == nil {
			_, err = client.Enqueue(context.Background(), wire.NewJob{Kind: "greet", Payload: []byte("{\"name\":\"world\"}")})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	runner.Handle("greet", func(ctx context.Context, j *runner.Job) (any, error) {
		var who struct{ Name string }
		if err := j.Decode(&who); err != nil {
			return nil, runner.Discard(err)
		}
		return "hello " + who.Name, nil
	})
	runner.Main()
}
`

const clientMain = `package main

import "github.com/slotq/slotq/shared/wire"

func main() { _, _ = wire.NewClient("http://127.0.0.1:8080", nil) }
`

// outside makes a module of its own, far from the workspace, and returns a go command in it.
func outside(t *testing.T, source string) (dir string, goCommand func(args ...string) string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds programs")
	}
	dir = t.TempDir()
	checkout, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var sums strings.Builder
	for _, module := range []string{"shared", "worker"} {
		sum, err := os.ReadFile(filepath.Join(checkout, module, "go.sum"))
		if err != nil {
			t.Fatal(err)
		}
		sums.Write(sum)
	}
	mod := "module example.org/outside\n\ngo 1.26\n"
	for _, module := range []string{"shared", "worker"} {
		path := "github.com/slotq/slotq/" + module
		mod += "\nrequire " + path + " v0.0.0\nreplace " + path + " => " + filepath.Join(checkout, module) + "\n"
	}
	for name, text := range map[string]string{"go.mod": mod, "go.sum": sums.String(), "main.go": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, func(args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), "go", args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
		var stderr strings.Builder
		c.Stderr = &stderr
		out, err := c.Output()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &stderr)
		}
		return string(out)
	}
}

func TestAProgramOutsideTheWorkspaceEnqueuesAndRunsAJob(t *testing.T) {
	dir, goCommand := outside(t, outsideMain)
	goCommand("build", "-o", "program", ".")
	url := "sqlite:" + filepath.Join(dir, "slotq.db")
	s := openURL(t, url)
	ids := make(chan job.ID, 1)
	// An api as small as can be: the real one is a module that the worker does not know.
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n wire.NewJob
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &n); err != nil {
			t.Errorf("the client sent %q: %v", body, err)
		}
		id := enqueue(t, s, 1, job.Spec{Kind: n.Kind, Payload: n.Payload})[0]
		ids <- id
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"id": id, "kind": n.Kind, "state": "available"})
	}))
	defer api.Close()

	post := exec.CommandContext(t.Context(), filepath.Join(dir, "program"))
	post.Env = append(os.Environ(), "API="+api.URL)
	if out, err := post.CombinedOutput(); err != nil {
		t.Fatalf("enqueuing: %v\n%s", err, out)
	}
	id := <-ids

	worker := exec.CommandContext(t.Context(), filepath.Join(dir, "program"), "--database-url", url, "--listen", "127.0.0.1:0")
	worker.Dir = dir
	var log output
	worker.Stderr = &log
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	finished(t, s, []job.ID{id})
	if err := worker.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := worker.Wait(); err != nil {
		t.Errorf("the worker ended with %v:\n%s", err, &log)
	}
	j, err := s.Get(t.Context(), id)
	if err != nil || string(j.Output) != `"hello world"` {
		t.Errorf("output %q, %v\n%s", j.Output, err, &log)
	}
}

func TestTheClientPullsNoDatabaseDriver(t *testing.T) {
	_, goCommand := outside(t, clientMain)
	deps := goCommand("list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	if !strings.Contains(deps, "github.com/slotq/slotq/shared/wire") {
		t.Fatalf("does not even import the client:\n%s", deps)
	}
	for dep := range strings.Lines(deps) {
		dep = strings.TrimSpace(dep)
		switch dep {
		case "", "example.org/outside", "github.com/slotq/slotq/shared/wire", "github.com/slotq/slotq/shared/job":
		default:
			t.Errorf("the client pulls %s", dep)
		}
	}
}
