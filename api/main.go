// Command api takes jobs over HTTP and answers what became of them. Package app puts it together.
package main

import (
	"os"

	"github.com/slotq/slotq/api/app"
	"github.com/slotq/slotq/shared/service"
)

func main() { os.Exit(service.Main(app.Main)) }
