package command

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/service"
)

func TestMain(m *testing.M) {
	if os.Getenv("SLOTQ_TEST_MAIN") != "" { // a test runs this binary as the manager
		os.Exit(service.Main(Main))
	}
	// database/sql closes its opener after Close has returned.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener"))
}

func TestEverySettingOfTheServiceIsTakenFromTheEnvironmentAndNoOther(t *testing.T) {
	want := []string{"SLOTQ_LISTEN"}
	common := reflect.TypeFor[service.Common]()
	for i := range common.NumField() {
		name := ""
		for j, r := range common.Field(i).Name {
			if j > 0 && r >= 'A' && r <= 'Z' && common.Field(i).Name[j-1] >= 'a' {
				name += "-"
			}
			name += strings.ToLower(string(r))
		}
		want = append(want, service.Variable(name))
	}
	got := slices.Clone(variables)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("variables are\n%v, want\n%v", got, want)
	}
}

func TestADatabaseWithoutTablesIsNotTakenForAnEmptyQueue(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "typo.db")
	r := call1(t.Context(), url, "", "queues")
	if r.code() != 1 || !strings.Contains(r.failure.Error(), "no tables of slotq") || !strings.Contains(r.failure.Error(), "manager migrate") {
		t.Errorf("code %d, %v; want it to ask whether the URL is right", r.code(), r.failure)
	}
	if r := call1(t.Context(), url, "", "migrate", "--json"); r.failure != nil || !strings.HasPrefix(r.out, `{"from_version":0,`) {
		t.Errorf("migrate: %q, %v", r.out, r.failure)
	}
	if r := call1(t.Context(), url, "", "migrate"); r.failure != nil || !strings.Contains(r.out, "already") {
		t.Errorf("migrate again: %q, %v", r.out, r.failure)
	}
	if r := call1(t.Context(), url, "", "queues"); r.failure != nil {
		t.Errorf("after migrate: %v", r.failure)
	}
}

func TestWrongDatabasesAreNamedWithoutTheirPasswords(t *testing.T) {
	for _, c := range []struct {
		url   string
		code  int
		words []string
	}{
		{"", 2, []string{"SLOTQ_DATABASE_URL"}},
		{"oracle:x", 1, []string{"sqlite:", "mysql://", "postgres://"}},
		{"mysql://slotq:secretword@127.0.0.1:1/slotq", 1, []string{"127.0.0.1:1", "refused"}},
		{"postgres://slotq:secretword@127.0.0.1:1/slotq", 1, []string{"127.0.0.1:1", "refused"}},
		{"sqlite:/no/such/directory/slotq.db", 1, []string{"/no/such/directory"}},
	} {
		r := call1(t.Context(), c.url, "", "status")
		if r.code() != c.code {
			t.Errorf("%q: exit code %d, want %d: %v", c.url, r.code(), c.code, r.failure)
			continue
		}
		for _, word := range c.words {
			if !strings.Contains(r.failure.Error(), word) {
				t.Errorf("%q: %q does not say %q", c.url, r.failure, word)
			}
		}
		if strings.Contains(r.failure.Error(), "secretword") {
			t.Errorf("%q: the password is in %q", c.url, r.failure)
		}
	}
}
