package check

import (
	"os/exec"
	"strings"
	"testing"
)

func TestTheCheckerSharesNoCodeWithWhatItJudges(t *testing.T) {
	output, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dependency := range strings.FieldsSeq(string(output)) {
		if strings.HasPrefix(dependency, "github.com/slotq/slotq/") && !strings.HasPrefix(dependency, "github.com/slotq/slotq/test/faults/") {
			t.Errorf("the checker depends on %s", dependency)
		}
	}
}
