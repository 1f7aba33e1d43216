package mac

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"time"
)

// Moment is when, relative to what a call does, a fault strikes.
type Moment string

// The moments. Nothing of the call has happened Before, all of it has After.
// Middle is between the parts of a call that has parts: see the Stage
// constants. A Middle rule does not fire in a call without such a part.
const (
	Before Moment = "before"
	Middle Moment = "middle"
	After  Moment = "after"
)

// The stages of a write, at which a Middle fault can strike.
const (
	StageRecord  = "record"  // the record was made and has no GeneratedUID yet
	StageGUID    = "guid"    // the new record has its GeneratedUID and not yet the attribute
	StageRemoved = "removed" // -create removed the old values and added none, as its fallback does
	StageValue   = "value"   // some of several values were added or removed
	StageName    = "name"    // dseditgroup added the member's name and not its GeneratedUID
	// StageLookup is where -create looks up the attribute's prefix: the record
	// exists, its attribute is untouched. It is no stage of its own unless
	// asked for by name, because for an old record it equals Before.
	StageLookup = "lookup"
)

// Fault is a rule of the configuration: which calls it strikes, when, and what
// happens then. The first matching rule of each moment wins.
type Fault struct {
	// Name tells the rules apart in [Mac.Fired]; empty takes the rule's number.
	Name string `json:"name,omitempty"`

	// Tool is the base name of the tool; empty matches all.
	Tool string `json:"tool,omitempty"`
	// Args are regular expressions; each must match some argument.
	Args []string `json:"args,omitempty"`
	// Nth is the number, from 1, of the matching call that is struck; 0 is 1.
	Nth int `json:"nth,omitempty"`
	// Write, when set, strikes the call that is this write of the Mac since the
	// last reset, counting from 1 over all tools. Nth is not looked at then.
	Write int `json:"write,omitempty"`
	// Times is how many calls (or writes) in a row are struck; 0 is 1 and -1
	// all that follow.
	Times int `json:"times,omitempty"`

	// At is Before if empty.
	At Moment `json:"at,omitempty"`
	// Stage narrows a Middle fault; empty is the first stage of the call.
	Stage string `json:"stage,omitempty"`

	// Hang sleeps first; negative means until killed. The stand-in's lock is
	// not held meanwhile.
	Hang time.Duration `json:"hang,omitempty"`
	// Signal is sent (KILL, INT, TERM, HUP, ...) to the caller, or to the tool
	// itself with Self. After killing its caller a tool stops where it is; after
	// any other signal it goes on.
	Signal string `json:"signal,omitempty"`
	Self   bool   `json:"self,omitempty"`
	// Fail ends the call with Exit, Stdout and Stderr.
	Fail   bool   `json:"fail,omitempty"`
	Exit   int    `json:"exit,omitempty"`
	Stdout string `json:"stdout,omitempty"`
	Stderr string `json:"stderr,omitempty"`
	// Omit is a regular expression: a list that the call prints lacks the
	// records whose names match, and is otherwise as it should be.
	Omit string `json:"omit,omitempty"`
	// Appear is an account that somebody makes at this moment, below dscl.
	Appear *Appearance `json:"appear,omitempty"`
}

// Appearance is a record that comes to be, or changes, from outside.
type Appearance struct {
	Kind       Kind                `json:"kind"`
	Name       string              `json:"name"`
	Attributes map[string][]string `json:"attributes"`
	// Change sets these attributes of the record that is there.
	Change bool `json:"change,omitempty"`
}

// KillCaller is the crash of a repair: SIGKILL for the process that made the
// nth write. The stage matters in the middle only.
func KillCaller(write int, at Moment, stage string) Fault {
	return Fault{Name: "kill caller", Write: write, At: at, Stage: stage, Signal: "KILL"}
}

// SignalCaller interrupts the process that made the nth write, before it.
func SignalCaller(write int, signal string) Fault {
	return Fault{Name: "signal caller", Write: write, Signal: signal}
}

// Spurious is the -14988 of CI Macs (DeterminateSystems/nix-installer#1300), in
// the shape captured: the record exists and the attribute was not written.
func Spurious(times int) Fault {
	return Fault{
		Name: "spurious", Tool: "dscl", Args: []string{`^-?create$`}, Times: times,
		At: Middle, Stage: StageLookup, Fail: true, Exit: 140,
		Stdout: "create: DS error: eNotYetImplemented\n",
		Stderr: "<dscl_cmd> DS Error: -14988 (eNotYetImplemented)\n",
	}
}

// SpuriousLoss is Spurious at its worst: -create removed the attribute before
// it failed to add it (DSObjCWrappers/DSoRecord.m setAttribute). It fires only
// where the attribute was there.
func SpuriousLoss(times int) Fault {
	f := Spurious(times)
	f.Name, f.Stage = "spurious loss", StageRemoved
	return f
}

// KilledTool is a write that security software kills without a word
// (DeterminateSystems/nix-installer#668).
func KilledTool(argument string, times int) Fault {
	return Fault{Name: "killed tool", Tool: "dscl", Args: []string{argument}, Times: times, Signal: "KILL", Self: true}
}

// Lacking is a list of accounts that leaves out those whose names match, in so
// many calls; -1 is always. The plist is valid and the exit status is 0.
func Lacking(k Kind, names string, times int) Fault {
	return Fault{Name: "lacking " + string(k), Tool: "dscl", Args: []string{`^-?readall$`, "^/" + k.Title() + "$"}, Times: times, Omit: names}
}

// Ignored is a write that reports success and does nothing: the nth that matches
// all of the patterns, and so many after it.
func Ignored(nth, times int, args ...string) Fault {
	return Fault{Name: "ignored", Tool: "dscl", Args: args, Nth: nth, Times: times, Fail: true}
}

// Appears is an account that somebody makes right after a tool was called for
// the nth time.
func Appears(tool string, nth int, a Appearance) Fault {
	return Fault{Name: "appears", Tool: tool, Nth: nth, At: After, Appear: &a}
}

func (f *Fault) key(i int) string {
	if f.Name != "" {
		return f.Name
	}
	return fmt.Sprintf("fault %d", i+1)
}

func (f *Fault) moment() Moment {
	if f.At == "" {
		return Before
	}
	return f.At
}

func (f *Fault) matches(tool string, args []string) (bool, error) {
	if f.Tool != "" && f.Tool != tool {
		return false, nil
	}
	for _, pattern := range f.Args {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return false, fmt.Errorf("fault: %w", err)
		}
		hit := false
		for _, a := range args {
			hit = hit || re.MatchString(a)
		}
		if !hit {
			return false, nil
		}
	}
	return true, nil
}

// due says whether the rule strikes the seen-th matching call, which is the
// write-th write, or 0 if it writes nothing.
func (f *Fault) due(seen, write int) bool {
	n, from := seen, max(f.Nth, 1)
	if f.Write > 0 {
		n, from = write, f.Write
	}
	times := f.Times
	if times == 0 {
		times = 1
	}
	return n >= from && (times < 0 || n < from+times)
}

// counts is the bookkeeping of calls: .standin/counts.json.
type counts struct {
	Calls  int            `json:"calls"`
	Writes int            `json:"writes"`
	Seen   map[string]int `json:"seen,omitempty"`
	Fired  map[string]int `json:"fired,omitempty"`
	// Made counts how often a record was made, so that each time gives a new
	// GeneratedUID, and the same one in every run. No reset clears it.
	Made map[string]int `json:"made,omitempty"`
}

func (m *Mac) counts() (*counts, error) {
	c := &counts{}
	if err := m.loadJSON("counts.json", c); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, p := range []*map[string]int{&c.Seen, &c.Fired, &c.Made} {
		if *p == nil {
			*p = map[string]int{}
		}
	}
	return c, nil
}

// Fired says how often each fault struck since the last reset, by name.
func (m *Mac) Fired() (map[string]int, error) {
	c, err := m.counts()
	if err != nil {
		return nil, err
	}
	return c.Fired, nil
}

// Writes is the number of writes since the last reset, by all tools, failed
// ones included.
func (m *Mac) Writes() (int, error) {
	c, err := m.counts()
	if err != nil {
		return 0, err
	}
	return c.Writes, nil
}
