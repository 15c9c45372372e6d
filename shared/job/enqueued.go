package job

// Enqueued is what became of one job of an Enqueue.
type Enqueued struct {
	ID  ID     // of the job that is there: the one sent, or the one it duplicates
	By  string // "" = created; else what it duplicates: "id", "idempotency_key" or "unique_key"
	Err error  // ErrMismatch, or Invalid for a row that the database refused

	Claimed bool // a worker holds it already: see Jobs.EnqueueClaimed
}

// What an Enqueued duplicates.
const (
	ByID             = "id"
	ByIdempotencyKey = "idempotency_key"
	ByUniqueKey      = "unique_key"
)
