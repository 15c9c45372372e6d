package sqlstore

import (
	"context"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Settings implements store.Diagnose. What a setting costs is the engine's to say.
func (s *Store) Settings(ctx context.Context) (server string, settings []job.Setting, err error) {
	defer s.done("settings", time.Now())
	ctx, cancel := context.WithTimeout(ctx, operationLimit)
	defer cancel()
	if server, settings, err = s.db.Settings(ctx); err != nil {
		return "", nil, s.fail("settings", s.db.Class(err), err)
	}
	return server, settings, nil
}

// Variables reads a result of names and values, as an engine's Settings asks for them.
func Variables(rows Rows, err error) (map[string]string, error) {
	values := map[string]string{}
	err = each(rows, err, func(r Rows) error {
		var name, value string
		err := r.Scan(&name, &value)
		values[name] = value
		return err
	})
	return values, err
}
