// Package fix is the contract between a fix and the program that runs it.
package fix

import (
	"context"
	"fmt"
	"io"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
)

// Status is what a finding says of the host.
type Status string

const (
	OK            Status = "ok"
	AtRisk        Status = "at-risk" // works now, will break
	Broken        Status = "broken"
	NotApplicable Status = "not-applicable"
	Unknown       Status = "unknown" // could not tell; never taken for ok or for absent
)

// severity orders statuses, the worst last.
var severity = map[Status]int{NotApplicable: 0, OK: 1, AtRisk: 2, Unknown: 3, Broken: 4}

// Compare orders statuses as cmp.Compare does, the worst last.
func Compare(a, b Status) int { return severity[a] - severity[b] }

// Worst returns the worst status of some findings. A fix that found nothing at all has told nothing: Unknown.
func Worst(findings []Finding) Status {
	if len(findings) == 0 {
		return Unknown
	}
	worst := NotApplicable
	for _, f := range findings {
		if severity[f.Status] > severity[worst] {
			worst = f.Status
		}
	}
	return worst
}

// Class says who may decide on a remedy.
type Class string

const (
	None   Class = ""
	Safe   Class = "safe"   // "--yes" covers it
	Risky  Class = "risky"  // needs a person at the terminal, or "--accept ID"
	Advice Class = "advice" // printed, never done by lixfix
)

// Finding is one thing that a detector has to say.
type Finding struct {
	// ID is stable: the fix's name, a slash and a slug, such as "sequoia/users-missing".
	ID      string `json:"id"`
	Status  Status `json:"status"`
	Summary string `json:"summary"` // one sentence, without a full stop
	// Reason says why an Unknown finding could not tell.
	Reason    string     `json:"reason,omitempty"`
	NeedsRoot bool       `json:"needs_root,omitempty"` // Unknown, and root could tell
	Evidence  []Evidence `json:"evidence,omitempty"`
	Remedy    *Remedy    `json:"remedy,omitempty"`
}

// Is reports whether the finding is of a kind.
func (f Finding) Is(k *Kind) bool { return f.ID == k.ID }

// Evidence is what a finding rests on: where it was read, what a healthy host has there, what this one has.
type Evidence struct {
	Source   string `json:"source"`   // "/Users/_nixbld1 UniqueID"
	Expected string `json:"expected"` // "351 to 499"
	Observed string `json:"observed"` // "301"
}

// Remedy says what can be done about a finding.
type Remedy struct {
	Class Class `json:"class"`
	// Changes says what it changes on the host; for Advice, what the user is to do.
	Changes string `json:"changes"`
	Command string `json:"command,omitempty"` // "sudo lixfix repair sequoia"
	// Undo says how the change is taken back, or that it cannot be.
	Undo string `json:"undo,omitempty"`
}

// Option is a setting of a fix. The program makes it a flag of "lixfix repair FIX", and of "lixfix check FIX" where it
// matters for looking.
type Option struct {
	Name  string // of the flag, without dashes
	Env   string // variable that sets it when the flag does not; "" for none
	Usage string
	Bool  bool
	Look  bool // also a flag of check and report
	// Check refuses a value with an error that says what is allowed; nil accepts all.
	Check func(value string) error
}

// Setting is the value given to an option, and where it came from: "flag" or "environment".
type Setting struct {
	Value  string
	Source string
}

// Settings are the options that were given, by name. Options that were not given are not in it; the fix then looks
// elsewhere on the host before it takes a default.
type Settings map[string]Setting

// On reports whether a boolean option was given and is true.
func (s Settings) On(name string) bool { return s[name].Value == "true" }

// Request is what a plan is asked for.
type Request struct {
	Settings Settings
	// Allowed reports whether the remedy of a finding may be part of the plan: safe ones always, risky ones when a
	// person decides or accepted its ID.
	Allowed func(findingID string, c Class) bool
	// Random is the source of identifiers that the plan chooses.
	Random io.Reader
	// Probed is the result of a Prober's experiment, so that the plan is made from what the user was shown; nil without
	// an experiment.
	Probed *Probed
}

// Doc is what "lixfix explain" says of a fix.
type Doc struct {
	Title string // one line, without a full stop
	// Builds says that repairs are for builds, and end with one that shows whether they helped. Leave it unset if a build
	// would tell nothing about the repair, for example because others hold it up, and for a Prober, which builds itself.
	Builds   bool
	Places   figure.Legend // what the numbered places are that plans move others to; the zero value for a fix without
	Symptoms []string      // error texts, as users meet them; "…" stands for any text
	Cause    string
	Changes  string
	Undo     string
	More     []Section // what else users should know
	Sources  []string
}

// Section is a part of a page. Text is in paragraphs, with a blank line between them.
type Section struct {
	Heading string
	Text    string
}

// Fix detects a known issue and plans its repair. It is a value without state.
type Fix interface {
	// Name is the word on the command line and the start of finding IDs. It never changes.
	Name() string
	Doc() Doc
	// Kinds is the table of all findings that the fix can have, in the order in which they are listed.
	Kinds() []*Kind
	Options() []Option
	AppliesTo(platform.Facts) bool
	// Detect reads the host and says what it found. An error means that it could not tell.
	Detect(context.Context, platform.View, Settings) ([]Finding, error)
	// Plan reads the host and decides what a repair does; an empty plan means that there is nothing to do. The error
	// is a *Refusal where a repair would be unsafe or impossible. ID, Version, Made and Host are the caller's to set.
	Plan(context.Context, platform.View, Request) (plan.Plan, error)
}

// Picture is what findings alone do not show: how what was found hangs together.
type Picture struct {
	Findings []Finding
	Figures  []figure.Figure // of each finding; the zero value for none
	Notes    []string        // what could not be seen, and the command that would see it
	Graph    any             // all of it, for JSON: an object
	Dot      string          // all of it, in the language of Graphviz
	// Key is equal as long as nothing that matters has changed.
	Key string
	// Moves says that nothing is in anything's way.
	Moves bool
	// Again, unless nil, are the settings for looking at the same thing again: a process can end, and its number go to
	// another one.
	Again Settings
}

// Drawer is a Fix that can draw what it found.
type Drawer interface {
	Fix
	// Draw looks at the host as Detect does, and says more.
	Draw(context.Context, platform.View, Settings) (Picture, error)
	// Moved compares two pictures, before and after a repair, in one sentence without a full stop.
	Moved(before, after Picture) string
}

// Hastener is a Fix whose Detect reads a file that the kernel takes milliseconds to show.
type Hastener interface {
	Fix
	// Hastens is the name of the file. Whoever is about to call Detect can have the kernel begin with it: platform.Machine.Hasten.
	Hastens() string
}

// Sketcher is a Fix that can draw a finding without a host, for pages about it.
type Sketcher interface {
	Fix
	// Sketch is the figure that Draw would make of a host with such a finding, and a sentence about it without a full stop;
	// the zero value for none.
	Sketch(*Kind) (f figure.Figure, says string)
}

// Reporter is a Fix that can describe the host for those who develop Lix.
type Reporter interface {
	Fix
	// Paste returns lines of Markdown, without names of people, machines and addresses.
	Paste(context.Context, platform.View, Settings) ([]string, error)
}

// Experiment is what a Prober is given for looking closer.
type Experiment struct {
	Host    platform.Builder
	Program string            // the absolute name of the running lixfix
	Waiting func(what string) // told where it takes long, and when what it waits for changes
	// Tried, unless nil, stands between a Prober and do. It either runs do and keeps what that leaves in into, which must
	// survive JSON, or puts there what was kept and runs nothing. what says what is tried, in one word first.
	Tried func(what []string, into any, do func(platform.Builder) error) error
}

// Try lets do try something out on the host and leave the result in into. Whatever a Prober learns other than by reading
// the host goes through here, so that records have it.
func (e Experiment) Try(what []string, into any, do func(platform.Builder) error) error {
	if e.Tried == nil {
		return do(e.Host)
	}
	return e.Tried(what, into, do)
}

// Probed is the result of an experiment.
type Probed struct {
	Findings []Finding
	State    any // the fix's own
}

// Prober is a Fix that can look closer by an experiment: a build, which leaves something in the store. Bare checks
// only Detect.
type Prober interface {
	Fix
	// Probe looks at the host as Detect does, makes the experiment, and says what both found.
	Probe(context.Context, Experiment, Settings) (Probed, error)
	// Judge compares experiments from before and after a repair. The error says why the repair is not worth keeping;
	// before is the zero value where nobody knows.
	Judge(before, after Probed) error
}

// Refusal is the error of a Plan that must not be made on this host.
type Refusal struct {
	ID     string // of the finding it belongs to
	Reason string
	Next   string // what the user can do
	Err    error  // what is behind it, if anything
}

func (r *Refusal) Error() string {
	if r.Err != nil {
		return fmt.Sprintf("%s: %v", r.Reason, r.Err)
	}
	return r.Reason
}

func (r *Refusal) Unwrap() error { return r.Err }

// Misuse is the error of a Plan for a setting that this host cannot honour.
type Misuse struct {
	Option string // without dashes
	Reason string
	Next   string // what the user can do
}

func (m *Misuse) Error() string { return "--" + m.Option + ": " + m.Reason }
