package wire

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/slotq/slotq/shared/job"
)

// draw sets each field of a struct, or leaves it as it is: a field that is new is in.
func draw(t *rapid.T, v reflect.Value) {
	for i := range v.NumField() {
		if rapid.Bool().Draw(t, "unset") {
			continue
		}
		name := v.Type().Field(i).Name
		switch f := v.Field(i); x := f.Addr().Interface().(type) {
		case *string:
			*x = rapid.String().Draw(t, name)
		case *int:
			*x = rapid.Int().Draw(t, name)
		case *float64:
			*x = rapid.Float64Range(-1e30, 1e30).Draw(t, name)
		case *time.Time:
			*x = time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, name)).UTC()
		case *job.ID:
			*x = job.NewID(job.Time(rapid.Int64Range(0, 4e15).Draw(t, name)))
		case *job.State:
			*x = rapid.SampledFrom(job.States).Draw(t, name)
		case *job.WorkerID:
			*x = job.WorkerID(rapid.Int64Range(1, 1<<62).Draw(t, name))
		case *json.RawMessage:
			*x = json.RawMessage(rapid.SampledFrom([]string{"null", `{"a":[1,"<&>"]}`, `"é"`}).Draw(t, name))
		case *[]string:
			*x = rapid.SliceOf(rapid.String()).Draw(t, name)
		case *[]RunError:
			*x = make([]RunError, rapid.IntRange(0, 2).Draw(t, name))
			for i := range *x {
				draw(t, reflect.ValueOf(&(*x)[i]).Elem())
			}
		case **Backoff:
			*x = &Backoff{Kind: job.BackoffList, List: []float64{1, 0.5}}
		default:
			t.Fatalf("a %s is not drawn", f.Type())
		}
	}
}

func TestAJobIsWrittenAsEncodingJSONDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var j Job
		draw(t, reflect.ValueOf(&j).Elem())
		want, err := marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := j.AppendJSON(nil); err != nil || string(got) != string(want) {
			t.Fatalf("%s, %v\nwant %s", got, err, want)
		}
	})
}
