//go:build mutant

package sqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"

	"github.com/slotq/slotq/shared/job"
)

// Planted defects, one for a process, chosen by SLOTQ_MUTANT: `make mutants` shows for each that the test of its promise
// finds it. Since every statement passes the Engine in its portable form, nearly all of them are changes of a statement
// on its way there, and the protocol's own code knows nothing of them.

// planted says which defect is in.
var planted = os.Getenv("SLOTQ_MUTANT")

// mutation is a defect: what a statement says, and what it should say instead.
type mutation struct {
	in       string // only statements that contain this; "" = any
	old, new string
}

const anyToken = "(token = ? OR 1 = 1)"

var mutations = map[string][]mutation{
	"":                         nil,
	"enqueue_before_commit":    nil, // see mutantTx.Commit
	"enqueue_compacts_payload": nil, // see mutantTx.Insert
	"idempotency_last_wins":    nil, // see mutantTx.Insert
	"finish_believes_history":  nil, // a line in finish.go
	"shim_outlives_lease":      nil, // in package executor
	"output_kept_by_a_stub":    {{"INTO slotq_history", "= 0 THEN ?::bytea", "= -1 THEN ?::bytea"}},
	"prune_all_history":        {{"slotq_history", "remove_at <= ?", "remove_at <> ?"}},
	"enqueue_skips_history":    {{"SELECT id, nonce, digest FROM slotq_jobs", "state IN (5, 6, 7)", "state IN (0)"}},
	"claim_without_token":      {{"SET token = ?, run = run + 1", "AND j.token = ?", "AND (j.token = ? OR 1 = 1)"}},
	"claim_takes_held":         {{"SET token = ?, run = run + 1", "AND j.token = ?", "AND (j.token = ? OR 1 = 1)"}, {"j.run_at <= ?", "j.token = ?", "(j.token = ? OR 1 = 1)"}},
	"claim_by_the_dead":        {{"INSERT INTO slotq_claims", " AND dead = 0", ""}},
	"stored_claim_by_the_dead": {{"NOT EXISTS (SELECT 1 FROM slotq_jobs", " AND w.dead = 0 AND w.quiet = 0", ""}},
	"stored_claim_overtakes":   {{"NOT EXISTS (SELECT 1 FROM slotq_jobs", "AND j.token = ?)", "AND j.token = ? AND 1 = 0)"}},
	"hint_ignores_ids": {{"", "{among ??}", "({among ??} OR 1 = 1)"},
		{"", "{held among ??}", "({held among ??} OR 1 = 1)"}},
	"finish_without_token": {{"", "{held ??}", "j.id IN (??)"},
		{"{delete j}", "j.token = ?", "(j.token = ? OR 1 = 1)"}, {"INTO slotq_history", "AND j.token = ?", "AND (j.token = ? OR 1 = 1)"}},
	"rescue_by_id":             {{"FROM slotq_jobs j", "j.id IN (??) AND j.token = ?", "j.id IN (??) AND (j.token = ? OR 1 = 1)"}, {"crashes = ?, snoozes = ?", "AND token = ?", "AND " + anyToken}},
	"crash_not_counted":        {{"crashes = ?, snoozes = ?", "crashes = ?", "crashes = 0 * ?"}},
	"neighbours_counted":       {{"INSERT INTO slotq_claims", "?::smallint, ?::bytea", "0 * ?::smallint, ?::bytea"}},
	"attempt_not_counted":      {{"crashes = ?, snoozes = ?", "attempt = ?", "attempt = 1 + 0 * ?"}},
	"cancel_ignored_by_fail":   {{"crashes = ?, snoozes = ?", " AND cancel_at = 0", ""}},
	"orphans_only_of_the_dead": {{"LEFT JOIN slotq_workers", "w.id IS NULL OR w.dead = 1", "w.dead = 1"}},
	"claim_not_looked_for":     {{"SELECT ids FROM slotq_claims", "token = ?", "token = ? AND 1 = 0"}},
	"run_at_ignored":           {{"j.token = ?", "j.run_at <= ?", "(j.run_at <= ? OR 1 = 1)"}},
	"limit_not_tested":         {{"FROM slotq_keyed {by key}", "WHERE queue_id", "WHERE waiting = 1 AND queue_id"}},
	"key_kept_when_put_back":   {{"crashes = ?, snoozes = ?", ", key_held = 0", ""}},
	"pause_not_in_the_fence":   {{"UPDATE slotq_slots SET epoch", " AND paused = 0", ""}},
	"revoked_token_lives":      {{"UPDATE slotq_api_tokens SET revoked_at", "revoked_at = ?", "revoked_at = 0 * ?"}},
	"tombstones_all_go":        {{"DELETE FROM slotq_api_tokens", "id <> ?", "(id <> ? OR 1 = 1)"}},
	"report_taken_twice":       {{"UPDATE slotq_counters SET taken", "AND taken = ?", "AND (taken = ? OR 1 = 1)"}},
	"report_ignores_taken":     {{"UPDATE slotq_counters SET seq", "AND taken = ?", "AND (taken = ? OR 1 = 1)"}},
	"action_step_not_compared": {{"UPDATE slotq_actions SET step", "AND step = ?", "AND (step = ? OR 1 = 1)"}},
	"unique_key_not_freed":     {{"DELETE FROM slotq_unique_keys", "id = ?", "id = ? AND 1 = 0"}},
}

func plant(e Engine) Engine {
	m, ok := mutations[planted]
	if !ok {
		panic("SLOTQ_MUTANT names no planted defect: " + planted)
	}
	if planted == "" {
		return e
	}
	return &mutantEngine{e, m}
}

// mutate changes a statement; lists of pairs become lists of ids where the statement asks for ids.
func mutate(m []mutation, query string, args []any) (string, []any) {
	for _, c := range m {
		if strings.Contains(query, c.in) && strings.Contains(query, c.old) {
			query = strings.ReplaceAll(query, c.old, c.new)
			if strings.Contains(c.old, "{held ??}") {
				args = slices.Clone(args)
				for i, a := range args {
					if held, ok := a.([]job.Held); ok {
						ids := make([]job.ID, len(held))
						for k, h := range held {
							ids[k] = h.ID
						}
						args[i] = ids
					}
				}
			}
		}
	}
	return query, args
}

type mutantEngine struct {
	Engine
	mutations []mutation
}

func (e *mutantEngine) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	query, args = mutate(e.mutations, query, args)
	return e.Engine.Query(ctx, query, args...)
}

func (e *mutantEngine) Begin(ctx context.Context) (Tx, error) {
	tx, err := e.Engine.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &mutantTx{Tx: tx, mutations: e.mutations}, nil
}

type mutantTx struct {
	Tx
	mutations []mutation
	enqueues  bool
}

func (t *mutantTx) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	query, args = mutate(t.mutations, query, args)
	return t.Tx.Query(ctx, query, args...)
}

func (t *mutantTx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	query, args = mutate(t.mutations, query, args)
	return t.Tx.Exec(ctx, query, args...)
}

func (t *mutantTx) Queue(ctx context.Context, matched func(n int64) error, query string, args ...any) error {
	query, args = mutate(t.mutations, query, args)
	return t.Tx.Queue(ctx, matched, query, args...)
}

func (t *mutantTx) Locate(ctx context.Context, matched func(n int64) error, at func(job.Location), query string, args ...any) error {
	query, args = mutate(t.mutations, query, args)
	return t.Tx.Locate(ctx, matched, at, query, args...)
}

func (t *mutantTx) ExecMany(ctx context.Context, query string, args [][]any) ([]int64, error) {
	query, _ = mutate(t.mutations, query, nil)
	return t.Tx.ExecMany(ctx, query, args)
}

// Insert changes payloads as a JSON library would, or lets the last sender of an idempotency key win.
func (t *mutantTx) Insert(ctx context.Context, table string, columns []string, rows [][]any, quiet bool) error {
	t.enqueues = t.enqueues || table == "slotq_jobs"
	switch {
	case planted == "enqueue_compacts_payload" && table == "slotq_jobs":
		c := slices.Index(columns, "payload")
		for i, row := range rows {
			var b bytes.Buffer
			if json.Compact(&b, row[c].([]byte)) == nil {
				rows[i] = slices.Clone(row)
				rows[i][c] = b.Bytes()
			}
		}
	case planted == "idempotency_last_wins" && table == "slotq_idempotency_keys":
		for _, row := range rows {
			if _, err := t.Tx.Exec(ctx, "DELETE FROM slotq_idempotency_keys WHERE idempotency_key = ?", row[0]); err != nil {
				return err
			}
		}
	}
	return t.Tx.Insert(ctx, table, columns, rows, quiet)
}

// Commit forgets what an enqueue wrote and says that it is safe.
func (t *mutantTx) Commit(ctx context.Context) error {
	if planted == "enqueue_before_commit" && t.enqueues {
		t.Tx.Rollback()
		return nil
	}
	return t.Tx.Commit(ctx)
}
