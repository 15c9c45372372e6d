package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestAKnownVulnerabilityFailsTheBuildAndADatabaseThatIsAwayDoesNot(t *testing.T) {
	planted, err := filepath.Abs("testdata/vulndb")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		database, says string
		fails          bool
	}{
		{"file://" + planted, "GO-2099-0001", true},
		{"http://" + freeAddress(t), "NOT CHECKED", false},
	} {
		cmd := exec.Command("../../.ci/vuln", binary(t, "slotq-worker"))
		cmd.Env = append(os.Environ(), "GOVULNDB="+c.database)
		out, err := cmd.CombinedOutput()
		if failed := err != nil; failed != c.fails || !strings.Contains(string(out), c.says) {
			t.Errorf("with %s: %v, want a failure: %v, and %q:\n%s", c.database, err, c.fails, c.says, out)
		}
	}
}
