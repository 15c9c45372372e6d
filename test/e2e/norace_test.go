//go:build !race

package e2e

const defaultBacklog = 1_000_000
