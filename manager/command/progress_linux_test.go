package command

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/service"
)

// on calls a command with stderr on a terminal, and returns stdout.
func (x *terminal) on(url string, args ...string) string {
	x.t.Helper()
	var out bytes.Buffer
	err := Main(x.t.Context(), service.Process{
		Name: "manager", Args: args, Environ: []string{"SLOTQ_DATABASE_URL=" + url}, Stdin: strings.NewReader(""), Stdout: &out, Stderr: io.Writer(x.tty),
	})
	if err != nil {
		x.t.Fatal(err)
	}
	return out.String()
}

func TestLongWorkShowsHowFarItIsOnATerminalAndNowhereElse(t *testing.T) {
	b := newBench(t)
	fill := func() {
		q, err := b.store.EnsureQueue(t.Context(), job.NewQueue("mail"), b.now)
		if err != nil {
			t.Fatal(err)
		}
		jobs := make([]*job.Job, purgeBatch+1)
		for i := range jobs {
			jobs[i] = (&job.Spec{Kind: "k", Payload: []byte("1")}).Make(q, b.now)
		}
		if _, err := b.store.Enqueue(t.Context(), jobs, true); err != nil {
			t.Fatal(err)
		}
	}
	empty := "sqlite:" + filepath.Join(t.TempDir(), "empty.db")

	fill()
	x := newTerminal(t)
	out := x.on(b.url, "queues", "purge", "mail", "--yes", "--json")
	if shown := x.close(); !strings.Contains(shown, "\rcancelled 500 waiting jobs of mail") || !strings.HasSuffix(shown, "\r\x1b[K") {
		t.Errorf("a terminal shows %q; want how far it is, and the line gone at the end", shown)
	}
	if !strings.HasPrefix(out, `{"purged":501,`) {
		t.Errorf("stdout is %q", out)
	}
	x = newTerminal(t)
	x.on(empty, "migrate")
	if shown := x.close(); !strings.Contains(shown, "\rmigrating the schema") || !strings.HasSuffix(shown, "\r\x1b[K") {
		t.Errorf("a terminal shows %q", shown)
	}

	fill()
	if r := call1(t.Context(), b.url, "", "queues", "purge", "mail", "--yes"); r.failure != nil || r.err != "" {
		t.Errorf("without a terminal stderr is %q, %v", r.err, r.failure)
	}
}
