package service

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// UsageError says that the command line or the environment is wrong. Main ends the process with its ExitCode.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// ExitCode is 2, as for every command that was called wrongly.
func (e *UsageError) ExitCode() int { return 2 }

// ErrShown is returned by Parse after it has printed what was asked for (--help, --version): nothing is left to do,
// and Main ends the process with 0.
var ErrShown = errors.New("help or version shown")

// About is what --help says of a binary.
type About struct {
	Name        string // the command, such as "slotq-worker"
	Description string
}

// Parse fills flags from args (without the command's name), then environ (NAME=value), then defaults. An environment
// variable that is set but empty counts as not set, since that is what compose files and unit files pass for "none".
// Help goes to stdout. It returns kong's context, for binaries with subcommands; a *UsageError, in which no password
// is named; or ErrShown. It never ends the process.
func Parse(args, environ []string, stdout io.Writer, about About, flags Flags, options ...kong.Option) (*kong.Context, error) {
	shown := false
	parser, err := kong.New(flags, append([]kong.Option{
		kong.Name(about.Name),
		kong.Description(about.Description),
		kong.Writers(stdout, stdout),
		kong.Exit(func(int) { shown = true }),
		kong.Resolvers(environment(environ)),
		kong.ValueFormatter(nameVariable),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 110}),
		kong.Vars{"version": about.Name + " " + Version()},
		kong.Embed(&struct {
			Version kong.VersionFlag `help:"Show the version."`
		}{}),
	}, options...)...)
	if err != nil {
		return nil, fmt.Errorf("flags of %s: %w", about.Name, err) // a fault of the program, not of its user
	}
	parsed, err := parser.Parse(args)
	switch {
	case shown: // before the error: --help must help someone who has not set anything yet
		return nil, ErrShown
	case err != nil:
		return nil, &UsageError{fmt.Errorf("%w (--help shows all flags)", flags.common().DatabaseURL.RedactError(err))}
	}
	if err := flags.common().finish(); err != nil {
		return nil, &UsageError{err}
	}
	return parsed, nil
}

// Variable names the environment variable of a flag: Variable("database-url") is SLOTQ_DATABASE_URL.
func Variable(flag string) string {
	return "SLOTQ_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// environment looks flags up in environ rather than in os.Environ, as kong's own support would: a test or a program
// that embeds a binary decides what it sees.
func environment(environ []string) kong.Resolver {
	values := make(map[string]string, len(environ))
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			values[name] = value
		}
	}
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if value := values[Variable(flag.Name)]; value != "" && fromEnvironment(flag.Value) {
			return value, nil
		}
		return nil, nil
	})
}

// fromEnvironment tells settings from flags that ask for something else to be done instead: those only make sense on
// a command line, and a SLOTQ_VERSION that some deployment sets for itself must not turn a service into a printer.
func fromEnvironment(value *kong.Value) bool {
	return value.Name != "help" && value.Name != "version"
}

// nameVariable adds the environment variable to a flag's help.
func nameVariable(value *kong.Value) string {
	if value.Flag == nil || !fromEnvironment(value) {
		return value.Help
	}
	return value.Help + " ($" + Variable(value.Name) + ")"
}
