package dscl

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/pattern"
)

// Status codes of Directory Services that mean something to a caller. The comment gives dscl's exit status.
const (
	unknownNodeName     = -14009 // 185; a missing record for most verbs, but also any other error while opening one
	authFailed          = -14090 // 10
	permissionError     = -14120 // 40
	attributeNotFound   = -14134 // 54
	recordAlreadyExists = -14135 // 55; also: another user has this UniqueID
	recordNotFound      = -14136 // 56
	notHandledByNode    = -14987 // 139
	notYetImplemented   = -14988 // 140; spurious, see Passing
)

// meanings are the statuses in words.
var meanings = map[int]string{
	unknownNodeName:     "macOS does not find the record (eDSUnknownNodeName)",
	authFailed:          "macOS refuses it (eDSAuthFailed)",
	permissionError:     "macOS refuses it (eDSPermissionError)",
	attributeNotFound:   "the old value is not there (eDSAttributeNotFound)",
	recordAlreadyExists: "another account has that already (eDSRecordAlreadyExists)",
	recordNotFound:      "there is no such record (eDSRecordNotFound)",
	notHandledByNode:    "macOS does not know how (eNotHandledByThisNode)",
	notYetImplemented:   "macOS did not do it and gives no reason (eNotYetImplemented)",
}

// failure is a call of dscl that failed, in words; the whole command is in the log.
type failure struct{ err *platform.ToolError }

func (f *failure) Unwrap() error { return f.err }

func (f *failure) Error() string {
	switch {
	case f.err.Err != nil:
		return "dscl: " + strings.TrimSuffix(f.err.Err.Error(), ": "+context.DeadlineExceeded.Error())
	case f.err.Signal != 0:
		return fmt.Sprintf("dscl was killed (signal %d, %v)", int(f.err.Signal), f.err.Signal)
	}
	if text := meanings[status(f.err)]; text != "" {
		return text
	}
	text := fmt.Sprintf("dscl ended with exit status %d", f.err.Exit)
	if last := strings.TrimPrefix(f.err.Last(), "<dscl_cmd> "); last != "" {
		text += ": " + last
	}
	return text
}

// failed puts an error of dscl into words.
func failed(err error) error {
	var e *platform.ToolError
	if errors.As(err, &e) && e.Tool == Tool {
		return &failure{e}
	}
	return err
}

var statusForm = pattern.New(`DS Error: (-[0-9]+)`)

// status returns the Directory Services status behind err; 0 when there is none.
func status(err error) int {
	var e *platform.ToolError
	if !errors.As(err, &e) || e.Tool != Tool || e.Exit <= 0 {
		return 0
	}
	// The exit status has lost its upper bits, so the number in the last line is better where there is one.
	if m := statusForm.FindStringSubmatch(e.Last()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && -n&255 == e.Exit {
			return n
		}
	}
	for _, s := range []int{
		unknownNodeName, authFailed, permissionError, attributeNotFound, recordAlreadyExists, recordNotFound,
		notHandledByNode, notYetImplemented,
	} {
		if -s&255 == e.Exit {
			return s
		}
	}
	return 0
}

// Absent reports whether err proves that the record does not exist. Of all verbs only -read can prove it, and only by
// the exit status and the number in the last line together: either alone is no proof.
func Absent(err error) bool {
	var e *platform.ToolError
	if !errors.As(err, &e) || e.Tool != Tool || e.Exit != -recordNotFound&255 {
		return false
	}
	m := statusForm.FindStringSubmatch(e.Last())
	return m != nil && m[1] == strconv.Itoa(recordNotFound)
}

// Refused reports whether macOS refused a write: not root, or root without the user's consent (TCC), without Full
// Disk Access under ssh, or under a management profile.
func Refused(err error) bool { s := status(err); return s == permissionError || s == authFailed }

// Taken reports whether the value, a UniqueID, belongs to another record.
func Taken(err error) bool { return status(err) == recordAlreadyExists }

// NotThere reports whether a value that was to be changed or removed was not there.
func NotThere(err error) bool { return status(err) == attributeNotFound }

// Passing reports whether a write failed in a way that a second attempt mends: -14988, which CI Macs give without a
// reason (DeterminateSystems/nix-installer#1300), or a SIGKILL without output (nix-installer#668).
func Passing(err error) bool { return status(err) == notYetImplemented || Killed(err) }

// Killed reports whether dscl was killed by SIGKILL, as macOS, a management profile or security software does.
func Killed(err error) bool {
	var e *platform.ToolError
	return errors.As(err, &e) && e.Signal == syscall.SIGKILL
}

// Known reports whether err is one of the failures of a write whose meaning is known; after others it is worth
// trying another verb.
func Known(err error) bool {
	switch status(err) {
	case authFailed, permissionError, recordAlreadyExists, recordNotFound, unknownNodeName:
		return true
	}
	return Killed(err)
}
