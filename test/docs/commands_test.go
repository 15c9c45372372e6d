package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// command is one command of a document, as a reader would paste it: with its continued lines and its here-document.
type command struct {
	file string
	line int
	on   string // the database that its block is about; "" = the one that runs
	text string
}

// block is a part of a document that is code.
type block struct {
	line  int    // before its first
	info  string // after the fence, such as "sh mariadb"; "sh" of an indented block
	lines []string
}

// blocks finds the code of a document. What is indented is taken for commands; anything else must be fenced and say what it is.
func blocks(t *testing.T, file string) (found []block) {
	t.Helper()
	var open *block
	blank := true
	for i, line := range strings.Split(read(t, file), "\n") {
		fence := strings.HasPrefix(line, "```")
		indented := strings.HasPrefix(line, "    ")
		switch {
		case open != nil && open.info != "" && fence:
			found, open = append(found, *open), nil
		case open != nil && open.info != "":
			open.lines = append(open.lines, line)
		case fence:
			open = &block{line: i + 1, info: strings.TrimPrefix(line, "```")}
			if open.info == "" {
				t.Fatalf("%s:%d: say after ``` what the block is: sh is run, text, yaml or go is not", file, i+1)
			}
		case indented && (blank || len(found) > 0 && found[len(found)-1].line+len(found[len(found)-1].lines) == i):
			if blank {
				found = append(found, block{line: i, info: "sh"})
			}
			last := &found[len(found)-1]
			last.lines = append(last.lines, strings.TrimPrefix(line, "    "))
		}
		blank = strings.TrimSpace(line) == ""
	}
	if open != nil {
		t.Fatalf("%s:%d: the block has no end", file, open.line)
	}
	return found
}

// hereDocument finds the word that ends one.
var hereDocument = regexp.MustCompile(`<<'?([A-Z]+)'?`)

// commands takes the shell blocks of a document apart.
func commands(t *testing.T, file string) (all []command) {
	t.Helper()
	for _, b := range blocks(t, file) {
		info := strings.Fields(b.info)
		if info[0] != "sh" {
			continue
		}
		on := ""
		if len(info) > 1 {
			on = info[1]
		}
		end, continued := "", false
		for i, line := range b.lines {
			switch {
			case end != "" || continued:
				all[len(all)-1].text += "\n" + line
				if line == end {
					end = ""
				}
			case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
				continue
			default:
				all = append(all, command{file, b.line + 1 + i, on, line})
				if m := hereDocument.FindStringSubmatch(line); m != nil {
					end = m[1]
				}
			}
			continued = end == "" && strings.HasSuffix(line, `\`)
		}
	}
	return all
}

// inline finds the commands of slotq that a text names, such as `manager queues resume`.
var inline = regexp.MustCompile("`(?:bin/|go run \\./)?(manager|make)((?: [a-z-]+)+)")

// link finds where a document leads to within the repository.
var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// documents are all that is read by users, in the order in which the test goes through them. README.md and tokens.md are
// last: there the api is closed for good to those without a token.
func documents(t *testing.T) (files []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(top, "docs", "*.md"))
	if err != nil || len(all) < 5 {
		t.Fatalf("documents %v, %v", all, err)
	}
	for _, file := range all {
		if name := filepath.Base(file); name != "tokens.md" {
			files = append(files, "docs/"+name)
		}
	}
	return append(files, "README.md", "docs/tokens.md")
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(top, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var top, _ = filepath.Abs("../..")

func TestEveryLinkOfADocumentLeadsToAFileAndItsHeading(t *testing.T) {
	for _, file := range append(documents(t), "docs/examples/README.md") {
		for _, m := range link.FindAllStringSubmatch(read(t, file), -1) {
			target := filepath.Join(filepath.Dir(file), m[1])
			if strings.HasSuffix(target, ".png") {
				continue // pictures are made by the tests of the page
			}
			if _, err := os.Stat(filepath.Join(top, target)); err != nil {
				t.Errorf("%s leads to %s: %v", file, m[1], err)
				continue
			}
			if m[2] != "" && !strings.Contains(headings(read(t, target)), "\n"+m[2]+"\n") {
				t.Errorf("%s leads to %s%s, and there is no such heading", file, m[1], m[2])
			}
		}
	}
}

// headings lists a document's headings as links name them.
func headings(text string) string {
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	var b strings.Builder
	b.WriteString("\n")
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			b.WriteString("#" + strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ", "-") + "\n")
		}
	}
	return b.String()
}
