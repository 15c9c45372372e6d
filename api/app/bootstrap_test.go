package app

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/service"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/wire"
)

// secretFile writes a secret as an editor would.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, database string) store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), strings.TrimPrefix(database, "--database-url="), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestTheTokenOfTheBootstrapFileExistsAfterTheStartAndMayDoEverything(t *testing.T) {
	database, secret := sqlite(t), strings.Repeat("0123456789abcdef", 4)
	file := secretFile(t, secret)
	// Beyond loopback: the token of the file is one that exists.
	address, stop := run(t, database, "--listen=0.0.0.0:0", "--bootstrap-token-file="+file)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := wire.NewClient("http://127.0.0.1:"+port, nil)
	if err != nil {
		t.Fatal(err)
	}
	var p *wire.Problem
	if _, err := c.Queues(t.Context()); !errors.As(err, &p) || p.Status != http.StatusUnauthorized {
		t.Errorf("without a token: %v", err)
	}
	with := c.WithToken(secret)
	if _, err := with.PutQueue(t.Context(), "mail", wire.QueueSettings{}); err != nil {
		t.Error(err)
	}
	if j, err := with.Enqueue(t.Context(), wire.NewJob{Kind: "k", Payload: []byte(`1`)}); err != nil {
		t.Error(err)
	} else if got, err := with.Get(t.Context(), j.ID); err != nil || string(got.Payload) != "1" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	s := open(t, database)
	tokens, err := s.ListAPITokens(t.Context())
	if err != nil || len(tokens) != 1 || tokens[0].Name != bootstrapName {
		t.Fatalf("%+v, %v", tokens, err)
	}
	if _, err := s.RevokeAPIToken(t.Context(), tokens[0].ID, tokens[0].CreatedAt+1); err != nil {
		t.Fatal(err)
	}
	address, _ = run(t, database, "--listen=127.0.0.1:0", "--bootstrap-token-file="+file)
	if c, err = wire.NewClient("http://"+address, nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*wire.Client{"revoked": c.WithToken(secret), "none": c} {
		if _, err := c.Queues(t.Context()); !errors.As(err, &p) || p.Status != http.StatusUnauthorized {
			t.Errorf("a restart with the token %s: %v", name, err)
		}
	}
}

func TestABootstrapFileThatHoldsNoSecretIsRefused(t *testing.T) {
	for content, says := range map[string]string{"": "32 to 255", "hunter2": "openssl rand", "slotq_" + strings.Repeat("A", 33): "checksum"} {
		err := Main(t.Context(), service.Process{Name: "api", Args: []string{sqlite(t), "--listen=127.0.0.1:0", "--bootstrap-token-file=" + secretFile(t, content)}, Stdout: io.Discard, Stderr: io.Discard})
		if err == nil || !strings.Contains(err.Error(), says) || content != "" && strings.Contains(err.Error(), content) {
			t.Errorf("%q: %v", content, err)
		}
	}
	err := Main(t.Context(), service.Process{Name: "api", Args: []string{sqlite(t), "--listen=127.0.0.1:0", "--bootstrap-token-file=/no/such/file"}, Stdout: io.Discard, Stderr: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "--bootstrap-token-file") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestBeyondLoopbackItNeedsATokenToExistEvenARevokedOne(t *testing.T) {
	database := sqlite(t)
	args := []string{database, "--listen=0.0.0.0:0"}
	err := Main(t.Context(), service.Process{Name: "api", Args: args, Stdout: io.Discard, Stderr: io.Discard})
	usage := (*service.UsageError)(nil)
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "manager tokens create") {
		t.Fatalf("without a token: %v", err)
	}
	s := open(t, database)
	made, err := s.CreateAPIToken(t.Context(), job.APIToken{ID: job.NewID(job.MinTime), Hash: job.NewAPISecret().Hash(), Name: "t", Scopes: job.Scopes}, job.MinTime)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RevokeAPIToken(t.Context(), made.ID, job.MinTime+1); err != nil {
		t.Fatal(err)
	}
	address, _ := run(t, args...)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/v1/queues": 401, "/": 401, "/metrics": 401, "/docs": 200, "/openapi.json": 200, "/healthz": 200, "/readyz": 200} {
		if status, body := get(t, "http://127.0.0.1:"+port+path); status != want {
			t.Errorf("%s: %d %.200s, want %d", path, status, body, want)
		}
	}
}
