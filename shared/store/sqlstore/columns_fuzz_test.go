package sqlstore

import (
	"reflect"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// FuzzColumns: whatever stands in the columns that hold JSON, such as what another version or a person wrote, is read or
// refused; what is read is written so that it reads the same.
func FuzzColumns(f *testing.F) {
	for _, c := range [][3]string{
		{"", "", ""}, {`{"kind":"list","list":[0.5,1e3]}`, `[{"attempt":1,"run":1,"at":1,"worker_id":"00000000000000ff","type":"exit","message":"m"}]`, `["a","\u0000"]`},
		{`{"kind":"exponential","base":1000000000,"cap":9007199254740993}`, `[]`, `[]`}, {"null", "null", "null"}, {"{", "[", "["}, {`{"list":[1e400]}`, `[{"attempt":1e400}]`, `[1]`},
		{"{\"kind\":\"\xff\"}", "[{\"message\":\"\xff\\ud800\"}]", "[\"\xff\"]"}, {`{"KIND":"list","kind":"x"}`, `[null]`, `[null]`},
	} {
		f.Add([]byte(c[0]), []byte(c[1]), []byte(c[2]))
	}
	f.Fuzz(func(t *testing.T, backoff, errs, tags []byte) {
		j := &job.Job{Tags: tags}
		if decode(j, backoff, errs) == nil {
			same(t, j)
		}
		if read := job.UnmarshalTags(tags); len(read) > 0 {
			if again := job.UnmarshalTags(job.MarshalTags(read)); !reflect.DeepEqual(again, read) {
				t.Fatalf("tags %q read as %q, then as %q", tags, read, again)
			}
		}
	})
}

// FuzzErrors: what a job said about its failure is read as it was written, whatever bytes it is made of.
func FuzzErrors(f *testing.F) {
	f.Add(1, int64(1), "exit", "exit status 1: <&>\u2028")
	f.Add(-1, int64(-1<<63), "\xff", "\x00\xed\xa0\xbd\ufffd")
	f.Fuzz(func(t *testing.T, n int, at int64, kind, message string) {
		same(t, &job.Job{
			Backoff: job.Backoff{Kind: "exponential", Base: time.Duration(at), Cap: time.Duration(n)},
			Errors:  []job.RunError{{Attempt: n, Run: -n, At: job.Time(at), Worker: job.WorkerID(at & (1<<63 - 1)), Type: kind, Message: message}, {}},
		})
	})
}

// same fails unless a job reads as it was written. Bytes that are no UTF-8 are read as U+FFFD, once and for all.
func same(t *testing.T, j *job.Job) {
	t.Helper()
	backoff, errs, err := encode(j)
	if err != nil {
		t.Fatalf("%+v was read and cannot be written: %v", j, err)
	}
	var again job.Job
	if err := decode(&again, backoff, errs); err != nil {
		t.Fatalf("%s and %s were written and cannot be read: %v", backoff, errs, err)
	}
	if len(again.Errors) != len(j.Errors) {
		t.Fatalf("%d errors are read as %d", len(j.Errors), len(again.Errors))
	}
	for i := range j.Errors {
		want := j.Errors[i]
		want.Type, want.Message = string([]rune(want.Type)), string([]rune(want.Message))
		if again.Errors[i] != want {
			t.Fatalf("%+v is read as %+v", want, again.Errors[i])
		}
	}
	backoff, errs, err = encode(&again)
	var third job.Job
	if err != nil || decode(&third, backoff, errs) != nil || !reflect.DeepEqual(third, again) {
		t.Fatalf("%+v is read as %+v: %v", again, third, err)
	}
}
