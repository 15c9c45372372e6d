package command

type migrateCommand struct{}

func (*migrateCommand) execute(c *call) error {
	// A version that cannot be read is none yet: beside a process that makes the tables at this moment there is one, but not
	// its first row. Migrate looks again until there is, and reports what stays wrong.
	before, _, err := c.store.Schema(c.ctx)
	if err != nil {
		before = 0
	}
	if err := c.progress().during("migrating the schema", func() error { return c.store.Migrate(c.ctx) }); err != nil {
		return err
	}
	after, _, err := c.store.Schema(c.ctx)
	if err != nil {
		return err
	}
	return c.print(struct {
		From int64 `json:"from_version"`
		To   int64 `json:"to_version"`
	}{before, after}, func(t *table) {
		if before == after {
			t.line("the schema has version", after, "already")
		} else {
			t.line("migrated the schema from version", before, "to", after)
		}
	})
}
