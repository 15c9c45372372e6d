package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/worker/runner"
)

// order is what a job's payload tells its handler to do.
type order struct {
	N      int    `json:"n"`
	Do     string `json:"do"`
	Micros int    `json:"us"`    // how long it takes
	Times  int    `json:"times"` // how often, before it completes
	Key    string `json:"key,omitempty"`
}

// What handlers do. Nobody serves the last one.
var deeds = []string{"complete", "complete", "complete", "fail", "snooze", "fail always", "discard", "late", "deaf", "panic", "kill", "kill always"}

const unserved = "nobody"

func orderOf(j *job.Job) *order {
	var o order
	if err := json.Unmarshal(j.Payload, &o); err != nil {
		panic(err) // the payloads are this package's own
	}
	return &o
}

// handle is the handler of every kind.
func (p *process) handle(ctx context.Context, j *runner.Job) (any, error) {
	var o order
	if err := j.Decode(&o); err != nil {
		return nil, err
	}
	if p.crashed() {
		return nil, ctx.Err()
	}
	p.w.wg.Add(1) // its runner may give it up
	defer p.w.wg.Done()
	p.w.with(func() { p.w.judge.started(p, j.ID, j.Run, j.Payload); p.running[j.ID] = true })
	defer p.w.with(func() { delete(p.running, j.ID) })
	// To the nanosecond, so that no two handlers end at once.
	takes := time.Duration(o.Micros)*time.Microsecond + time.Duration(p.w.draw(fmt.Sprint("takes", j.ID, j.Run)).IntN(1000))
	patience := ctx
	if o.Do == "deaf" {
		patience = context.WithoutCancel(ctx)
	}
	if !p.sleep(patience, takes) {
		p.w.with(func() {
			if errors.Is(context.Cause(ctx), runner.ErrLeaseLost) {
				p.w.count("jobs stopped for a lost lease")
			}
		})
		return nil, ctx.Err()
	}
	return p.do(&o, j)
}

func (p *process) do(o *order, j *runner.Job) (any, error) {
	first := j.Attempt == 1 && j.Run <= o.Times
	switch {
	case o.Do == "fail" && j.Attempt <= o.Times, o.Do == "fail always", o.Do == "late" && j.Attempt <= o.Times:
		return nil, errors.New("broken")
	case o.Do == "snooze" && first:
		return nil, runner.Snooze(time.Duration(o.Micros) * time.Microsecond)
	case o.Do == "discard":
		return nil, runner.Discard(errors.New("no use"))
	case o.Do == "panic" && j.Attempt <= o.Times:
		panic("on purpose")
	case o.Do == "kill" && j.Crashes == 0, o.Do == "kill always":
		p.w.with(func() { p.w.count("workers killed by a job") })
		p.part.crash()
		<-p.dead
		return nil, errors.New("dead")
	}
	return []byte(`"done"`), nil
}
