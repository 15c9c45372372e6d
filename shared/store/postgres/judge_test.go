package postgres

import (
	"maps"
	"slices"
	"strings"
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
	sound := map[string]setting{
		"version": {value: "PostgreSQL 17.2 on x86_64-pc-linux-gnu, compiled by gcc"}, "server_version_num": {value: "170002"}, "transaction_isolation": {value: "read committed"},
		"transaction_read_only": {value: "off"}, "idle_in_transaction_session_timeout": {value: "5000"}, "fsync": {value: "on"}, "full_page_writes": {value: "on"},
		"synchronous_commit": {value: "on"}, "synchronous_standby_names": {}, "autovacuum": {value: "on"}, "database": {value: "app"}, "user": {value: "slotq"},
	}
	for _, c := range []struct {
		name   string
		change map[string]setting
		want   []string
		remedy string // of the first that is wrong
	}{
		{"PostgreSQL 17", nil, nil, ""},
		{"PostgreSQL 12", map[string]setting{"server_version_num": {value: "120020"}}, []string{"version"}, "13"},
		{"CockroachDB", map[string]setting{"version": {value: "CockroachDB CCL v24.1.0"}}, []string{"version"}, "docs/databases.md"},
		{"YugabyteDB", map[string]setting{"version": {value: "PostgreSQL 15.2-YB-2.25.0.0-b0"}}, []string{"version"}, ""},
		{"a pooler that forgets", map[string]setting{"transaction_isolation": {value: "serializable"}, "idle_in_transaction_session_timeout": {value: "0"}},
			[]string{"idle_in_transaction_session_timeout", "transaction_isolation"}, "PgBouncer"},
		{"local, without a standby", map[string]setting{"synchronous_commit": {value: "local"}}, nil, ""},
		{"local, with a standby", map[string]setting{"synchronous_commit": {value: "local"}, "synchronous_standby_names": {value: "b"}}, []string{"synchronous_commit"}, "ALTER SYSTEM"},
		{"off by the database", map[string]setting{"synchronous_commit": {"off", "database"}}, []string{"synchronous_commit"}, `ALTER DATABASE "app" RESET synchronous_commit;`},
		{"off by the role", map[string]setting{"synchronous_commit": {"off", "user"}}, []string{"synchronous_commit"}, `ALTER ROLE "slotq" RESET`},
		{"off by the command line", map[string]setting{"fsync": {"off", "command line"}}, []string{"fsync"}, "without -c fsync=off"},
		{"a standby", map[string]setting{"transaction_read_only": {value: "on"}}, []string{"transaction_read_only"}, "primary"},
		{"no autovacuum", map[string]setting{"autovacuum": {value: "off"}}, []string{"autovacuum"}, "ALTER SYSTEM SET autovacuum = on"},
	} {
		v := maps.Clone(sound)
		maps.Copy(v, c.change)
		_, settings := judge(v)
		if got := faults(settings); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v are wrong, want %v", c.name, got, c.want)
			continue
		}
		for _, s := range settings {
			if len(c.want) > 0 && s.Name == c.want[0] && !strings.Contains(s.Remedy, c.remedy) {
				t.Errorf("%s: to be mended by %q, want %q", c.name, s.Remedy, c.remedy)
			}
		}
	}
}
