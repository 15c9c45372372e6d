//go:build !mutant && !ledger

package sqlstore

// plant is the seam for planted defects; see mutants.go. Here there are none.
func plant(e Engine) Engine { return e }

// planted says which defect is in; the compiler drops what depends on it.
const planted = ""
