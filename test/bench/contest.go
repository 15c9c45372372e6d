package main

import (
	"context"
	"errors"
)

// errMissing says that a contestant cannot be had on this machine. Its row says why; the others go on.
var errMissing = errors.New("not available here")

// contestant is measured once in each pair.
type contestant struct {
	name, settings string
	run            func(ctx context.Context, db database) (outcome, error)
}

// on has all pairs of a contestant use one database.
func (c contestant) on(kept database) contestant {
	run := c.run
	c.run = func(ctx context.Context, _ database) (outcome, error) { return run(ctx, kept) }
	return c
}

// outcome is what one run measured: a value for each measure of the contest.
type outcome struct {
	values []float64
	note   string
}

func one(v float64) outcome { return outcome{values: []float64{v}} }

// measure names one of a contest's values; its name is empty when there is only one.
type measure struct{ name, unit string }

// contest measures its contestants in turn, each on a database of its own and once in each pair, so that what changes on the
// machine meanwhile changes for all. The first that can be had is what the others are compared with.
func (b *bench) contest(ctx context.Context, part string, db database, measures []measure, contestants []contestant) error {
	return b.measured(ctx, part, db, measures, contestants, true)
}

// list measures what is not to be compared.
func (b *bench) list(ctx context.Context, part string, db database, measures []measure, contestants []contestant) error {
	return b.measured(ctx, part, db, measures, contestants, false)
}

func (b *bench) measured(ctx context.Context, part string, db database, measures []measure, contestants []contestant, compare bool) error {
	rows := make([][]*figure, len(contestants))
	for i, c := range contestants {
		for _, m := range measures {
			name := c.name
			if m.name != "" {
				name += ", " + m.name
			}
			rows[i] = append(rows[i], &figure{part: part, database: db.name, name: name, settings: c.settings, unit: m.unit})
		}
	}
	missing := make([]bool, len(contestants))
	for range b.pairs {
		for i, c := range contestants {
			if missing[i] {
				continue
			}
			o, err := b.once(ctx, db, c)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				// Its row says so and the others go on: a rate that a database cannot keep up with is a finding too.
				missing[i], o = true, outcome{note: "failed: " + err.Error()}
				if errors.Is(err, errMissing) {
					o.note = err.Error()
				}
			}
			for j, f := range rows[i] {
				f.note = o.note
				if j < len(o.values) {
					f.values = append(f.values, o.values[j])
				}
			}
		}
	}
	var base []*figure
	for i, r := range rows {
		if compare && base == nil && !missing[i] {
			base = r
		}
		for j, f := range r {
			if len(f.values) == 0 && !missing[i] {
				continue // too few jobs for this measure
			}
			if base != nil {
				f.base = base[j]
			}
			b.report.add(f)
		}
	}
	return nil
}

func (b *bench) once(ctx context.Context, db database, c contestant) (outcome, error) {
	fresh, drop, err := db.fresh(ctx, b.dir)
	if err != nil {
		return outcome{}, err
	}
	defer drop()
	return c.run(ctx, fresh)
}
