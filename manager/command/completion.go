package command

import (
	"embed"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/alecthomas/kong"
)

// completionCommand writes a script that completes this command line in a shell. The two companions of kong that do so, kongplete
// and kong-completion, were not taken: neither has been released since 2023, and both stand on a library that asks the
// binary at every press of the key.
type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help says where the script goes.
func (*completionCommand) Help() string {
	return "bash: source <(manager completion bash), in ~/.bashrc. zsh: manager completion zsh > a file _manager in a directory of $fpath. " +
		"fish: manager completion fish > ~/.config/fish/completions/manager.fish"
}

//go:embed completion
var scripts embed.FS

// AfterApply writes the script and ends the parsing, as --version does: nobody needs a database for it.
func (c *completionCommand) AfterApply(k *kong.Kong) error {
	t, err := template.New("").Funcs(template.FuncMap{"join": strings.Join, "quote": quote}).ParseFS(scripts, "completion/*")
	if err != nil {
		return err
	}
	if err := t.ExecuteTemplate(k.Stdout, c.Shell, newWords(k.Model.Node)); err != nil {
		return err
	}
	k.Exit(0)
	return nil
}

// quote is for fish.
func quote(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }

// words are what can be completed.
type words struct {
	Name   string // of the binary
	Func   string // the same, as part of a function's name
	Common list   // flags that may stand anywhere
	Places []place
	Takes  []string // all flags that a value follows
}

// place is where commands and flags may follow.
type place struct {
	At       string // " queues set"; "" = at the beginning
	Commands list
	Flags    list
}

type list []word

type word struct {
	Name   string
	Help   string
	Takes  bool     // a flag that a value follows
	Values []string // the values of an enum
}

func (l list) String() string {
	var names []string
	for _, w := range l {
		names = append(names, w.Name)
	}
	return strings.Join(names, " ")
}

// Enums are the flags that have one.
func (l list) Enums() list {
	return slices.DeleteFunc(slices.Clone(l), func(w word) bool { return w.Values == nil })
}

// Paths are the places after a command, each quoted.
func (w words) Paths() (paths []string) {
	for _, p := range w.Places[1:] {
		paths = append(paths, `"`+p.At+`"`)
	}
	return paths
}

func newWords(root *kong.Node) words {
	w := words{Name: root.Name, Func: "_" + regexp.MustCompile(`\W`).ReplaceAllString(root.Name, "_")}
	w.Common = w.flags(root)
	w.visit(root, "")
	slices.Sort(w.Takes)
	w.Takes = slices.Compact(w.Takes)
	return w
}

func (w *words) visit(n *kong.Node, at string) {
	p := place{At: at}
	for _, child := range n.Children {
		if !child.Hidden {
			p.Commands = append(p.Commands, word{Name: child.Name, Help: child.Help})
		}
	}
	// The flags and values of the command that a bare one means may follow that, too.
	for d := n; d != nil; d = d.DefaultCmd {
		if d.Parent != nil {
			p.Flags = append(p.Flags, w.flags(d)...)
		}
		for _, positional := range d.Positional {
			for _, value := range enum(positional) {
				p.Commands = append(p.Commands, word{Name: value})
			}
		}
	}
	w.Places = append(w.Places, p)
	for _, child := range n.Children {
		if !child.Hidden {
			w.visit(child, at+" "+child.Name)
		}
	}
}

// flags are those of the node alone.
func (w *words) flags(n *kong.Node) (flags list) {
	for _, f := range n.Flags {
		if f.Hidden {
			continue
		}
		flag := word{Name: "--" + f.Name, Help: f.Help, Takes: !f.IsBool(), Values: enum(f.Value)}
		flags = append(flags, flag)
		if flag.Takes {
			w.Takes = append(w.Takes, flag.Name)
		}
	}
	return flags
}

func enum(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return v.EnumSlice()
}
