//go:build !mutant

package executor

// Planted defects; see mutants.go. Here there are none.
const (
	leaseSlip        = 0
	limitsIgnored    = false
	addressUnchecked = false
	answerTold       = false
)
