package wire

import "github.com/slotq/slotq/shared/job"

// Enqueued is the answer to one job: the job without its payload, or the job that is there already.
type Enqueued struct {
	Job
	Deduplicated   bool   `json:"deduplicated,omitempty" doc:"Nothing was made: the job shown was there already."`
	DeduplicatedBy string `json:"deduplicated_by,omitempty" doc:"What the two have in common." enum:"id,idempotency_key,unique_key"`
}

// AppendJSON appends the answer as JSON.
func (e *Enqueued) AppendJSON(dst []byte) ([]byte, error) {
	if !e.Deduplicated {
		return e.Job.AppendJSON(dst)
	}
	return e.appendJSON(dst, raw{"deduplicated", []byte("true")}, raw{"deduplicated_by", []byte(`"` + e.DeduplicatedBy + `"`)})
}

// MaxBatch is the most jobs of a batch.
const MaxBatch = 10_000

// Batch is what a batch is sent as.
type Batch struct {
	Jobs   []NewJob `json:"jobs" minItems:"1" maxItems:"10000"`
	Atomic bool     `json:"atomic,omitempty" doc:"All or nothing; a duplicate is no failure." default:"false"`
}

// AppendJSON appends the batch as JSON.
func (b *Batch) AppendJSON(dst []byte) (_ []byte, err error) {
	dst = append(dst, `{"jobs":[`...)
	for i := range b.Jobs {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = b.Jobs[i].AppendJSON(dst); err != nil {
			return dst, err
		}
	}
	dst = append(dst, ']')
	if b.Atomic {
		dst = append(dst, `,"atomic":true`...)
	}
	return append(dst, '}'), nil
}

// BatchResult is the answer to a batch.
type BatchResult struct {
	Created      int          `json:"created"`
	Deduplicated int          `json:"deduplicated"`
	Rejected     int          `json:"rejected"`
	Results      []ItemResult `json:"results" doc:"One for each job, in the order of the request."`
}

// What became of one job of a batch.
const (
	Created      = "created"
	Deduplicated = "deduplicated"
	Rejected     = "rejected"
)

// ItemResult is what became of one job of a batch.
type ItemResult struct {
	Status         string   `json:"status" enum:"created,deduplicated,rejected"`
	ID             job.ID   `json:"id,omitzero" format:"uuid" doc:"The job that is there; absent when it was rejected."`
	DeduplicatedBy string   `json:"deduplicated_by,omitempty" enum:"id,idempotency_key,unique_key"`
	Problem        *Problem `json:"problem,omitempty" doc:"Why it was rejected."`
}
