package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/sqlstore"
)

// Settings implements sqlstore.Engine. SHOW answers for this session where a session has a say, and leaves a variable out
// that the server does not know; SELECT @@name would be an error.
func (e *Engine) Settings(ctx context.Context) (server string, settings []job.Setting, err error) {
	rows, err := e.Query(ctx, `SHOW VARIABLES WHERE Variable_name IN ('version', 'version_comment', 'transaction_isolation', 'tx_isolation', 'autocommit', 'sql_mode',
		'innodb_flush_log_at_trx_commit', 'log_bin', 'sync_binlog', 'binlog_format', 'max_allowed_packet', 'innodb_read_only', 'read_only', 'wsrep_on')`)
	variables, err := sqlstore.Variables(rows, err)
	if err != nil {
		return "", nil, err
	}
	status := map[string]string{}
	if variables["wsrep_on"] == "ON" {
		rows, err := e.Query(ctx, "SHOW STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_cluster_status', 'wsrep_cluster_size')")
		if status, err = sqlstore.Variables(rows, err); err != nil {
			return "", nil, err
		}
	}
	server, settings = judge(variables, status)
	return server, settings, nil
}

// leastPacket is what docs/databases.md asks for.
const leastPacket = 16 << 20

// judge says of each setting that the server has what it costs. It is apart from the questions, so that a test can ask for
// MySQL and its relatives, which are not at hand.
func judge(v, status map[string]string) (server string, settings []job.Setting) {
	maria := strings.Contains(v["version"], "MariaDB")
	server = "MySQL " + v["version"]
	if maria {
		server = "MariaDB " + strings.TrimPrefix(v["version"], "5.5.5-") // a prefix for old clients of replication
	}
	add := func(name string, well bool, wrong, remedy string) {
		value, ok := v[name]
		if !ok {
			value, ok = status[name]
		}
		if !ok {
			return
		}
		s := job.Setting{Name: name, Value: value}
		if !well {
			s.Wrong, s.Remedy = wrong, remedy
		}
		settings = append(settings, s)
	}
	// MariaDB has no SET PERSIST.
	persist := func(name, value string) string {
		if maria {
			return fmt.Sprintf("SET GLOBAL %s = %s; -- and %[1]s = %[2]s under [mysqld] in my.cnf, for after a restart", name, value)
		}
		return fmt.Sprintf("SET PERSIST %s = %s;", name, value)
	}

	wrong := unsupported(v["version"], v["version_comment"], maria)
	add("version", wrong == "", wrong, "use MySQL 8.0 or newer, or MariaDB 10.6 or newer: docs/databases.md")

	const between = "connect slotq to the server itself, or let the proxy between them keep the settings of a session"
	for _, name := range []string{"transaction_isolation", "tx_isolation"} {
		add(name, v[name] == "READ-COMMITTED", "slotq asks for READ COMMITTED when it connects, and this session of its own has something else: "+
			"a claim may read rows as they were before it got the slot", between)
	}
	add("sql_mode", strings.Contains(v["sql_mode"], "STRICT_ALL_TABLES"), "slotq asks for strict mode when it connects, and this session of its own has none: "+
		"values that are too long are cut without an error, payloads among them", between)
	add("autocommit", v["autocommit"] == "ON", "slotq asks for autocommit when it connects, and this session of its own has none: heartbeats are lost and hold locks", between)

	flush := v["innodb_flush_log_at_trx_commit"]
	add("innodb_flush_log_at_trx_commit", flush == "1" || maria && flush == "3", lossOf(flush), persist("innodb_flush_log_at_trx_commit", "1"))
	if v["log_bin"] == "ON" {
		add("sync_binlog", v["sync_binlog"] == "1", "after a power failure the replicas may have more or less than the primary", persist("sync_binlog", "1"))
		add("binlog_format", v["binlog_format"] == "ROW", "READ COMMITTED needs ROW: other formats refuse its writes or replicate something else", persist("binlog_format", "ROW"))
	}
	packet, _ := strconv.ParseInt(v["max_allowed_packet"], 10, 64)
	add("max_allowed_packet", packet >= leastPacket, "large payloads and outputs are refused", persist("max_allowed_packet", strconv.Itoa(leastPacket)))
	for _, name := range []string{"read_only", "innodb_read_only"} {
		add(name, v[name] == "OFF", "nothing can be written: this is a replica, or a primary that was taken out of service", "point the database URL to the primary")
	}

	add("wsrep_ready", status["wsrep_ready"] == "ON", "this node serves nobody", "SHOW STATUS LIKE 'wsrep%'; -- and the node's log")
	add("wsrep_cluster_status", status["wsrep_cluster_status"] == "Primary", "this node is cut off from the majority of its cluster and serves nobody",
		"SHOW STATUS LIKE 'wsrep%'; -- and the node's log")
	size, _ := strconv.Atoi(status["wsrep_cluster_size"])
	add("wsrep_cluster_size", size >= 3 && size%2 == 1, "of two nodes, or two halves, neither may go on alone: all writes stop when they lose each other",
		"add a node or an arbitrator (garbd)")
	return server, settings
}

// lossOf says what a value of innodb_flush_log_at_trx_commit loses.
func lossOf(flush string) string {
	if flush == "0" {
		return "up to a second of acknowledged jobs is lost when the server is killed"
	}
	return "up to a second of acknowledged jobs is lost when the machine loses power"
}

// unsupported says why a server is none that slotq works on; "" = it is one.
func unsupported(version, comment string, maria bool) string {
	for _, other := range []string{"TiDB", "Vitess", "PlanetScale", "OceanBase", "SingleStore"} {
		if strings.Contains(strings.ToLower(version+" "+comment), strings.ToLower(other)) {
			return other + " is not supported: what slotq asks of a database was never tried on it"
		}
	}
	var major, minor int
	_, _ = fmt.Sscanf(strings.TrimPrefix(version, "5.5.5-"), "%d.%d", &major, &minor) // what does not parse is version 0
	if maria && (major < 10 || major == 10 && minor < 6) {
		return "slotq works on MariaDB 10.6 and newer"
	}
	if !maria && major < 8 {
		return "slotq works on MySQL 8.0 and newer"
	}
	return ""
}
