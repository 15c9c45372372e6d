package command

import (
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/wire"
)

func TestWorkersAreListedAndCommanded(t *testing.T) {
	b := newBench(t)
	w := b.worker("host-1", "k")
	list := parse[wire.WorkerList](t, b.ok("workers", "--json"))
	if len(list.Workers) != 1 || list.Workers[0].ID != w.ID || list.Workers[0].State != wire.WorkerActive {
		t.Fatalf("workers %+v", list)
	}
	if out := b.ok("workers"); !strings.Contains(out, "host-1") || !strings.Contains(out, w.ID.String()) {
		t.Errorf("table:\n%s", out)
	}
	if got := parse[wire.Worker](t, b.ok("workers", "quiet", w.ID.String(), "--json")); got.State != wire.WorkerQuiet {
		t.Errorf("quiet made it %s", got.State)
	}
	if got := parse[wire.Worker](t, b.ok("workers", "stop", w.ID.String(), "--json")); got.State != wire.WorkerStopping {
		t.Errorf("stop made it %s", got.State)
	}
	b.fails(2, []string{"16 hexadecimal digits"}, "workers", "stop", "host-1")
	b.fails(1, []string{"no worker"}, "workers", "stop", "0000000000000001")
}
