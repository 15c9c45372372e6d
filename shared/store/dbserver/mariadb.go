package dbserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// FindMariaDB returns the path of mariadbd, or ErrNotInstalled.
func FindMariaDB() (string, error) {
	for _, name := range []string{"mariadbd", "/usr/sbin/mariadbd", "/usr/local/sbin/mariadbd", "/usr/libexec/mariadbd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("MariaDB (mariadbd): %w", ErrNotInstalled)
}

// StartMariaDB starts a MariaDB server and returns when it answers, about 2 s later. It returns ErrNotInstalled when
// there is none on this machine. Stop must be called.
func StartMariaDB(ctx context.Context, options Options) (*Server, error) {
	path, err := FindMariaDB()
	if err != nil {
		return nil, err
	}
	return start(ctx, mariadb{path}, options)
}

type mariadb struct{ path string }

func (mariadb) scheme() string { return "mysql" }

// share holds the SQL files that make the system tables.
const share = "/usr/share/mysql"

func (m mariadb) prepare(_ context.Context, s *Server) error {
	for _, name := range []string{"data", "tmp"} {
		if err := os.Mkdir(filepath.Join(s.home.dir, name), 0o700); err != nil {
			return err
		}
	}
	// What mariadb-install-db does, but it needs programs of a package of clients.
	var script strings.Builder
	script.WriteString("CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n")
	for _, name := range []string{"mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"} {
		content, err := os.ReadFile(filepath.Join(share, name))
		if err != nil {
			return fmt.Errorf("make the system tables: %w", err)
		}
		script.Write(content)
	}
	bootstrap := command{path: m.path, dir: s.home.dir, args: append([]string{"--no-defaults", "--bootstrap",
		"--log-warnings=0", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite"}, m.place(s)...)}
	if err := run(bootstrap, script.String()); err != nil {
		return err
	}
	// Run at every start, before the server listens. Accounts without a password, which the data files make, go.
	return os.WriteFile(filepath.Join(s.home.dir, "init.sql"), []byte(strings.Join([]string{
		"DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys';",
		"FLUSH PRIVILEGES;",
		"CREATE USER root@'127.0.0.1' IDENTIFIED BY '" + s.password + "';",
		"GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;",
		"CREATE DATABASE IF NOT EXISTS slotq;",
	}, "\n")+"\n"), 0o600)
}

// place returns the arguments that keep all files inside the server's directory. They must be the same for bootstrap
// and service, the log's size above all.
func (mariadb) place(s *Server) []string {
	args := []string{
		"--datadir=" + filepath.Join(s.home.dir, "data"),
		"--tmpdir=" + filepath.Join(s.home.dir, "tmp"),
		"--innodb-log-file-size=64M",
	}
	if asRoot() {
		args = append(args, "--user=root") // it refuses to run as root unless told so
	}
	return args
}

func (m mariadb) command(s *Server) command {
	args := append([]string{"--no-defaults"}, m.place(s)...)
	args = append(args,
		"--init-file="+filepath.Join(s.home.dir, "init.sql"),
		"--bind-address=127.0.0.1", "--port="+strconv.Itoa(s.port), "--skip-name-resolve",
		"--socket=socket", // within the data directory: a longer path may exceed what the kernel takes
		"--pid-file="+filepath.Join(s.home.dir, "pid"),
		"--max-connections="+maxConnections, "--innodb-buffer-pool-size=256M",
		// What Debian's server has; it compares without regard to case, so it catches a column that relies on it.
		"--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci",
	)
	if s.fast {
		args = append(args, "--innodb-flush-log-at-trx-commit=2", "--skip-innodb-doublewrite", "--sync-binlog=0")
	} else {
		args = append(args, "--innodb-flush-log-at-trx-commit=1")
	}
	return command{path: m.path, args: append(args, s.args...), dir: s.home.dir}
}

func (mariadb) ended(*Server) {}
