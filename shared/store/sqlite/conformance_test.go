package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/slotq/slotq/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Engine{Fresh: func(t testing.TB) string {
		return "sqlite:" + filepath.Join(t.TempDir(), "slotq.db")
	}})
}
