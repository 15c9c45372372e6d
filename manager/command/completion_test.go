package command

import (
	"bytes"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/slotq/slotq/shared/service"
)

// script is what `manager completion` writes, without a database and without any setting.
func script(t *testing.T, shell string) string {
	t.Helper()
	var out, errs bytes.Buffer
	err := Main(t.Context(), service.Process{Name: "manager", Args: []string{"completion", shell}, Stdout: &out, Stderr: &errs})
	if !errors.Is(err, service.ErrShown) {
		t.Fatalf("completion %s: %v", shell, err)
	}
	return out.String()
}

// model is the command line as kong knows it.
func model(t *testing.T) *kong.Node {
	t.Helper()
	k, err := kong.New(&flags{}, kong.Name("manager"))
	if err != nil {
		t.Fatal(err)
	}
	return k.Model.Node
}

func TestBashCompletesCommandsFlagsAndValues(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	source := script(t, "bash")
	for line, want := range map[string]string{
		"manager que|":                            "queues",
		"manager queues |":                        "list set pause resume purge delete",
		"manager queues set mail --or|":           "--order",
		"manager queues set mail --order |":       "fifo lifo",
		"manager queues set mail --order = |":     "fifo lifo",
		"manager queues set mail --order = l|":    "lifo",
		"manager --log-level de|":                 "debug",
		"manager --database-url queues w|":        "workers", // a value is no command
		"manager jobs --queue = jobs --conc|":     "--concurrency-key",
		"manager jobs list --uni|":                "--unique-key",
		"manager jobs show --uni|":                "", // a flag of another command
		"manager completion |":                    "bash zsh fish",
		"manager queues purge mail --ye|":         "--yes",
		"manager status --js|":                    "--json",
		"manager --listen |":                      "", // anything: files
		"manager workers stop 0123 --database-u|": "--database-url",
	} {
		words := strings.Fields(strings.TrimSuffix(line, "|"))
		if strings.HasSuffix(line, " |") {
			words = append(words, "")
		}
		run := exec.CommandContext(t.Context(), bash, append([]string{"--norc", "-c",
			source + "\ncomplete -p manager >/dev/null || exit\nCOMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1))\n_manager\necho \"${COMPREPLY[*]}\"", "bash"}, words...)...)
		out, err := run.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s offers %q, %v; want %q", line, got, err, want)
		}
	}
}

func TestEveryCommandAndFlagCanBeCompletedInEveryShell(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		found := strings.FieldsFunc(script(t, shell), func(r rune) bool { return strings.ContainsRune(" \n\"'()", r) })
		var walk func(n *kong.Node)
		walk = func(n *kong.Node) {
			for _, f := range n.Flags {
				name := map[bool]string{true: f.Name, false: "--" + f.Name}[shell == "fish"]
				if !slices.Contains(found, name) {
					t.Errorf("%s does not know --%s of %s", shell, f.Name, n.FullPath())
				}
			}
			for _, child := range n.Children {
				if !slices.Contains(found, child.Name) {
					t.Errorf("%s does not know the command %s", shell, child.FullPath())
				}
				walk(child)
			}
		}
		walk(model(t))
		// Where the shell is at hand it reads the script; the tests above run bash.
		if path, err := exec.LookPath(shell); err == nil {
			check := exec.CommandContext(t.Context(), path, "-n")
			check.Stdin = strings.NewReader(script(t, shell))
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s -n: %v\n%s", shell, err, out)
			}
		}
	}
}

func TestCompletionOfAnUnknownShellSaysWhichThereAre(t *testing.T) {
	if r := call1(t.Context(), "", "", "completion", "tcsh"); r.code() != 2 || !strings.Contains(r.failure.Error(), "fish") || r.out != "" {
		t.Errorf("code %d, %v, %q", r.code(), r.failure, r.out)
	}
}
