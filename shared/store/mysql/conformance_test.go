package mysql_test

import (
	"context"
	"testing"

	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/store/mysql"
	"github.com/slotq/slotq/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestConformance(t *testing.T) {
	statements := newRecorder()
	storetest.Run(t, storetest.Engine{
		Fresh: storetest.FreshOn(t, "SLOTQ_TEST_MYSQL_URL"),
		Open: func(ctx context.Context, url string) (store.Store, error) {
			return mysql.OpenWith(ctx, url, 20, statements.wrap)
		},
	})
	t.Run("MySQL understands every statement that the suite has sent", statements.check)
}
