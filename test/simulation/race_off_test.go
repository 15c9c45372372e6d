//go:build !race

package simulation

import "testing"

const underRace = false

// TestASeedReplays: the history of a seed is the same to the nanosecond, however often it runs. Not under the race
// detector, which puts goroutines into a random order on purpose.
func TestASeedReplays(t *testing.T) {
	const seeds, times = 40, 10
	differ := 0
	for seed := range uint64(seeds) {
		hashes := map[uint64]int{}
		for range times {
			hashes[simulate(t, Options{Seed: seed, Forever: forever(seed)}).Hash]++
		}
		if len(hashes) > 1 {
			differ++
			t.Errorf("seed %d has %d histories in %d runs", seed, len(hashes), times)
		}
	}
	t.Logf("%d seeds %d times: %d with more than one history", seeds, times, differ)
}
