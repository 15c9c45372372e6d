// Command witness is the subprocess job of the fault runs; its argument is the directory of the witness.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/slotq/slotq/test/faults/history"
	"github.com/slotq/slotq/test/faults/witness"
)

func main() {
	payload, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(70, err)
	}
	w, err := witness.Open(os.Args[1])
	if err != nil {
		fail(70, err)
	}
	out, err := w.Do(context.Background(), witness.Run{
		Via: history.Exec, Job: os.Getenv("SLOTQ_JOB_ID"), Run: number("SLOTQ_RUN"), Attempt: number("SLOTQ_ATTEMPT"),
		Worker: parent(os.Getppid()),
	}, payload)
	if errors.Is(err, witness.ErrFailed) {
		fail(1, err)
	} else if err != nil {
		fail(70, err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		fail(70, err)
	}
}

// parent returns a process's parent: this process's own is the shim, whose parent is the worker.
func parent(pid int) int {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(content), ") ")
	if fields := strings.Fields(rest); len(fields) > 1 {
		n, _ := strconv.Atoi(fields[1])
		return n
	}
	return 0
}

func number(name string) int {
	n, _ := strconv.Atoi(os.Getenv(name))
	return n
}

func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, "witness:", err)
	os.Exit(code)
}
