package store

import (
	"context"

	"github.com/slotq/slotq/shared/job"
)

// Stats keeps what the processes count: per queue an hour of minutes and a week of hours. No transaction of a job takes
// part in it. A process reports what it counted now and then; managers take the reports and add them up.
type Stats interface {
	// ReportStats stores what a process has counted and no manager has taken yet in the one row that the process has, and
	// returns the last number of which it knows that it was taken: parts up to it must not be sent again. Sending the same
	// again, or again after an error, adds nothing twice; what was stored outlives the process.
	ReportStats(ctx context.Context, r job.StatsReport) (taken int64, err error)

	// FoldStats takes the reports of at most limit processes and adds each to the rows of its minutes and hours, in one
	// transaction: every report is added once, whoever dies or does the same at once. It removes minutes and hours that are
	// no longer kept, and the rows of processes that are silent for long. It returns how many reports it took.
	FoldStats(ctx context.Context, limit int, now job.Time) (int, error)

	// ListStats returns the minutes and hours of at most StatsQueues queues that are kept now, in the order of queue, span
	// and time. A minute or an hour in which nothing was counted is not there.
	ListStats(ctx context.Context, queues []int32, now job.Time) ([]job.Stats, error)
}

// StatsQueues is of how many queues one ListStats may ask: it reads up to 228 rows of each.
const StatsQueues = 50
