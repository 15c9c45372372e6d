package mysql

import (
	"maps"
	"slices"
	"testing"

	"github.com/slotq/slotq/shared/job"
)

// faults are the names of the settings that are not as they should be.
func faults(settings []job.Setting) (names []string) {
	for _, s := range settings {
		if s.Wrong != "" {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestServersThatAreNotAtHandAreJudgedByWhatTheySayOfThemselves(t *testing.T) {
	sound := map[string]string{
		"version": "8.4.3", "version_comment": "MySQL Community Server - GPL", "transaction_isolation": "READ-COMMITTED", "autocommit": "ON",
		"sql_mode": "STRICT_ALL_TABLES,NO_ZERO_DATE", "innodb_flush_log_at_trx_commit": "1", "log_bin": "ON", "sync_binlog": "1", "binlog_format": "ROW",
		"max_allowed_packet": "67108864", "innodb_read_only": "OFF", "read_only": "OFF",
	}
	galera := map[string]string{"wsrep_ready": "ON", "wsrep_cluster_status": "Primary", "wsrep_cluster_size": "3"}
	for _, c := range []struct {
		name   string
		change map[string]string
		status map[string]string
		server string
		want   []string
	}{
		{"MySQL 8.4", nil, nil, "MySQL 8.4.3", nil},
		{"MySQL 9, which has no binlog_format", map[string]string{"version": "9.5.0", "binlog_format": "-"}, nil, "MySQL 9.5.0", nil},
		{"MySQL 5.7", map[string]string{"version": "5.7.44-log"}, nil, "MySQL 5.7.44-log", []string{"version"}},
		{"MySQL has no 3", map[string]string{"innodb_flush_log_at_trx_commit": "3"}, nil, "MySQL 8.4.3", []string{"innodb_flush_log_at_trx_commit"}},
		{"MariaDB's 3 waits for the disk", map[string]string{"version": "11.4.2-MariaDB", "innodb_flush_log_at_trx_commit": "3"}, nil, "MariaDB 11.4.2-MariaDB", nil},
		{"MariaDB 10.5", map[string]string{"version": "5.5.5-10.5.29-MariaDB"}, nil, "MariaDB 10.5.29-MariaDB", []string{"version"}},
		{"TiDB", map[string]string{"version": "8.0.11-TiDB-v8.5.0"}, nil, "MySQL 8.0.11-TiDB-v8.5.0", []string{"version"}},
		{"PlanetScale", map[string]string{"version": "8.0.34-Vitess"}, nil, "MySQL 8.0.34-Vitess", []string{"version"}},
		{"no binlog", map[string]string{"log_bin": "OFF", "sync_binlog": "0", "binlog_format": "MIXED"}, nil, "MySQL 8.4.3", nil},
		{"a binlog that nobody flushes", map[string]string{"sync_binlog": "0", "binlog_format": "MIXED"}, nil, "MySQL 8.4.3", []string{"binlog_format", "sync_binlog"}},
		{"a replica", map[string]string{"read_only": "ON"}, nil, "MySQL 8.4.3", []string{"read_only"}},
		{"small packets", map[string]string{"max_allowed_packet": "1048576"}, nil, "MySQL 8.4.3", []string{"max_allowed_packet"}},
		{"Galera", map[string]string{"wsrep_on": "ON"}, galera, "MySQL 8.4.3", nil},
		{"Galera, two nodes, cut off", map[string]string{"wsrep_on": "ON"}, map[string]string{"wsrep_ready": "OFF", "wsrep_cluster_status": "non-Primary", "wsrep_cluster_size": "2"},
			"MySQL 8.4.3", []string{"wsrep_cluster_size", "wsrep_cluster_status", "wsrep_ready"}},
	} {
		v := maps.Clone(sound)
		maps.Copy(v, c.change)
		maps.DeleteFunc(v, func(_, value string) bool { return value == "-" })
		server, settings := judge(v, c.status)
		if got := faults(settings); server != c.server || !slices.Equal(got, c.want) {
			t.Errorf("%s: %s with %v, want %s with %v", c.name, server, got, c.server, c.want)
		}
	}
}
