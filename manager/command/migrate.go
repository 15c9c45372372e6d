package command

type migrateCommand struct{}

func (*migrateCommand) execute(c *call) error {
	before, _, err := c.store.Schema(c.ctx)
	if err != nil {
		return err
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
