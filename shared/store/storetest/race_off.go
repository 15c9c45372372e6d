//go:build !race

package storetest

// underRace: see race_on.go.
const underRace = false
