package doctor

import (
	"fmt"
	"time"
)

// settings passes on what the engine says of its server.
func (v *visit) settings() (string, error) {
	server, settings, err := v.store.Settings(v.ctx)
	if err != nil {
		return "", err
	}
	for _, s := range settings {
		if s.Wrong == "" {
			continue
		}
		f := Finding{Name: "wrong-setting", About: s.Name, Wrong: fmt.Sprintf("%s is %s", s.Name, s.Value), Why: s.Wrong, Remedy: s.Remedy}
		if s.Name == "version" {
			f = Finding{Name: "unsupported-server", About: server, Wrong: "the server is " + server, Why: s.Wrong, Remedy: s.Remedy}
		}
		v.find(f)
	}
	return fmt.Sprintf("%s, %d settings looked at", server, len(settings)), nil
}

// apart is how far two clocks may be apart: what people see in logs beside each other still fits.
const apart = time.Second

// clock compares this machine's clock with the database's. All that is decided is decided by the latter.
func (v *visit) clock() (string, error) {
	sent := v.Clock()
	now, err := v.store.Now(v.ctx)
	received := v.Clock()
	if err != nil {
		return "", err
	}
	v.now = now
	var offset time.Duration // of the database's, at least
	switch t := now.Time(); {
	case t.After(received):
		offset = t.Sub(received)
	case t.Before(sent):
		offset = t.Sub(sent)
	}
	if offset < apart && -offset < apart {
		return "this machine and the database agree", nil
	}
	words := "ahead of"
	if offset < 0 {
		words = "behind"
	}
	v.find(Finding{
		Name: "clock-offset", Wrong: fmt.Sprintf("the database's clock is %s %s this machine's", rough(max(offset, -offset)), words),
		Why: "jobs start by the database's clock: a client that gives a run_at by its own is early or late by as much, " +
			"and the logs of the parts do not fit together",
		Remedy: "chronyc tracking   # or timedatectl timesync-status, here and on the database's machine; let the clock be slewed, not set",
	})
	return rough(max(offset, -offset)) + " apart", nil
}

// oneAhead is what is seen when the schema is newer, and this binary works on it all the same.
const oneAhead = "one version ahead"

func (v *visit) schema() (string, error) {
	have, want, err := v.store.Schema(v.ctx)
	if err != nil {
		return "", err
	}
	f := Finding{About: fmt.Sprintf("version %d", have)}
	switch {
	case have == want:
		return fmt.Sprintf("version %d", have), nil
	case have == 0:
		f.Name, f.About, f.Wrong = "no-schema", "", "the database has no tables of slotq"
		f.Why, f.Remedy = "the URL may be another database's; nothing was looked for in it", "manager migrate   # if the URL is right"
	case have < want:
		f.Name, f.Wrong = "old-schema", fmt.Sprintf("the schema has version %d, this binary needs %d", have, want)
		f.Why, f.Remedy = "binaries of this version do not start on it", "manager migrate   # those of the version before go on working"
	default:
		f.Name, f.Wrong = "newer-schema", fmt.Sprintf("the schema has version %d, this binary knows %d", have, want)
		f.Why, f.Remedy = "binaries of this version do not start on it", "upgrade this binary to the version that the others have"
		if have == want+1 {
			f.Why = "a binary works one version behind, as during an upgrade, and no further"
		}
	}
	v.find(f)
	if have == want+1 {
		return oneAhead, nil
	}
	return fmt.Sprintf("version %d, want %d; the rest was not looked at", have, want), nil
}
