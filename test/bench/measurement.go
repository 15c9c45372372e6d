package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// measurement is what one command has measured of a chapter on one database. Runs are kept beside the table, so that a chapter can
// be measured again without the hours that the others take.
type measurement struct {
	Chapter  string   `json:"chapter"`
	Database string   `json:"database"`
	Date     string   `json:"date"`
	Slotq    string   `json:"slotq"` // what was measured, as git describes it
	Command  string   `json:"command"`
	Machine  []string `json:"machine"`
	Versions []string `json:"versions"` // of what took part
	figures  []*figure
}

// kept is a figure in a file; its base is told by its place in the measurement.
type kept struct {
	Part     string    `json:"part"`
	Name     string    `json:"name"`
	Settings string    `json:"settings,omitempty"`
	Unit     string    `json:"unit,omitempty"`
	Values   []float64 `json:"values"`
	Base     *int      `json:"base,omitempty"`
	Note     string    `json:"note,omitempty"`
}

// plainMeasurement has no methods, so that encoding/json sees the fields.
type plainMeasurement measurement

type keptMeasurement struct {
	*plainMeasurement
	Figures []kept `json:"figures"`
}

// MarshalJSON implements json.Marshaler.
func (r *measurement) MarshalJSON() ([]byte, error) {
	k := keptMeasurement{plainMeasurement: (*plainMeasurement)(r)}
	for _, f := range r.figures {
		one := kept{Part: f.part, Name: f.name, Settings: f.settings, Unit: f.unit, Values: f.values, Note: f.note}
		if i := slices.Index(r.figures, f.base); i >= 0 {
			one.Base = &i
		}
		k.Figures = append(k.Figures, one)
	}
	return json.Marshal(k)
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *measurement) UnmarshalJSON(b []byte) error {
	k := keptMeasurement{plainMeasurement: (*plainMeasurement)(r)}
	if err := json.Unmarshal(b, &k); err != nil {
		return err
	}
	for _, one := range k.Figures {
		r.figures = append(r.figures, &figure{part: one.Part, database: r.Database, name: one.Name, settings: one.Settings, unit: one.Unit, values: one.Values, note: one.Note})
	}
	for i, one := range k.Figures {
		if one.Base == nil {
			continue
		}
		if *one.Base < 0 || *one.Base >= len(r.figures) {
			return errors.New("a figure is compared with one that is not there")
		}
		r.figures[i].base = r.figures[*one.Base]
	}
	return nil
}

// begin makes way for a run, which takes the place of an earlier one of the same chapter and database.
func (r *report) begin(n *measurement) {
	r.current = n
	r.runs = append(slices.DeleteFunc(r.runs, func(old *measurement) bool { return old.Chapter == n.Chapter && old.Database == n.Database }), n)
	slices.SortStableFunc(r.runs, func(a, b *measurement) int {
		return cmp.Or(cmp.Compare(chapterIndex(a.Chapter), chapterIndex(b.Chapter)), cmp.Compare(databaseIndex(a.Database), databaseIndex(b.Database)))
	})
}

func chapterIndex(name string) int {
	return slices.IndexFunc(parts, func(p part) bool { return p.name == name })
}

func databaseIndex(name string) int { return slices.Index(strings.Split(allDatabases, ","), name) }

// figures are those of all runs, by chapter and database.
func (r *report) figures() (all []*figure) {
	for _, one := range r.runs {
		all = append(all, one.figures...)
	}
	return all
}

// load reads what was measured before, if anything was.
func (r *report) load(path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(b, &r.runs)
}

func (r *report) save(path string) error {
	b, err := json.MarshalIndent(r.runs, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
