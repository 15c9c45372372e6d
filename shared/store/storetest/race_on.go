//go:build race

package storetest

// underRace says that the race detector watches, which makes SQLite (compiled to Go) ten times slower. What is about
// many repetitions then runs a tenth of them: the detector looks for races, and those show early. `make test` runs
// the whole model without it.
const underRace = true
