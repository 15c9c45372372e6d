package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/sqlstore"
)

// setting is a row of pg_settings.
type setting struct{ value, source string }

// Settings implements sqlstore.Engine. pg_settings answers for this session, and says who has set a value.
func (e *Engine) Settings(ctx context.Context) (server string, settings []job.Setting, err error) {
	rows, err := e.Query(ctx, `SELECT name, setting || '|' || source FROM pg_settings WHERE name IN ('server_version_num', 'transaction_isolation', 'transaction_read_only',
		'idle_in_transaction_session_timeout', 'fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names', 'autovacuum')
		UNION ALL SELECT 'version', version() || '|' UNION ALL SELECT 'database', current_database() || '|' UNION ALL SELECT 'user', current_user || '|'`)
	values, err := sqlstore.Variables(rows, err)
	if err != nil {
		return "", nil, err
	}
	v := make(map[string]setting, len(values))
	for name, text := range values {
		i := strings.LastIndexByte(text, '|')
		v[name] = setting{text[:i], text[i+1:]}
	}
	server, settings = judge(v)
	return server, settings, nil
}

// judge says of each setting that the server has what it costs. It is apart from the questions, so that a test can ask for
// PostgreSQL's relatives, which are not at hand.
func judge(v map[string]setting) (server string, settings []job.Setting) {
	server, _, _ = strings.Cut(v["version"].value, " on ") // what follows is how it was compiled
	add := func(name string, well bool, wrong, remedy string) {
		s, ok := v[name]
		if !ok {
			return
		}
		out := job.Setting{Name: name, Value: s.value}
		if !well {
			out.Wrong, out.Remedy = wrong, remedy
		}
		settings = append(settings, out)
	}
	// Where a value comes from decides what changes it.
	set := func(name, value string) string {
		switch v[name].source {
		case "database":
			return fmt.Sprintf("ALTER DATABASE %q RESET %s;", v["database"].value, name)
		case "user":
			return fmt.Sprintf("ALTER ROLE %q RESET %s;", v["user"].value, name)
		case "database user":
			return fmt.Sprintf("ALTER ROLE %q IN DATABASE %q RESET %s;", v["user"].value, v["database"].value, name)
		case "client":
			return "take " + name + " out of the database URL, or of PGOPTIONS"
		case "command line":
			return fmt.Sprintf("start the server without -c %s=%s", name, v[name].value)
		}
		return fmt.Sprintf("ALTER SYSTEM SET %s = %s; SELECT pg_reload_conf();", name, value)
	}

	wrong := unsupported(v["version"].value, v["server_version_num"].value)
	add("version", wrong == "", wrong, "use PostgreSQL 13 or newer: docs/databases.md")

	const between = "connect slotq to the server itself, or let the pooler between them keep the settings of a session (PgBouncer: pool_mode = session)"
	add("transaction_isolation", v["transaction_isolation"].value == "read committed", "slotq asks for READ COMMITTED when it connects, and this session of its own has something else", between)
	add("idle_in_transaction_session_timeout", v["idle_in_transaction_session_timeout"].value != "0",
		"slotq asks for a limit when it connects, and this session of its own has none: a client that falls silent in a transaction stops its slot for hours", between)
	add("transaction_read_only", v["transaction_read_only"].value == "off", "nothing can be written: this is a standby, or read-only by its settings",
		"point the database URL to the primary")

	add("fsync", v["fsync"].value == "on", "a power failure destroys the data", set("fsync", "on"))
	add("full_page_writes", v["full_page_writes"].value == "on", "a power failure destroys the data", set("full_page_writes", "on"))
	switch commit := v["synchronous_commit"].value; commit {
	case "off":
		add("synchronous_commit", false, "up to 0.6 s of acknowledged jobs is lost when the server is killed", set("synchronous_commit", "on"))
	case "local":
		add("synchronous_commit", v["synchronous_standby_names"].value == "", "COMMIT does not wait for the synchronous standby: its promotion loses acknowledged jobs", set("synchronous_commit", "on"))
	default:
		add("synchronous_commit", true, "", "")
	}
	add("autovacuum", v["autovacuum"].value == "on", "the tables of a queue fill with dead rows, and every claim reads past them", set("autovacuum", "on"))
	return server, settings
}

// unsupported says why a server is none that slotq works on; "" = it is one.
func unsupported(version, number string) string {
	for mark, name := range map[string]string{"CockroachDB": "CockroachDB", "-YB-": "YugabyteDB", "Redshift": "Amazon Redshift"} {
		if strings.Contains(version, mark) {
			return name + " is not supported: what slotq asks of a database was never tried on it"
		}
	}
	if n, _ := strconv.Atoi(number); n < 130000 {
		return "slotq works on PostgreSQL 13 and newer"
	}
	return ""
}
