package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/hashicorp/go-multierror"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/cmd/internal/ui"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/fixes/step/account"
	"github.com/lixfix/lixfix/platform"
)

func TestCodeOf(t *testing.T) {
	refused := &platform.ToolError{Tool: "/usr/bin/dscl", Exit: 40, Stderr: "DS Error: -14120 (eDSPermissionError)"}
	for _, test := range []struct {
		err  error
		code Code
	}{
		{nil, Healthy},
		{errors.New("x"), Failed},
		{usagef("", "x"), Usage},
		{fmt.Errorf("x: %w", journal.ErrUnfinished), Waiting},
		{fmt.Errorf("x: %w", journal.ErrBusy), Busy},
		{fmt.Errorf("x: %w", journal.ErrUnsafe), Unsafe},
		{fmt.Errorf("x: %w", plan.ErrConflict), Unsafe},
		{plan.Hint(step.ErrBusy, "wait"), Unsafe},
		{fmt.Errorf("x: %w", &fix.Refusal{}), Unsafe},
		{plan.Hint(refused, "allow it"), NoConsent},
		{&plan.Interrupted{Cause: &signalled{sig: os.Interrupt}}, Interrupt},
		{&plan.Interrupted{Cause: &signalled{sig: syscall.SIGTERM}}, Terminated},
		{multierror.Append(&plan.Interrupted{Cause: &signalled{sig: syscall.SIGHUP}}, errors.New("start the service")), Hangup},
		{context.Canceled, Interrupt},
	} {
		if got := codeOf(test.err); got != test.code {
			t.Errorf("%v: %d, want %d", test.err, got, test.code)
		}
	}
}

func TestMessage(t *testing.T) {
	many := multierror.Append(nil, errors.New("one"), multierror.Append(nil, errors.New("two\n\tthree"), errors.New("four")))
	for _, test := range []struct {
		err  error
		want string
	}{
		{errors.New("plain"), "plain"},
		{many, "one; two; three; four"},
		{errors.Join(errors.New("a"), errors.New("b")), "a; b"},
		{fmt.Errorf("x: %w", multierror.Append(nil, errors.New("a"))), "x: a"},
	} {
		if got := message(test.err); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, test := range []struct {
		waiting bool
		tally   render.Tally
		strict  bool
		code    Code
	}{
		{false, render.Tally{}, true, Healthy},
		{false, render.Tally{AtRisk: 1}, false, Healthy},
		{false, render.Tally{AtRisk: 1}, true, Problems},
		{false, render.Tally{Unknown: 1, AtRisk: 1}, false, Failed},
		{false, render.Tally{Unknown: 1, AtRisk: 1}, true, Problems},
		{false, render.Tally{Unknown: 1, Broken: 1}, false, Problems},
		{true, render.Tally{Unknown: 1, Broken: 1}, false, Waiting},
	} {
		if got := verdict(test.waiting, test.tally, test.strict); got != test.code {
			t.Errorf("%+v: %d", test, got)
		}
	}
}

// The user has to be told whether a service that was stopped runs again.
func TestTrackerFollowsServices(t *testing.T) {
	stop := step.StopService{Label: "org.nixos.nix-daemon", Plist: "/x.plist"}
	set := account.SetAttribute{Record: "/Users/_nixbld1", Key: "UniqueID", From: []string{"301"}, To: []string{"351"}}
	p := plan.Plan{Entries: []plan.Entry{{Step: stop}, {Step: set}, {Step: step.StartService(stop)}}}
	for _, test := range []struct {
		last    plan.Phase
		running bool
	}{{plan.Finished, true}, {plan.Failed, false}, {plan.Starting, false}} {
		w := newWorld(t)
		cfg := Config{Host: w.host, Getenv: os.Getenv, Name: program}
		a := newApp(cfg)
		a.progress = silent()
		tr := newChange(a, "repair").tracker(p, false)
		for _, e := range []plan.Event{
			{Index: 0, Step: stop, Phase: plan.Starting},
			{Index: 0, Step: stop, Phase: plan.Finished},
			{Index: 1, Step: set, Phase: plan.Starting},
			{Index: 1, Step: set, Phase: plan.Failed, Err: errors.New("no")},
			{Index: 2, Step: stop.Release(), Phase: plan.Starting},
			{Index: 2, Step: stop.Release(), Phase: test.last, Err: errors.New("no")},
		} {
			tr.observe(e)
		}
		if len(tr.stopped) != 1 || tr.stopped[0].Running != test.running {
			t.Errorf("after %s: %+v", test.last, tr.stopped)
		}
	}
}

func silent() *ui.Progress { return ui.NewProgress(io.Discard, ui.Terminal{}, false) }
