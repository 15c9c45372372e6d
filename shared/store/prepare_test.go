package store_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// schemaOf is a store whose schema has a version, once it can be read.
type schemaOf struct {
	store.Store
	have, want int64
	migrated   bool
	unreadable int // so many times
	passes     int // through so many versions until it is there
}

func (s *schemaOf) Schema(context.Context) (int64, int64, error) {
	if s.unreadable > 0 {
		s.unreadable--
		return 0, s.want, errHalfMade
	}
	if s.passes > 0 {
		s.passes--
		return s.have - int64(s.passes)/20, s.want, nil // each for two seconds
	}
	return s.have, s.want, nil
}

func (s *schemaOf) Migrate(context.Context) error { s.migrated = true; return nil }

var errHalfMade = errors.New("half made")

func TestServicesRunOnTheirSchemaAndTheNext(t *testing.T) {
	for _, c := range []struct {
		have     int64
		migrate  bool
		want     error
		migrated bool
	}{
		{0, false, nil, true},
		{4, false, job.ErrOldSchema, false},
		{4, true, nil, true},
		{5, false, nil, false},
		{6, false, nil, false},
		{7, false, job.ErrNewerSchema, false},
		{7, true, job.ErrNewerSchema, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &schemaOf{have: c.have, want: 5}
			if err := store.Prepare(t.Context(), s, c.migrate); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || s.migrated != c.migrated {
				t.Errorf("schema %d for a binary of 5, migrate %v: %v, migrated %v; want %v, %v", c.have, c.migrate, err, s.migrated, c.want, c.migrated)
			}
		})
	}
}

func TestASchemaThatSomebodyIsMakingIsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &schemaOf{have: 5, want: 5, unreadable: 20}
		if err := store.Prepare(t.Context(), s, false); err != nil {
			t.Errorf("%v, want it to wait until the schema is there", err)
		}
		s = &schemaOf{have: 5, want: 5, unreadable: 1 << 30}
		if err := store.Prepare(t.Context(), s, false); !errors.Is(err, errHalfMade) {
			t.Errorf("%v, want the error of a schema that stays unreadable", err)
		}
	})
}

func TestASchemaThatSomebodyTakesThroughItsVersionsIsNotOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &schemaOf{have: 5, want: 5, passes: 79}
		if err := store.Prepare(t.Context(), s, false); err != nil || s.migrated {
			t.Errorf("%v, migrated %v; want it to wait until the schema is there", err, s.migrated)
		}
	})
}
