package main

import "slices"

// median of an even number of values is the mean of the two in the middle; of none it is 0.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	half := len(v) / 2
	if len(v)%2 == 1 {
		return v[half]
	}
	return (v[half-1] + v[half]) / 2
}

// percentile is the smallest value that is not below a share q of all: the nearest rank, so that it was measured. The
// values are sorted.
func percentile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(q*float64(len(sorted)) + 0.999999) // rounded up, but for what the multiplication adds
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// ratios divides what was measured in the same pairs, so that what changes between pairs changes both. Without pairs
// there is one ratio, that of the medians.
func ratios(values, base []float64) []float64 {
	if len(values) != len(base) {
		values, base = []float64{median(values)}, []float64{median(base)}
	}
	var r []float64
	for i, v := range values {
		if base[i] != 0 {
			r = append(r, v/base[i])
		}
	}
	return r
}
