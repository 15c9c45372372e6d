// Command demo-thumbnail is the example of a subprocess handler: it reads a job's payload from stdin, makes a small
// JPEG of a large one, and prints the job's output.
//
//	echo '{"in": "deploy/demo/photo.jpg", "out": "data/thumbnail.jpg"}' | demo-thumbnail
//
// It knows nothing of slotq but the exit codes: 0 completes the job, 100 gives it up, anything else fails it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Exit codes, as the worker reads them.
const (
	exitFailed  = 1
	exitDiscard = 100 // no retry can help
)

// errPayload marks what is wrong with the payload or the picture itself.
var errPayload = errors.New("the job cannot be done")

func main() {
	err := run(os.Stdin, os.Stdout, ".")
	switch {
	case err == nil:
	case errors.Is(err, errPayload):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitDiscard)
	default:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
}

type payload struct {
	In    string `json:"in"`    // the picture, a path below the working directory
	Out   string `json:"out"`   // where the small one goes, likewise
	Width int    `json:"width"` // in pixels; 0 = 320
}

type output struct {
	Width  int   `json:"width"`
	Height int   `json:"height"`
	Bytes  int64 `json:"bytes"`
}

func run(stdin io.Reader, stdout io.Writer, dir string) error {
	p := payload{Width: 320}
	decoder := json.NewDecoder(stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil {
		return fmt.Errorf(`%w: the payload must be {"in": "PATH", "out": "PATH"}: %w`, errPayload, err)
	}
	if p.In == "" || p.Out == "" || p.Width < 1 || p.Width > 4096 {
		return fmt.Errorf(`%w: "in" and "out" must be given, "width" must be between 1 and 4096`, errPayload)
	}
	// Whoever may enqueue chooses the paths: a root keeps them, and links on the way, below the working directory.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	picture, err := read(root, p.In)
	if err != nil {
		return err
	}
	small := shrink(picture, p.Width)
	n, err := write(root, p.Out, small)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(output{small.Rect.Dx(), small.Rect.Dy(), n})
}
