//go:build !race

package e2e

const defaultBacklog = 200_000
