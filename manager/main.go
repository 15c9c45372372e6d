// Command manager looks after a slotq cluster, and is its operator's command line. Package command has what it can do.
package main

import (
	"os"

	"github.com/slotq/slotq/manager/command"
	"github.com/slotq/slotq/shared/service"
)

func main() { os.Exit(service.Main(command.Main)) }
