package postgres_test

import (
	"testing"

	"github.com/slotq/slotq/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Engine{Fresh: storetest.FreshOn(t, "SLOTQ_TEST_POSTGRES_URL")})
}
