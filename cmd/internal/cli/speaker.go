package cli

import (
	"errors"
	"strings"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/plan"
)

// page draws the last page of a command that changes the host.
type page func(*render.Text)

// speaker ends a command that changes the host: with a report, a page, an error, and what can be done next.
type speaker struct {
	app     *app
	report  *render.Report
	undoing bool // what goes on is the way back; what is left afterwards was there before, and is no failure
}

// ended and verdict are the pages that most commands end with: all that was done, or the verdict alone.
func (s *speaker) ended(t *render.Text)   { t.Ended(*s.report) }
func (s *speaker) verdict(t *render.Text) { t.Verdict(*s.report) }

// with is a page, and the verdict below it.
func (s *speaker) with(show page) page {
	return func(t *render.Text) {
		show(t)
		s.verdict(t)
	}
}

// done ends a command that did what it could.
func (s *speaker) done(code Code, show page) (Code, error) {
	s.report.Summary = render.ChangeVerdict(*s.report)
	return s.app.emit(s.report, code, show)
}

// fail ends a command with an error, and nothing to show beside it.
func (s *speaker) fail(err error) (Code, error) { return s.failed(err, func(*render.Text) {}) }

// failed ends a command with an error. It goes into the report as well, because a reader of the JSON may not keep
// standard error.
func (s *speaker) failed(err error, show page) (Code, error) {
	if codeOf(err) == NoConsent && len(s.report.Waiting) > 0 {
		f, typed := errors.AsType[*failure](err)
		err = &failure{code: Waiting, err: err, next: nextOf(err), typed: typed && f.typed}
	}
	s.report.Outcome.Error = message(err)
	code, _ := s.done(codeOf(err), show)
	return code, err
}

// nothing ends a command that found nothing to do.
func (s *speaker) nothing(why string) (Code, error) {
	s.report.Outcome.Result = render.NothingToDo
	s.report.Summary = "lixfix " + s.app.Version + ": " + why
	return s.app.emit(s.report, Healthy, func(t *render.Text) { t.Verdict(*s.report) })
}

// left adds to an error what can be done about the unfinished repair. That it waits outranks that a step failed; a
// refusal or a signal tells more.
func (s *speaker) left(err error) error {
	code := codeOf(err)
	if code == Failed || code == NoConsent {
		code = Waiting
	}
	ways := s.ways(err)
	next := ways[0] + " takes back what was done, and leaves alone what others have changed; resume refuses while those changes are there"
	switch {
	case s.undoing:
		next = ways[0] + " finishes taking it back"
	case len(ways) > 1:
		next = ways[0] + " finishes it, " + ways[1] + " takes it back"
	}
	if own := nextOf(err); own != "" {
		next = strings.TrimRight(own, ".") + ". Then: " + next
	}
	return &failure{code: code, err: err, next: next}
}

// ways are the commands that go on from a repair that err has left unfinished. Where the host has changed, going on
// would overwrite what somebody else has set, so only the way back is open. An undo goes on as an undo; the other way is
// a new repair.
func (s *speaker) ways(err error) []string {
	undo := "sudo " + s.app.Name + " undo"
	if s.undoing || errors.Is(err, plan.ErrConflict) {
		return []string{undo}
	}
	return []string{"sudo " + s.app.Name + " resume", undo}
}

// foldRefused takes the steps that macOS refused to take back for what they are: refused.
func (s *speaker) foldRefused() {
	s.report.Refused = append(s.report.Refused, s.report.Outcome.Skipped...)
	s.report.Outcome.Skipped = nil
}
