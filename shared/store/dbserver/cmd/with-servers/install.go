package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slotq/slotq/shared/store/dbserver"
)

// programs are what tests run beside the servers, and the packages that hold them. They are no reason to start nothing where
// a person tests one package; where everything is tested they must be there as the servers must.
var programs = []struct{ name, pkg string }{{"curl", "curl"}, {"php", "php-cli"}, {"python3", "python3"}, {"node", "nodejs"},
	{"sqlite3", "sqlite3"}, {"mariadb-dump", "mariadb-client"}, {"prometheus", "prometheus"}, {"systemd-analyze", "systemd"}, {"chromium", "chromium"}}

// provide makes sure that the servers are installed, and the programs where it may install them.
func provide(ctx context.Context, kinds []kind, environ []string, stderr io.Writer) error {
	missing := lacking(kinds)
	packages := dbserver.Packages
	if missing == nil {
		packages = nil
	}
	may := value(environ, "CI") == "true" || value(environ, "SLOTQ_TEST_INSTALL") == "1"
	for _, p := range programs {
		if _, err := exec.LookPath(p.name); err != nil && may {
			missing, packages = errors.Join(missing, err), append(slices.Clip(packages), p.pkg)
		}
	}
	if missing == nil {
		return nil
	}
	byHand := "sudo apt-get update && sudo apt-get install -y --no-install-recommends " + strings.Join(packages, " ")
	if !may {
		return fmt.Errorf("%w\nThis installs them on Debian and its kin (or set SLOTQ_TEST_INSTALL=1):\n  %s", missing, byHand)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w\nOnly root can install them:\n  %s", missing, byHand)
	}
	if err := install(ctx, packages, environ, stderr); err != nil {
		return fmt.Errorf("%w; installing them failed: %w", missing, err)
	}
	return lacking(kinds)
}

func lacking(kinds []kind) error {
	var errs []error
	for _, k := range kinds {
		if _, err := k.find(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// unasked are files that keep packages from making and starting servers of the machine's own, which nobody asked for:
// PostgreSQL's first cluster, and any service, such as Prometheus on all of the machine's addresses.
var unasked = map[string]string{
	"/etc/postgresql-common/createcluster.d/slotq.conf": "create_main_cluster = false\n",
	"/usr/sbin/policy-rc.d":                             "#!/bin/sh\nexit 101\n",
}

// forbid writes a file, and returns what removes it. A file that is there already is the machine owner's and stays.
func forbid(path, content string) (allow func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(content)
	return func() { os.Remove(path) }, errors.Join(err, f.Close())
}

// install installs packages; its output goes to stderr, where it does not mix with the command's.
func install(ctx context.Context, packages, environ []string, stderr io.Writer) error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("there is no apt-get: install MariaDB and PostgreSQL as this system does")
	}
	for path, content := range unasked {
		allow, err := forbid(path, content)
		if allow != nil {
			defer allow() // only for this installation: what the machine's owner installs later is the owner's
		}
		if err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"update"},
		append([]string{"install", "-y", "--no-install-recommends"}, packages...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(environ, "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = stderr, stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", args[0], err)
		}
	}
	return nil
}
