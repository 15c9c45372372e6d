//go:build !mutant

package executor

// leaseSlip is a planted defect; see mutants.go. Here there is none.
const leaseSlip = 0
