package executor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"
)

// Exit statuses with a meaning of their own.
const (
	exitSnooze  = 75  // EX_TEMPFAIL
	exitDiscard = 100 // as qmail's: a permanent failure
)

// DefaultGrace is the time between TERM and KILL when a handler sets none.
const DefaultGrace = 5 * time.Second

// CommandConfig says how to run the jobs of one kind as a subprocess.
type CommandConfig struct {
	// Path is the program, absolute; it is not searched for.
	Path string
	// Argv is the argument vector, program name first. No shell sees it and nothing of the job goes into it.
	Argv []string
	// Dir is the working directory, empty for the worker's.
	Dir string
	// Env names the variables that are passed on from the worker's environment where they are set there.
	Env []string
	// User is whom it runs as, nil for the worker's own user.
	User *User
	// Grace is the time between TERM and KILL; 0 kills at once.
	Grace time.Duration
	// Limits bound its memory and its processes.
	Limits Limits
}

// Command runs jobs as subprocesses: the payload on standard input, the output from standard output, the end of
// standard error in the message of a failure. Status 0 completes, 75 snoozes, 100 discards, all else fails.
//
// A job is over when its main process is. Whatever else it started (in the background, in a session of its own, holding
// the pipes) is killed then, and the Result comes when all of it is dead.
type Command struct {
	owner *Subprocess
	cfg   CommandConfig
}

// Command returns the executor for one kind. It fails when the configuration cannot work: see CommandConfig, and as
// root without a user of its own unless SubprocessOptions.Insecure.
func (s *Subprocess) Command(cfg CommandConfig) (*Command, error) {
	switch {
	case len(cfg.Argv) == 0:
		return nil, errors.New("the command's argument vector is empty")
	case !filepath.IsAbs(cfg.Path):
		return nil, fmt.Errorf("the command's path %q is not absolute", cfg.Path)
	case cfg.Grace < 0:
		return nil, fmt.Errorf("the grace of %v is negative", cfg.Grace)
	case cfg.Limits.Memory < 0 || cfg.Limits.Processes < 0:
		return nil, fmt.Errorf("a limit of %+v is negative", cfg.Limits)
	}
	if cfg.User != nil {
		if err := cfg.User.Reachable(); err != nil {
			return nil, err
		}
	}
	if err := s.errRoot(cfg.User); err != nil {
		return nil, err
	}
	return &Command{s, cfg}, nil
}

// hangPatience is how long after the KILL a shim may leave a job unreported before it is taken for hung and is killed
// itself. It is longer than what the shim may rightly take.
const hangPatience = killPatience + 5*time.Second

// Execute implements Executor.
func (c *Command) Execute(ctx context.Context, task Task) Result {
	if ctx.Err() != nil {
		return stopped(context.Cause(ctx), task, "")
	}
	shim, alone, release, err := c.owner.acquire(ctx, task.ID)
	if err != nil {
		if ctx.Err() != nil {
			return stopped(context.Cause(ctx), task, "")
		}
		return unavailable(err)
	}
	defer release()

	var home string
	if c.cfg.User != nil {
		home = c.cfg.User.Home
	}
	var timeout, hung <-chan time.Time
	if task.Timeout > 0 {
		timer := time.NewTimer(task.Timeout)
		defer timer.Stop()
		timeout = timer.C
	}
	limits := c.cfg.Limits
	if limitsIgnored {
		limits = Limits{}
	}
	number, result := shim.start(&spec{
		Path: c.cfg.Path, Argv: c.cfg.Argv, Dir: c.cfg.Dir, User: c.cfg.User.credential(),
		Env:     environ(task, c.cfg.Env, home, c.owner.opts.LookupEnv),
		Payload: task.Payload, ID: task.ID, Run: task.Run, Limits: limits,
	})

	var cause error // why it was asked to stop: the first reason stands, but a lost lease allows no grace
	done := ctx.Done()
	for {
		select {
		case e := <-result:
			if alone {
				c.owner.clear(task.ID)
			}
			return c.result(e, cause, task)
		case <-shim.gone:
			select {
			case e := <-result: // reported in its last breath
				return c.result(e, cause, task)
			default:
			}
			if cause != nil {
				return stopped(cause, task, "")
			}
			return c.owner.lost(task.ID, alone)
		case <-timeout:
			cause, timeout = context.DeadlineExceeded, nil
			shim.send(request{Op: opStop, Job: number, Grace: c.cfg.Grace})
			hung = time.After(c.cfg.Grace + hangPatience)
		case <-done:
			done, timeout = nil, nil
			why := context.Cause(ctx)
			if errors.Is(why, ErrLeaseLost) {
				cause = why
				shim.send(request{Op: opKill, Job: number})
				hung = time.After(hangPatience)
			} else if cause == nil {
				cause = why
				shim.send(request{Op: opStop, Job: number, Grace: c.cfg.Grace})
				hung = time.After(c.cfg.Grace + hangPatience)
			}
		case <-hung:
			hung = nil
			shim.kill()
		}
	}
}

// result translates what the shim says. cause is why the worker asked it to stop the job, nil when it did not.
func (c *Command) result(e ended, cause error, task Task) Result {
	r := Result{Output: e.Output}
	detail := string(e.Stderr)
	if e.Survivors > 0 {
		detail += fmt.Sprintf("\n(%d of its processes did not die of SIGKILL)", e.Survivors)
	}
	switch {
	case e.Unleased:
		r.Outcome, r.ErrorType = Released, TypeLeaseExpired
		r.Message = "killed or not started: no lease of the worker was in force"
		return r
	case e.StartError != "":
		r.Outcome, r.ErrorType, r.Message = Failed, TypeStart, message("not started: "+e.StartError, "")
		return r
	case e.Stopped && cause != nil:
		r = stopped(cause, task, detail)
		r.Output = e.Output
		return r
	case e.Over != (Limits{}):
		r = exceededResult(e.Over, detail)
		r.Output = e.Output
		return r
	case e.Status.Signaled():
		sig := e.Status.Signal()
		what := fmt.Sprintf("killed by signal %d (%v)", int(sig), sig)
		if sig == syscall.SIGKILL {
			what += ", perhaps for want of memory"
		}
		r.Outcome, r.ErrorType, r.Message = Failed, TypeSignal, message(what, detail)
		return r
	}
	switch status := e.Status.ExitStatus(); status {
	case 0:
		r.Outcome = Completed
	case exitSnooze:
		r.Outcome, r.ErrorType, r.Message = Snoozed, TypeSnooze, message("exit status 75 asks to run again later", detail)
	case exitDiscard:
		r.Outcome, r.ErrorType, r.Message = Discarded, TypeExit, message("exit status 100 says that no retry can help", detail)
	default:
		r.Outcome, r.ErrorType, r.Message = Failed, TypeExit, message(fmt.Sprintf("exit status %d", status), detail)
	}
	return r
}
