package command

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/slotq/slotq/shared/job"
)

// jsonCalls says of every command how it is called on the bench of the test below; a command that is not here fails it.
// Those with a reason instead print no JSON.
var jsonCalls = map[string]struct {
	args   string // WAITING, CANCELLED, GONE, WORKER and TOKEN are ids
	reason string
}{
	"run":           {reason: "it runs for ever, and its logs are JSON by --log-format"},
	"completion":    {reason: "what it writes is a script"},
	"status":        {},
	"top":           {args: "--once --interval=10ms"},
	"doctor":        {},
	"migrate":       {},
	"queues list":   {},
	"queues set":    {args: "mail --slots=3"},
	"queues pause":  {args: "mail"},
	"queues resume": {args: "mail"},
	"queues purge":  {args: "purged --yes"},
	"queues delete": {args: "empty"},
	"slots":         {args: "mail"},
	"stats":         {},
	"kinds":         {},
	"failures":      {},
	"jobs list":     {args: "--queue=mail"},
	"jobs show":     {args: "WAITING"},
	"jobs cancel":   {args: "WAITING"},
	"jobs retry":    {args: "CANCELLED"},
	"jobs run":      {args: "WAITING"},
	"jobs delete":   {args: "GONE"},
	"workers list":  {},
	"workers quiet": {args: "WORKER"},
	"workers stop":  {args: "WORKER"},
	"tokens list":   {},
	"tokens create": {args: "web-shop --scope=enqueue"},
	"tokens revoke": {args: "TOKEN"},
}

func TestEveryCommandPrintsOneValueOfJSONWhenAskedFor(t *testing.T) {
	seen := map[string]bool{}
	for _, leaf := range model(t).Leaves(false) {
		name := strings.TrimPrefix(path(leaf), " ")
		seen[name] = true
		c, ok := jsonCalls[name]
		if !ok {
			t.Errorf("nobody has said how `manager %s --json` is called: add it to jsonCalls", name)
			continue
		}
		if c.reason != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.sound()
			b.ok("queues", "set", "empty")
			b.enqueue("purged", "k", nil)
			waiting, cancelled, gone := b.enqueue("mail", "k", nil), b.enqueue("mail", "k", nil), b.enqueue("mail", "k", nil)
			b.ok("jobs", "cancel", cancelled.ID.String())
			token, err := b.store.CreateAPIToken(t.Context(), job.APIToken{ID: job.NewID(b.now), Hash: job.NewAPISecret().Hash(), Name: "t",
				Scopes: []job.Scope{job.ScopeRead}}, b.now)
			if err != nil {
				t.Fatal(err)
			}
			args := strings.NewReplacer("TOKEN", token.ID.String(), "WAITING", waiting.ID.String(), "CANCELLED", cancelled.ID.String(), "GONE", gone.ID.String(),
				"WORKER", b.worker("host-2", "k").ID.String()).Replace(c.args)
			out := b.ok(append(strings.Fields(name+" "+args), "--json")...)
			d := json.NewDecoder(strings.NewReader(out))
			var v map[string]any
			if err := d.Decode(&v); err != nil || len(v) == 0 {
				t.Errorf("not an object: %v in %q", err, out)
			}
			if _, err := d.Token(); err != io.EOF {
				t.Errorf("there is more than one value in %q", out)
			}
		})
	}
	for name := range jsonCalls {
		if !seen[name] {
			t.Errorf("%q is no command", name)
		}
	}
}

// path is a command's name with those of its parents.
func path(n *kong.Node) string {
	if n.Parent == nil {
		return ""
	}
	return path(n.Parent) + " " + n.Name
}
