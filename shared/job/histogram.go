package job

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// Histogram counts durations in buckets that grow by the cube root of 2 from 1 ms to 7.4 h, with one more below and one
// above. Histograms are merged by adding, so that those of many processes and minutes make one of an hour. The zero value
// is empty.
//
// A quantile of it is wrong by 12 % at most. Buckets twice as wide would be wrong by 26 %, and half as wide cost twice the
// space for an error that nobody sees beside the spread of the jobs themselves.
type Histogram [bucketCount]int64

const (
	bucketCount   = 76
	octaveBuckets = 3
	firstBound    = time.Millisecond
)

// bounds[i] is where bucket i ends and bucket i+1 begins.
var bounds = func() (b [bucketCount - 1]time.Duration) {
	for i := range b {
		b[i] = time.Duration(float64(firstBound) * math.Exp2(float64(i)/octaveBuckets))
	}
	return b
}()

// Observe counts one duration; a negative one, of a clock that was set back, counts as 0.
func (h *Histogram) Observe(d time.Duration) {
	i, exact := slices.BinarySearch(bounds[:], d)
	if exact {
		i++
	}
	h[i]++
}

// Add counts what o has counted.
func (h *Histogram) Add(o *Histogram) {
	for i, n := range o {
		h[i] += n
	}
}

// Count is how many durations were counted.
func (h *Histogram) Count() (n int64) {
	for _, k := range h {
		n += k
	}
	return n
}

// IsZero says that nothing was counted; it keeps an empty histogram out of JSON.
func (h Histogram) IsZero() bool { return h == Histogram{} }

// Quantile is the duration that a share q of those counted did not exceed: within 12 % of the true one from 1 ms to 7.4 h,
// 1 ms for all below and 7.4 h for all above; 0 when nothing was counted.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := max(int64(math.Ceil(q*float64(h.Count()))), 1)
	for i, n := range h {
		if rank -= n; rank > 0 {
			continue
		}
		switch i {
		case 0:
			return firstBound
		case bucketCount - 1:
			return bounds[i-1]
		default:
			return time.Duration(math.Sqrt(float64(bounds[i-1]) * float64(bounds[i])))
		}
	}
	return 0
}

// MarshalJSON writes the buckets that are not empty as pairs of index and count.
func (h Histogram) MarshalJSON() ([]byte, error) {
	pairs := [][2]int64{}
	for i, n := range h {
		if n != 0 {
			pairs = append(pairs, [2]int64{int64(i), n})
		}
	}
	return json.Marshal(pairs)
}

// UnmarshalJSON is the inverse of MarshalJSON. A bucket that this version does not know is its last one.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var pairs [][2]int64
	if err := json.Unmarshal(b, &pairs); err != nil {
		return err
	}
	*h = Histogram{}
	for _, p := range pairs {
		h[max(0, min(p[0], bucketCount-1))] += p[1]
	}
	return nil
}
