package main

import (
	"slices"
	"testing"
)

func TestMedianOfAnEvenNumberIsBetweenTheMiddleTwo(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{7}, 7}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		before := slices.Clone(c.values)
		if got := median(c.values); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
		if !slices.Equal(before, c.values) {
			t.Errorf("median changed its values to %v", c.values)
		}
	}
}

func TestPercentileIsAValueThatWasMeasured(t *testing.T) {
	var hundred []float64
	for i := range 100 {
		hundred = append(hundred, float64(i+1))
	}
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{{nil, 0.5, 0}, {hundred, 0.5, 50}, {hundred, 0.99, 99}, {hundred, 0.999, 100}, {hundred, 1, 100}, {hundred, 0, 1}, {[]float64{3}, 0.99, 3}} {
		if got := percentile(c.values, c.q); got != c.want {
			t.Errorf("percentile(%d values, %v) = %v, want %v", len(c.values), c.q, got, c.want)
		}
	}
}

func TestRatiosAreOfTheSamePair(t *testing.T) {
	if got := ratios([]float64{2, 30}, []float64{1, 10}); !slices.Equal(got, []float64{2, 3}) {
		t.Errorf("got %v", got)
	}
	if got := ratios([]float64{2, 4, 6}, []float64{2}); !slices.Equal(got, []float64{2}) {
		t.Errorf("without pairs: got %v, want the medians' ratio", got)
	}
	if got := ratios([]float64{1}, []float64{0}); len(got) != 0 {
		t.Errorf("of nothing: got %v", got)
	}
}
