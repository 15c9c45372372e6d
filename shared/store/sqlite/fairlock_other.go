//go:build !linux

package sqlite

import "context"

// fairLock does nothing on systems without locks that belong to an open file: those of a process would be lost when any of its
// stores closes the file. SQLite's own lock decides there as everywhere.
type fairLock struct{}

func newFairLock(string) *fairLock { return &fairLock{} }

func (*fairLock) enter(context.Context) (leave func()) { return func() {} }

func (*fairLock) Close() error { return nil }
