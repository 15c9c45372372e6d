package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slotq/slotq/test/e2e/system"
)

func TestUnitsAreValidAndConfined(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		system.Absent(t, "systemd-analyze is not installed")
	}
	units, err := filepath.Glob("../../deploy/systemd/*.service")
	if err != nil || len(units) != 4 {
		t.Fatalf("units %v, %v; want 4", units, err)
	}
	dir := t.TempDir()
	for _, unit := range units {
		name := filepath.Base(unit)
		text := read(t, unit)
		program, _, _ := strings.Cut(strings.TrimPrefix(name, "slotq-"), ".")
		program = "slotq-" + strings.TrimSuffix(program, "@")
		if !strings.Contains(text, "ExecStart=/usr/local/bin/"+program) {
			t.Errorf("%s does not start %s", name, program)
		}
		// The check wants programs that are there.
		text = strings.ReplaceAll(text, "/usr/local/bin/"+program, binary(t, program))
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		// In tenths, a little above what docs/deployment.md says: other versions of systemd count a little otherwise.
		limit := "15"
		if program == "slotq-worker" {
			limit = "25"
		}
		if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold="+limit, path).CombinedOutput(); err != nil {
			t.Errorf("%s is exposed more than %s: %v\n%s", name, limit, err, out)
		}
	}
}

func TestUnitsStopAWorkerByAskingItAlone(t *testing.T) {
	for _, name := range []string{"slotq-worker.service", "slotq-worker@.service"} {
		text := read(t, "../../deploy/systemd/"+name)
		// control-group, the default, would send TERM to the jobs too, in the middle of a drain.
		if !strings.Contains(text, "\nKillMode=mixed\n") {
			t.Errorf("%s: KillMode is not mixed", name)
		}
	}
}
