package ui

import "github.com/slotq/slotq/shared/wire"

// failuresShown is how many different errors the overview has.
const failuresShown = 12

// failures are what jobs failed with last, by kind: a retry of all chooses jobs by their kind, and not by what their errors
// say.
type failures struct {
	Kinds        []failedKind
	Capped, More bool
}

type failedKind struct {
	Kind   string
	Count  int64
	Errors []wire.Failure
}

func failuresOf(list wire.FailureList) *failures {
	v := &failures{Capped: list.Capped, More: list.More}
	at := map[string]int{}
	for _, f := range list.Failures {
		i, there := at[f.Kind]
		if !there {
			i = len(v.Kinds)
			at[f.Kind] = i
			v.Kinds = append(v.Kinds, failedKind{Kind: f.Kind})
		}
		v.Kinds[i].Count += f.Count
		v.Kinds[i].Errors = append(v.Kinds[i].Errors, f)
	}
	return v
}
