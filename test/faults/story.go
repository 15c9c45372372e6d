package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slotq/slotq/test/faults/check"
)

// storyLines bounds what is told of one wait by each process.
const storyLines = 8

// story tells what the services logged while a job waited too long for its next run: the row's directory is gone when
// somebody reads the verdict.
func (x *running) story(w check.Wait) string {
	from, to := time.UnixMicro(w.Began), time.UnixMicro(w.End)
	var b strings.Builder
	fmt.Fprintf(&b, "run %d of job %s (%s) began at %s, the next one at %s in process %d. Meanwhile:\n", w.Run, w.Job, w.Kind, from.Format(time.StampMilli), to.Format(time.StampMilli), w.Worker)
	for _, path := range x.fleet.logs(api, manager, worker, goworker) {
		content, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		lines := 0
		for line := range strings.Lines(string(content)) {
			var l struct {
				Time  time.Time `json:"time"`
				Level string    `json:"level"`
				Job   string    `json:"job"`
			}
			if json.Unmarshal([]byte(line), &l) != nil || l.Time.Before(from) || l.Time.After(to.Add(time.Second)) {
				continue
			}
			if l.Job == w.Job || l.Job == "" && lines < storyLines {
				lines++
				fmt.Fprintf(&b, "  %s %s", filepath.Base(path), line)
			}
		}
	}
	return b.String()
}
