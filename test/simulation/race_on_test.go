//go:build race

package simulation

// underRace says that the race detector watches: a fortieth of the seeds, since races show early. `make test` runs all of
// them without it.
const underRace = true
