package system

// TB is what this package needs of a test: a testing.TB is one, and so is the stage of a program that runs slotq without
// package testing.
type TB interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
	TempDir() string
}
