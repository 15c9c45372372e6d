package sqlstore

import (
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// Outputs is the list of {output ??}: jobs, in the order of their ids, and the output of each.
type Outputs struct {
	IDs     []job.ID
	Outputs [][]byte
}

// One statement archives at most so many jobs with outputs, and about so many bytes of these. MySQL, MariaDB and SQLite compare a row
// with one id after the other: for 100 that costs MariaDB 3 µs a job, for 500 it costs 6.
const (
	maxOutputs  = 128
	outputBytes = 1 << 19
)

// withOutputs is how many jobs from the first on one statement archives.
func withOutputs(outputs [][]byte) (n int) {
	for size := 0; n < len(outputs) && n < maxOutputs; n++ {
		if size += len(outputs[n]); n > 0 && size > outputBytes {
			break
		}
	}
	return n
}

// outputsOf are those of jobs; outputs has one for each.
func outputsOf(jobs []*job.Job, outputs [][]byte) *Outputs {
	order := make([]int, len(jobs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return jobs[a].ID.Compare(jobs[b].ID) })
	o := &Outputs{IDs: make([]job.ID, len(jobs)), Outputs: make([][]byte, len(jobs))}
	for k, i := range order {
		o.IDs[k], o.Outputs[k] = jobs[i].ID, blob(outputs[i])
	}
	return o
}
