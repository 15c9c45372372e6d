//go:build race

package e2e

// The detector makes filling a database several times slower; six times the limit still tells a walk from a search.
const defaultBacklog = 120_000
