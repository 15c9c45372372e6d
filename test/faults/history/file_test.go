package history

import (
	"path/filepath"
	"reflect"
	"testing"
)

func TestWhatIsAppendedIsReadBackInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes")
	want := []Note{{At: 1, What: Start, Job: "a", Hash: "h"}, {At: 2, What: End, Job: "a", Failed: true}}
	for _, n := range want {
		f, err := Open(path) // every writer has a handle of its own
		if err != nil {
			t.Fatal(err)
		}
		if err := Append(f, n); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read[Note](path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if none, err := Read[Note](path + "-absent"); err != nil || none != nil {
		t.Errorf("an absent file: %v, %v", none, err)
	}
}

func TestMonotonicTimeGrows(t *testing.T) {
	if a, b := Monotonic(), Monotonic(); a <= 0 || b < a {
		t.Errorf("%d, then %d", a, b)
	}
}
