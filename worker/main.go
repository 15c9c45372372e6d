// Command worker runs the jobs of a slotq cluster by the handlers of worker.yaml. All it does is package runner's; a
// worker with handlers in Go is a main of one's own that calls runner.Handle before runner.Main.
package main

import "github.com/slotq/slotq/worker/runner"

func main() { runner.Main() }
