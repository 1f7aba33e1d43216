package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
)

// Code is an exit code. Scripts rely on them; they never change their meaning.
type Code int

// The exit codes.
const (
	Healthy    Code = 0
	Problems   Code = 1
	Usage      Code = 2
	Failed     Code = 3
	Waiting    Code = 4
	Unsafe     Code = 5
	NoConsent  Code = 6
	Busy       Code = 7
	Hangup     Code = 129
	Interrupt  Code = 130
	Terminated Code = 143
)

// Meaning is an exit code with what it says.
type Meaning struct {
	Code Code
	Text string
}

// Codes lists all exit codes with their meanings, as help and the README show them.
func Codes() []Meaning {
	return []Meaning{
		{Healthy, "healthy, repaired or nothing to do"},
		{Problems, "problems found, or left"},
		{Usage, "usage"},
		{Failed, "could not tell, or a step failed"},
		{Waiting, "an unfinished repair waits"},
		{Unsafe, "refused: the host changed, or a repair would be unsafe"},
		{NoConsent, "needs root, a terminal or consent"},
		{Busy, "another lixfix is at work"},
		{Hangup, "ended by SIGHUP"},
		{Interrupt, "ended by SIGINT"},
		{Terminated, "ended by SIGTERM"},
	}
}

// exitHelp is the part of a help text that lists exit codes: the given ones, or all.
func exitHelp(codes ...Code) string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, m := range Codes() {
		wanted := len(codes) == 0
		for _, c := range codes {
			wanted = wanted || c == m.Code
		}
		if wanted {
			fmt.Fprintf(&b, "  %3d  %s\n", m.Code, m.Text)
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

// verdict is the exit code for what was found: an unfinished repair comes first, then problems, then what could not be
// told.
func verdict(unfinished bool, t render.Tally, strict bool) Code {
	switch {
	case unfinished:
		return Waiting
	case t.Broken > 0, strict && t.AtRisk > 0:
		return Problems
	case t.Unknown > 0:
		return Failed
	}
	return Healthy
}

// failure is an error that knows its exit code and what the user can do about it.
type failure struct {
	code Code
	err  error
	next string
	// typed says that next is a command line, which is to be copied, and so kept whole.
	typed bool
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func usagef(next, format string, args ...any) error {
	return &failure{code: Usage, err: fmt.Errorf(format, args...), next: next}
}

// signalled is the cause of what ends by a signal, or as if by one.
type signalled struct {
	sig  os.Signal
	over bool // no signal came: the time is over that --limit gives
}

func (s *signalled) Error() string {
	if s.over {
		return "the time given with --limit is over"
	}
	return signalName(s.sig)
}

func signalName(sig os.Signal) string {
	switch sig {
	case os.Interrupt:
		return "SIGINT"
	case syscall.SIGTERM:
		return "SIGTERM"
	case syscall.SIGHUP:
		return "SIGHUP"
	}
	return sig.String()
}

// codeOf is the exit code for an error.
func codeOf(err error) Code {
	var f *failure
	var s *signalled
	var refusal *fix.Refusal
	var misuse *fix.Misuse
	switch {
	case err == nil:
		return Healthy
	case errors.As(err, &f):
		return f.code
	case errors.As(err, &misuse):
		return Usage
	case errors.As(err, &s):
		if n, ok := s.sig.(syscall.Signal); ok {
			return Code(128 + int(n))
		}
		return Failed
	case errors.Is(err, context.Canceled):
		return Interrupt
	case errors.Is(err, journal.ErrBusy):
		return Busy
	case errors.Is(err, journal.ErrUnfinished):
		return Waiting
	case dscl.Refused(err):
		return NoConsent
	case errors.As(err, &refusal), errors.Is(err, plan.ErrConflict), errors.Is(err, step.ErrBusy), errors.Is(err, platform.ErrIrreplaceable),
		errors.Is(err, journal.ErrUnsafe), errors.Is(err, journal.ErrForeign):
		return Unsafe
	}
	return Failed
}

// nextOf is what the user can do about an error.
func nextOf(err error) string {
	if f, ok := errors.AsType[*failure](err); ok && f.next != "" {
		return f.next
	}
	if r, ok := errors.AsType[*fix.Refusal](err); ok && r.Next != "" {
		return r.Next
	}
	if m, ok := errors.AsType[*fix.Misuse](err); ok {
		return m.Next
	}
	if h, ok := errors.AsType[*plan.Hinted](err); ok {
		return h.Next
	}
	switch {
	case errors.Is(err, journal.ErrBusy):
		return "Wait until it has ended, and run the command again; --wait 5m does both."
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "Free some space on that disk, and run the command again."
	case errors.Is(err, syscall.EROFS):
		return "That file system is read-only. A repair must be able to write down there what it does."
	case errors.Is(err, journal.ErrUnsafe):
		return "What is in it cannot be trusted, because others could have put it there. Move it away, for example with \"sudo mv DIR DIR.untrusted\", and run the command again."
	case errors.Is(err, journal.ErrForeign):
		return "lixfix trusts nothing in it. \"sudo lixfix history --set-aside ID\" moves it away."
	case dscl.Passing(err):
		return "macOS did not answer, which happens now and then. Run the command again; if that does not help, restart the Mac."
	}
	return ""
}
