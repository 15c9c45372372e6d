package doctor

import (
	"testing"

	"github.com/slotq/slotq/manager/loops"
)

func TestOfEveryLoopItIsSaidWhatItsLatenessLeadsTo(t *testing.T) {
	for _, loop := range loops.Names() {
		if lateWhy[loop] == "" {
			t.Errorf("nothing is said of the loop %s", loop)
		}
	}
	if len(lateWhy) != len(loops.Names()) {
		t.Errorf("%d loops are explained, and there are %d that take turns", len(lateWhy), len(loops.Names()))
	}
}
