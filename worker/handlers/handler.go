package handlers

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/slotq/slotq/shared/service"
	"github.com/slotq/slotq/worker/executor"
)

// The keys of a handler, and which of its two forms each belongs to.
var (
	commonKeys  = []string{"timeout", "concurrency"}
	commandKeys = []string{"exec", "grace", "memory", "processes", "env", "dir", "user"}
	httpKeys    = []string{"http", "secret_env", "allow", "discard_on"}
)

func (p *parser) handler(e entry) (Handler, bool) {
	before := len(p.problems)
	h := Handler{Kind: e.name, Line: e.line}
	if e.value.Kind != yaml.MappingNode {
		p.add(e.line, "handler %s must be a map with exec: or http:", e.name)
		return h, false
	}
	keys := map[string]entry{}
	for _, k := range p.entries(e.value, e.name) {
		if !slices.Contains(slices.Concat(commonKeys, commandKeys, httpKeys), k.name) {
			p.add(k.line, "handler %s: unknown key %q: there are %s", e.name, k.name,
				strings.Join(slices.Concat(commandKeys, httpKeys, commonKeys), ", "))
			continue
		}
		keys[k.name] = k
	}
	exec, isExec := keys["exec"]
	target, isHTTP := keys["http"]
	switch {
	case isExec && isHTTP:
		p.add(target.line, "handler %s has both exec: and http: take one out", e.name)
	case !isExec && !isHTTP:
		p.add(e.line, "handler %s has neither exec: nor http: give it one, exec: [program, argument] or http: https://…", e.name)
	case isExec:
		p.misplaced(e.name, keys, httpKeys, "http")
	default:
		p.misplaced(e.name, keys, commandKeys, "exec")
	}
	if k, ok := keys["timeout"]; ok {
		h.Timeout = p.duration(e.name, k, 1, MaxTimeout)
	}
	if k, ok := keys["concurrency"]; ok {
		h.Concurrency = p.number(e.name, k, 1, MaxConcurrency)
	}
	if isExec {
		h.Command = p.command(e, exec, keys)
	}
	if isHTTP {
		h.HTTP = p.http(e, target, keys)
	}
	return h, len(p.problems) == before
}

func (p *parser) misplaced(kind string, keys map[string]entry, others []string, form string) {
	for _, name := range others {
		if k, ok := keys[name]; ok {
			p.add(k.line, "handler %s: %s belongs to handlers with %s: take it out", kind, name, form)
		}
	}
}

var variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (p *parser) command(e, exec entry, keys map[string]entry) *executor.CommandConfig {
	c := &executor.CommandConfig{Grace: executor.DefaultGrace}
	if exec.value.Kind == yaml.ScalarNode {
		p.add(exec.line, "handler %s: exec is a list, since no shell takes it apart: [php, send.php]; for a shell write [sh, -c, %q]",
			e.name, "php send.php")
	} else {
		c.Argv = p.texts(e.name, exec)
	}
	if k, ok := keys["grace"]; ok {
		c.Grace = p.duration(e.name, k, 0, MaxGrace)
	}
	if k, ok := keys["memory"]; ok {
		c.Limits.Memory = p.size(e.name, k, MinMemory, MaxMemory)
	}
	if k, ok := keys["processes"]; ok {
		c.Limits.Processes = p.number(e.name, k, 1, MaxProcesses)
	}
	if k, ok := keys["env"]; ok {
		c.Env = p.texts(e.name, k)
		for _, name := range c.Env {
			switch {
			case !variablePattern.MatchString(name):
				p.add(k.line, "handler %s: env: %q is no name of a variable: list names only, their values come from the worker's environment", e.name, name)
			case strings.HasPrefix(name, "SLOTQ_"):
				p.add(k.line, "handler %s: env: %s cannot be passed on: names beginning with SLOTQ_ are slotq's own and may hold its secrets", e.name, name)
			}
		}
	}
	if k, ok := keys["dir"]; ok {
		c.Dir = p.dir(e.name, k)
	}
	if k, ok := keys["user"]; ok {
		c.User = p.user(e.name, k)
	} else if *p.opts.euid == 0 && !p.opts.Insecure {
		p.add(exec.line, "handler %s: the worker runs as root: name the user that the command shall run as with user:, or allow root with --insecure", e.name)
	}
	if len(c.Argv) > 0 {
		path, err := p.program(c.Argv[0], c.Dir)
		if err != nil {
			p.add(exec.line, "handler %s: %v", e.name, err)
		}
		c.Path = path
	}
	return c
}

func (p *parser) http(e, target entry, keys map[string]entry) *executor.HTTPConfig {
	c := &executor.HTTPConfig{URL: p.text(e.name, target)}
	if k, ok := keys["secret_env"]; ok {
		if name := p.text(e.name, k); name != "" {
			value, set := p.opts.LookupEnv(name)
			if !set {
				p.add(k.line, "handler %s: the variable %s of secret_env is not set: set it to the secret, whsec_… or any text", e.name, name)
			} else if secrets, err := executor.ParseSecrets(value); err != nil {
				p.add(k.line, "handler %s: the variable %s of secret_env: %v", e.name, name, err)
			} else {
				c.Secrets = secrets
			}
		}
	}
	if k, ok := keys["allow"]; ok {
		for _, text := range p.texts(e.name, k) {
			prefix, err := netip.ParsePrefix(text)
			if err != nil {
				p.add(k.line, "handler %s: allow: %q is no CIDR range: write for example 10.0.0.0/8, or 127.0.0.1/32 for one address", e.name, text)
			} else if err := executor.CheckAllow(prefix); err != nil {
				p.add(k.line, "handler %s: allow: %v", e.name, err)
			} else {
				c.Allow = append(c.Allow, prefix.Masked())
			}
		}
	}
	if k, ok := keys["discard_on"]; ok {
		c.DiscardOn = []int{}
		if k.value.Kind != yaml.SequenceNode {
			p.add(k.line, "handler %s: discard_on must be a list of statuses, such as [400, 410]", e.name)
		}
		for _, item := range p.items(k) {
			c.DiscardOn = append(c.DiscardOn, p.number(e.name, entry{"discard_on", item.Line, item}, 300, 599))
		}
	}
	if c.URL != "" {
		if h, err := executor.NewHTTP(*c); err != nil {
			p.add(target.line, "handler %s: http: %v", e.name, err)
		} else {
			h.Close()
		}
	}
	return c
}

func (p *parser) items(k entry) []*yaml.Node {
	if k.value.Kind != yaml.SequenceNode {
		return nil
	}
	out := make([]*yaml.Node, len(k.value.Content))
	for i, n := range k.value.Content {
		out[i] = follow(n)
	}
	return out
}

// text reads a scalar as it is written: an argument such as 5 or true is text like any other.
func (p *parser) text(kind string, k entry) string {
	switch {
	case k.value.Kind != yaml.ScalarNode:
		p.add(k.line, "handler %s: %s must be plain text", kind, k.name)
	case k.value.Tag == "!!null" || k.value.Value == "":
		p.add(k.line, "handler %s: %s is empty: give it a value or take it out", kind, k.name)
	case strings.ContainsRune(k.value.Value, 0):
		p.add(k.line, "handler %s: %s contains a NUL byte", kind, k.name)
	default:
		return k.value.Value
	}
	return ""
}

// texts reads a list of scalars. Arguments may be empty, all else may not.
func (p *parser) texts(kind string, k entry) []string {
	if k.value.Kind != yaml.SequenceNode || len(k.value.Content) == 0 && k.name == "exec" {
		p.add(k.line, "handler %s: %s must be a list, such as [one, two]", kind, k.name)
		return nil
	}
	var out []string
	for i, item := range p.items(k) {
		argument := k.name == "exec" && i > 0 && item.Kind == yaml.ScalarNode && item.Tag == "!!str" && item.Value == ""
		if argument {
			out = append(out, "")
			continue
		}
		before := len(p.problems)
		if text := p.text(kind, entry{k.name, item.Line, item}); len(p.problems) == before {
			out = append(out, text)
		} else if k.name == "exec" {
			return nil // one message is enough; the program is not looked for in half a list
		}
	}
	return out
}

func (p *parser) number(kind string, k entry, least, most int) int {
	n, err := strconv.Atoi(k.value.Value)
	if k.value.Kind != yaml.ScalarNode || k.value.Tag != "!!int" || err != nil || n < least || n > most {
		p.add(k.line, "handler %s: %s must be a whole number from %d to %d", kind, k.name, least, most)
		return 0
	}
	return n
}

func (p *parser) duration(kind string, k entry, least, most time.Duration) time.Duration {
	text := p.text(kind, k)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		hint := "write for example 90s, 5m or 1h30m"
		if _, numErr := strconv.ParseFloat(text, 64); numErr == nil {
			hint = fmt.Sprintf("it has no unit: write %ss for seconds", text)
		}
		p.add(k.line, "handler %s: %s: %q is no duration: %s", kind, k.name, text, hint)
		return 0
	}
	if d < least || d > most {
		if least > 0 {
			p.add(k.line, "handler %s: %s must be more than 0s and at most %v", kind, k.name, most)
		} else {
			p.add(k.line, "handler %s: %s must be from %v to %v", kind, k.name, least, most)
		}
		return 0
	}
	return d
}

func (p *parser) size(kind string, k entry, least, most service.Bytes) int64 {
	text := p.text(kind, k)
	if text == "" {
		return 0
	}
	var b service.Bytes
	if err := b.UnmarshalText([]byte(text)); err != nil {
		p.add(k.line, "handler %s: %s: %v", kind, k.name, err)
		return 0
	}
	if b < least || b > most {
		p.add(k.line, "handler %s: %s must be from %v to %v", kind, k.name, least, most)
		return 0
	}
	return int64(b)
}

// dir is absolute in the result, so that a worker that changes its directory does not change its handlers'.
func (p *parser) dir(kind string, k entry) string {
	text := p.text(kind, k)
	if text == "" {
		return ""
	}
	abs, err := filepath.Abs(text)
	if err == nil {
		err = checkDir(abs)
	}
	if err != nil {
		p.add(k.line, "handler %s: dir: %v", kind, err)
	}
	return abs
}

func (p *parser) user(kind string, k entry) *executor.User {
	text := p.text(kind, k)
	if text == "" {
		return nil
	}
	u, err := executor.LookupUser(text)
	if err == nil {
		err = u.Reachable()
	}
	if err != nil {
		p.add(k.line, "handler %s: user: %v", kind, err)
	}
	return u
}
