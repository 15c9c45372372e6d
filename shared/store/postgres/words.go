package postgres

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/sqlstore"
)

// words turns portable statements into PostgreSQL's. Lists become one array parameter, so a statement has one text,
// which the connection prepares once.
type words struct{ texts sync.Map }

func (w *words) text(portable string) string {
	if t, ok := w.texts.Load(portable); ok {
		return t.(string)
	}
	query := strings.NewReplacer("{by id}", "", "{by key}", "", "{location}", "j.ctid", "{at ??}", "j.ctid IN (??)", "{among ??}", "??among", "{output ??}", "??output", "{held ??}", "??held", "{held among ??}", "??pairs", "{delete j}", "DELETE FROM slotq_jobs j", "{delete c}", "DELETE FROM slotq_claims c",
		"{with queue}", "JOIN slotq_queues q ON q.id = j.queue_id",
		"{branch}", "(", "{now}", "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint").Replace(portable)
	var b strings.Builder
	n := 0
	for {
		i := strings.IndexByte(query, '?')
		if i < 0 {
			break
		}
		n++
		switch rest := query[i:]; {
		case strings.HasPrefix(rest, "??held"):
			// Not a join with the list, whose pairs the planner compares with each of all jobs where ANALYZE has found hardly one.
			b.WriteString(query[:i] + "j.id = ANY ($" + strconv.Itoa(n) + ") AND " + amongPairs(n+1))
			n++
			query = rest[len("??held"):]
		case strings.HasPrefix(rest, "??pairs"):
			b.WriteString(query[:i] + amongPairs(n))
			query = rest[len("??pairs"):]
		case strings.HasPrefix(rest, "??among"):
			// = ANY goes through the whole list for each row, and by a join with it a job costs 2 µs more.
			list := "$" + strconv.Itoa(n) + "::uuid[]"
			b.WriteString(query[:i] + "(" + list + ")[width_bucket(j.id, " + list + ")] = j.id")
			query = rest[len("??among"):]
		case strings.HasPrefix(rest, "??output"):
			b.WriteString(query[:i] + "($" + strconv.Itoa(n+1) + "::bytea[])[width_bucket(j.id, $" + strconv.Itoa(n) + "::uuid[])]")
			n++
			query = rest[len("??output"):]
		case strings.HasPrefix(rest, "??"):
			b.WriteString(strings.TrimSuffix(query[:i], "IN (") + "= ANY ($" + strconv.Itoa(n))
			query = rest[2:]
		default:
			b.WriteString(query[:i] + "$" + strconv.Itoa(n))
			query = rest[1:]
		}
	}
	b.WriteString(query)
	w.texts.Store(portable, b.String())
	return b.String()
}

func (w *words) expand(query string, args []any) (string, []any) {
	out := make([]any, 0, len(args)+2)
	for _, a := range args {
		out = param(out, a)
	}
	return w.text(query), out
}

// param converts to what the driver encodes without reflection.
func param(out []any, a any) []any {
	switch a := a.(type) {
	case job.ID:
		return append(out, uuid(a))
	case job.Token:
		return append(out, uuid(a))
	case job.Time:
		return append(out, int64(a))
	case job.WorkerID:
		return append(out, int64(a))
	case job.State:
		return append(out, int64(a))
	case []job.ID:
		return append(out, uuids(a))
	case []job.Token:
		return append(out, uuids(a))
	case []job.Location:
		tids := make(pgtype.FlatArray[pgtype.TID], len(a))
		for i, l := range a {
			tids[i] = pgtype.TID{BlockNumber: uint32(l >> 16), OffsetNumber: uint16(l), Valid: true}
		}
		return append(out, tids)
	case []job.Held:
		ids := make(pgtype.FlatArray[pgtype.UUID], len(a))
		for i, h := range a {
			ids[i] = uuid(h.ID)
		}
		return append(out, ids, sortedPairs(a))
	case sqlstore.Outputs:
		return append(out, uuids(a.IDs), pgtype.FlatArray[[]byte](a.Outputs))
	case sqlstore.HeldAmong:
		return append(out, sortedPairs(a))
	}
	return append(out, a)
}

// amongPairs says that the job j is one of those in parameter n, which are sortedPairs.
func amongPairs(n int) string {
	list := "$" + strconv.Itoa(n) + "::bytea[]"
	const pair = "uuid_send(j.id) || uuid_send(j.token)"
	return "(" + list + ")[width_bucket(" + pair + ", " + list + ")] = " + pair
}

func sortedPairs(held []job.Held) pgtype.FlatArray[[]byte] {
	pairs := make(pgtype.FlatArray[[]byte], len(held))
	for i, h := range held {
		pairs[i] = slices.Concat(h.ID[:], h.Token[:])
	}
	slices.SortFunc(pairs, bytes.Compare)
	return pairs
}

func uuid[T ~[16]byte](v T) pgtype.UUID { return pgtype.UUID{Bytes: v, Valid: true} }

func uuids[T ~[16]byte](list []T) pgtype.FlatArray[pgtype.UUID] {
	out := make(pgtype.FlatArray[pgtype.UUID], len(list))
	for i, v := range list {
		out[i] = uuid(v)
	}
	return out
}

// insertion makes INSERT … SELECT FROM unnest(…): an array a column, so any number of rows has one text.
func insertion(table string, columns []string, rows [][]any, quiet bool) (string, []any) {
	args := make([]any, len(columns))
	types := make([]string, len(columns))
	for c := range columns {
		switch rows[0][c].(type) {
		case job.ID, job.Token:
			types[c], args[c] = "uuid", column(rows, c, func(v any) pgtype.UUID {
				if id, ok := v.(job.ID); ok {
					return uuid(id)
				}
				return uuid(v.(job.Token))
			})
		case []byte:
			types[c], args[c] = "bytea", column(rows, c, func(v any) []byte { return v.([]byte) })
		case string:
			types[c], args[c] = "text", column(rows, c, func(v any) string { return v.(string) })
		default:
			types[c], args[c] = "bigint", column(rows, c, integer)
		}
	}
	var b strings.Builder
	b.WriteString("INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") SELECT * FROM unnest(")
	for c, t := range types {
		if c > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(c+1) + "::" + t + "[]")
	}
	b.WriteString(")")
	if quiet {
		b.WriteString(" ON CONFLICT DO NOTHING")
	}
	return b.String(), args
}

func column[T any](rows [][]any, c int, convert func(any) T) pgtype.FlatArray[T] {
	out := make(pgtype.FlatArray[T], len(rows))
	for i, row := range rows {
		out[i] = convert(row[c])
	}
	return out
}

func integer(v any) int64 {
	switch v := v.(type) {
	case int:
		return int64(v)
	case int32:
		return int64(v)
	case int64:
		return v
	case job.Time:
		return int64(v)
	case job.WorkerID:
		return int64(v)
	case job.State:
		return int64(v)
	}
	panic("postgres: not an integer column")
}

// rows is a sqlstore.Rows that reads the domain's types as what they are made of.
type rows struct {
	pgx.Rows
	answers pgx.BatchResults // that they are one of; nil = none
}

func (r rows) Close() {
	r.Rows.Close()
	if r.answers != nil {
		_ = r.answers.Close() // its error is that of Err
	}
}

func (r rows) Scan(dest ...any) error {
	for i, d := range dest {
		switch d := d.(type) {
		case *job.ID:
			dest[i] = (*[16]byte)(d)
		case *job.Token:
			dest[i] = (*[16]byte)(d)
		case *job.Time:
			dest[i] = (*int64)(d)
		case *job.WorkerID:
			dest[i] = (*int64)(d)
		case *job.Location:
			dest[i] = (*location)(d)
		}
	}
	return r.Rows.Scan(dest...)
}

// location scans a ctid: a block and a place in it, counted from 1, so that 0 is none.
type location job.Location

func (l *location) ScanTID(t pgtype.TID) error {
	*l = location(t.BlockNumber)<<16 | location(t.OffsetNumber)
	return nil
}
