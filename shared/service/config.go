// Package service owns what the three binaries share and no domain knows of: configuration, logging, the life of a
// process, the listener for health and metrics, and the metrics registry. What a binary does with them, its own flags
// included, is the binary's; what a database URL means is the store's.
package service

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
)

// Common is the configuration of every binary. Embed it in the struct of a binary's flags; each field is both a flag
// and an environment variable of the same name (--database-url, SLOTQ_DATABASE_URL), the flag goes first.
type Common struct {
	DatabaseURL          DatabaseURL   `placeholder:"URL" help:"Database: sqlite:PATH, mysql://user:pass@host:3306/db or postgres://user:pass@host:5432/db. Required."`
	DatabasePasswordFile string        `placeholder:"PATH" help:"File that holds the database's password; it goes before a password in the URL."`
	DatabaseConnections  int           `default:"20" help:"The most connections that this process opens to the database."`
	OpsListen            string        `placeholder:"ADDR" help:"Serve health and metrics on an address of their own, for example 127.0.0.1:9090."`
	Hosts                []string      `help:"Host names answered to besides localhost."`
	LogLevel             string        `default:"info" enum:"debug,info,warn,error" help:"Least level that is logged: ${enum}."`
	LogFormat            string        `default:"auto" enum:"auto,text,json" help:"Log format: text, json, or auto = text on a terminal, else json."`
	Heartbeat            time.Duration `default:"5s" help:"How often a worker renews its lease."`
	Lease                time.Duration `default:"20s" help:"How long a silent worker is believed alive; at least 3 heartbeats."`
	Sweep                time.Duration `default:"1s" help:"How often the manager looks for dead workers and old jobs."`
	Migrate              bool          `help:"Bring an older database schema up to date at the start."`
}

// Flags is implemented by every struct that embeds Common.
type Flags interface{ common() *Common }

func (c *Common) common() *Common { return c }

// Logger returns the process's logger, which writes to w as --log-level and --log-format say.
func (c *Common) Logger(w io.Writer) *slog.Logger {
	return NewLogger(w, c.LogLevel, c.LogFormat)
}

// finish checks what one flag alone cannot tell, and puts the password into the URL. All faults are reported at once:
// who sets up a service should not find them one start at a time.
func (c *Common) finish() error {
	var faults []error
	if c.DatabaseURL == "" {
		faults = append(faults, errors.New("no database: set --database-url or SLOTQ_DATABASE_URL, for example "+
			"SLOTQ_DATABASE_URL=sqlite:data/slotq.db or mysql://user:pass@127.0.0.1:3306/slotq"))
	} else if c.DatabasePasswordFile != "" {
		if err := c.readPassword(); err != nil {
			faults = append(faults, err)
		}
	}
	if c.DatabaseConnections < 1 {
		faults = append(faults, fmt.Errorf("--database-connections is %d; it must be at least 1", c.DatabaseConnections))
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"--heartbeat", c.Heartbeat}, {"--lease", c.Lease}, {"--sweep", c.Sweep}} {
		if d.value <= 0 {
			faults = append(faults, fmt.Errorf("%s is %s; it must be more than 0", d.flag, d.value))
		}
	}
	// Written as a division so that no heartbeat, however long, overflows.
	if c.Heartbeat > 0 && c.Lease/3 < c.Heartbeat {
		faults = append(faults, fmt.Errorf("--lease %s is under 3 heartbeats of %s: one lost heartbeat would look like "+
			"a death; make the lease longer or the heartbeat shorter", c.Lease, c.Heartbeat))
	}
	return errors.Join(faults...)
}

func (c *Common) readPassword() error {
	content, err := os.ReadFile(c.DatabasePasswordFile)
	if err != nil {
		return fmt.Errorf("--database-password-file: %w", err)
	}
	// Editors and `echo` end a file with one newline; any other white space belongs to the password.
	password := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if password == "" {
		return fmt.Errorf("--database-password-file: %s is empty", c.DatabasePasswordFile)
	}
	c.DatabaseURL, err = c.DatabaseURL.WithPassword(password)
	return err
}
