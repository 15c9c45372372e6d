//go:build mutant

package executor

import (
	"os"
	"time"
)

// leaseSlip is a planted defect, chosen by SLOTQ_MUTANT: the worker tells its shim a lease that is too long, so jobs live on.
// `make mutants` shows that the test of that promise finds it.
var leaseSlip = func() int64 {
	if os.Getenv("SLOTQ_MUTANT") == "shim_outlives_lease" {
		return int64(time.Hour)
	}
	return 0
}()

// limitsIgnored is a planted defect, too: the worker does not tell its shim what a job may take.
var limitsIgnored = os.Getenv("SLOTQ_MUTANT") == "limits_ignored"

// addressUnchecked is one: a request is sent to whatever its name leads to.
var addressUnchecked = os.Getenv("SLOTQ_MUTANT") == "address_unchecked"

// answerTold is one: the message of an error has what the target answered.
var answerTold = os.Getenv("SLOTQ_MUTANT") == "answer_told"
