// Package render turns what lixfix found and did into text for people and JSON for programs. Nothing else formats.
package render

import (
	"slices"
	"time"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/fixes/verify"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/installation"
)

// Schema is the version of the JSON documents. It grows when a reader of the old form would misread the new one.
const Schema = 1

// Report is what a command has to say: the one document behind its text and its JSON.
type Report struct {
	Schema  int    `json:"schema"`
	Lixfix  string `json:"lixfix"`  // the version
	Command string `json:"command"` // "check"
	// Summary is the verdict in one sentence.
	Summary    string         `json:"summary"`
	Exit       int            `json:"exit"`
	Host       *Host          `json:"host,omitempty"`
	Recorded   *Recorded      `json:"recorded,omitempty"`   // the host is one in a file
	Record     *Record        `json:"record,omitempty"`     // that was made of this host
	Unfinished []string       `json:"unfinished,omitempty"` // IDs of repairs that wait
	Waiting    []Waiting      `json:"waiting,omitempty"`    // the same, with what can be told of them
	Fixes      []Fix          `json:"fixes,omitempty"`      // what was found
	Plan       *plan.Plan     `json:"plan,omitempty"`
	Drawn      figure.Figure  `json:"-"` // the picture of the plan; the zero value for none
	Refused    []Refused      `json:"refused,omitempty"`
	Outcome    *Outcome       `json:"outcome,omitempty"`
	After      []Fix          `json:"after,omitempty"` // what is true after a repair
	History    []Past         `json:"history,omitempty"`
	Pruned     []string       `json:"pruned,omitempty"`
	SetAside   *Aside         `json:"set_aside,omitempty"`
	Notes      []string       `json:"notes,omitempty"` // what to know beside it
	Listed     []Listed       `json:"listed,omitempty"`
	Explained  []Explained    `json:"explained,omitempty"`
	Kinds      []Kind         `json:"kinds,omitempty"`     // of findings, explained one by one
	Known      []Kind         `json:"known,omitempty"`     // what lixfix knows by its messages and has no fix for
	Matches    []Match        `json:"matches,omitempty"`   // what a text points to
	Problems   []string       `json:"problems,omitempty"`  // what could not be read beside that
	Left       *LeftToDo      `json:"left,omitempty"`      // of an unfinished repair
	Accepted   []string       `json:"accepted,omitempty"`  // finding IDs of --accept
	Made       *Description   `json:"made,omitempty"`      // of lixfix itself
	Graph      any            `json:"graph,omitempty"`     // what the one named fix can draw
	Lasting    []Refused      `json:"lasting,omitempty"`   // steps that nobody can take back
	Moved      string         `json:"moved,omitempty"`     // what the repair did to the chain
	Undecided  []Undecided    `json:"undecided,omitempty"` // remedies that nobody has decided on
	Paste      []string       `json:"paste,omitempty"`     // lines of Markdown
	Probe      *probe.Result  `json:"probe,omitempty"`     // of the build sandbox
	Verify     *verify.Ladder `json:"verify,omitempty"`    // how far a build came
	// Installation is what Nix is on the host.
	Installation *installation.Page `json:"installation,omitempty"`
}

// Waiting is an unfinished repair.
type Waiting struct {
	ID      string `json:"id"`
	Undo    bool   `json:"undo,omitempty"`    // it was being taken back
	Trouble string `json:"trouble,omitempty"` // why nothing goes on from it
	Next    string `json:"next,omitempty"`    // the command that moves it out of the way then
}

// Aside is a journal that was moved out of the way.
type Aside struct {
	ID     string `json:"id"`
	File   string `json:"file"` // where it is now
	Reason string `json:"reason"`
}

// Host is the machine that a report is about.
type Host struct {
	platform.Facts
	Root bool `json:"root"` // whether lixfix ran as root
}

// Recorded says of a host that it was recorded.
type Recorded struct {
	Made   time.Time `json:"made"`
	Lixfix string    `json:"lixfix"` // the version that made the record
	File   string    `json:"-"`      // as it was named
}

// When is when it was, for people.
func (r *Recorded) When() string { return r.Made.UTC().Format("2006-01-02 15:04 UTC") }

// Dot is the same as a comment in the language of Graphviz; "" for a host that is none.
func (r *Recorded) Dot() string {
	if r == nil {
		return ""
	}
	return "// a recorded host, as it was on " + r.When() + "\n"
}

// Record is a file that a host was recorded in.
type Record struct {
	File      string         `json:"file"`
	Bytes     int            `json:"bytes"`
	Questions map[string]int `json:"questions"` // that were asked and answered, by what was asked for
	Replaced  map[string]int `json:"replaced"`  // how often something was, by what it was
	Names     bool           `json:"names_kept"`
	Unseen    []string       `json:"unseen,omitempty"`  // what could not be seen
	Differs   []string       `json:"differs,omitempty"` // the fixes that do not say the same of the record
}

// Fix is what a fix found.
type Fix struct {
	Name     string        `json:"name"`
	Title    string        `json:"title"`
	Status   fix.Status    `json:"status"` // the worst of its findings
	Findings []fix.Finding `json:"findings,omitempty"`
	Picture  *fix.Picture  `json:"-"`
	Probed   *fix.Probed   `json:"-"` // nil where nothing was tried out
}

// Refused is a step that was left alone, and why.
type Refused struct {
	Step   string `json:"step"`
	Reason string `json:"reason"`
}

// Result says how a command that changes the host ended.
type Result string

// Results.
const (
	NothingToDo   Result = "nothing-to-do"
	NotApplicable Result = "not-applicable"
	DryRun        Result = "dry-run"
	NotStarted    Result = "not-started" // refused, declined or failed before a journal existed
	Finished      Result = "finished"
	Undone        Result = "undone"
	PartlyUndone  Result = "partly-undone"
	Abandoned     Result = "abandoned"  // failed before the first write
	Unfinished    Result = "unfinished" // failed or interrupted; resume or undo
)

// Outcome is what was done.
type Outcome struct {
	Result   Result    `json:"result"`
	ID       string    `json:"id,omitempty"` // of the journal
	Done     int       `json:"done"`         // steps that hold now
	Total    int       `json:"total"`
	Changed  bool      `json:"changed"`            // this command has done something to the host, or may have; one that was taken back counts
	Back     bool      `json:"back,omitempty"`     // the steps were taken back
	Ended    bool      `json:"ended,omitempty"`    // by a signal
	Skipped  []Refused `json:"skipped,omitempty"`  // optional steps that failed
	Services []Service `json:"services,omitempty"` // that were stopped meanwhile
	Error    string    `json:"error,omitempty"`
	Next     []string  `json:"next,omitempty"` // commands that go on from here
}

// Undecided is a risky remedy that a repair leaves out: there is no person to ask, and its finding was not accepted.
type Undecided struct {
	ID      string `json:"id"`      // of the finding
	Changes string `json:"changes"` // what the remedy would do
	Command string `json:"command"` // that decides for it
}

// Service is one that a plan holds while it runs.
type Service struct {
	Stop    string `json:"stop"`  // the step that stopped it
	Start   string `json:"start"` // the step that starts it again
	Running bool   `json:"running"`
}

// LeftToDo counts the steps of an unfinished repair.
type LeftToDo struct {
	ID    string    `json:"id"`
	Began time.Time `json:"began"`
	Done  int       `json:"done"`
	Total int       `json:"total"`
}

// Past is a repair of the history. What cannot be read of it is empty.
type Past struct {
	ID      string     `json:"id"`
	Began   *time.Time `json:"began,omitempty"`
	Ended   *time.Time `json:"ended,omitempty"`
	Fix     string     `json:"fix,omitempty"`
	Outcome string     `json:"outcome,omitempty"` // "finished", "undone", "partly", "abandoned", "unfinished", "undoing"
	Version string     `json:"version,omitempty"`
	Undoes  string     `json:"undoes,omitempty"`
	Done    int        `json:"done"`
	Total   int        `json:"total"`
}

// Listed is a fix of the registry.
type Listed struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Applies bool   `json:"applies"`
	Why     string `json:"why,omitempty"` // it does not apply
	Kinds   []Kind `json:"kinds,omitempty"`
}

// Kind is a kind of finding.
type Kind struct {
	ID       string         `json:"id"`
	Title    string         `json:"title"`
	Status   fix.Status     `json:"status"`
	Also     []fix.Status   `json:"also,omitempty"` // that a finding of the kind can have as well
	Means    string         `json:"means,omitempty"`
	Messages []string       `json:"messages,omitempty"`
	Remedies []KindOfRemedy `json:"remedies,omitempty"`
	Refusal  bool           `json:"refusal,omitempty"` // only ever the reason why a repair is refused
	Unfixed  bool           `json:"unfixed,omitempty"` // lixfix has no fix for it, and does not look for it
	Here     *Here          `json:"here,omitempty"`    // whether this host has it, where that was asked for
	Sources  []string       `json:"sources,omitempty"`
}

// KindOfRemedy is what can be done about findings of a kind. Words in capitals stand for what a finding names.
type KindOfRemedy struct {
	When    string    `json:"when,omitempty"` // in which case; "" in every case
	Class   fix.Class `json:"class"`
	Changes string    `json:"changes"`
	Command string    `json:"command,omitempty"`
	Undo    string    `json:"undo,omitempty"`
}

// Match is a message that a text shows.
type Match struct {
	Line    string `json:"line"`    // of the text
	Number  int    `json:"number"`  // of the line, from 1
	Message string `json:"message"` // as lixfix has it; "…" stands for any text
	Sure    bool   `json:"sure"`    // false where the text only looks like it
	// Kinds are what the message belongs to: several where it does not tell one from another.
	Kinds []Candidate `json:"kinds,omitempty"`
	Fixes []string    `json:"fixes,omitempty"` // whose check tells which
}

// Candidate is a kind that a message points to.
type Candidate struct {
	ID      string     `json:"id"`
	Title   string     `json:"title"`
	Status  fix.Status `json:"status"`
	Unfixed bool       `json:"unfixed,omitempty"`
	Here    *Here      `json:"here,omitempty"`
}

// Here says whether this host has what a kind is about.
type Here struct {
	Is        Presence     `json:"is"`
	Why       string       `json:"why,omitempty"`
	NeedsRoot bool         `json:"needs_root,omitempty"` // root could tell
	Finding   *fix.Finding `json:"finding,omitempty"`
}

// Presence is whether something was found.
type Presence string

// What a look came to.
const (
	Confirmed Presence = "confirmed"
	Absent    Presence = "not-confirmed"
	NotKnown  Presence = "unknown"
	NotLooked Presence = "not-looked"
)

// Rank is lower for what says more.
func (p Presence) Rank() int {
	return slices.Index([]Presence{Confirmed, NotKnown, NotLooked, Absent}, p)
}

// Explained is the documentation of a fix.
type Explained struct {
	Name     string    `json:"name"`
	Title    string    `json:"title"`
	Symptoms []string  `json:"symptoms"`
	Cause    string    `json:"cause"`
	Changes  string    `json:"changes"`
	Undo     string    `json:"undo"`
	More     []Section `json:"more,omitempty"`
	Sources  []string  `json:"sources"`
	Options  []Option  `json:"options,omitempty"`
	Kinds    []Kind    `json:"kinds,omitempty"` // of findings
}

// Section is a part of the documentation of a fix.
type Section struct {
	Heading string `json:"heading"`
	Text    string `json:"text"`
}

// Option is a flag of a fix.
type Option struct {
	Flag  string `json:"flag,omitempty"`
	Env   string `json:"env,omitempty"`
	Usage string `json:"usage"`
}

// Description is what "lixfix version" tells of the program.
type Description struct {
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Revision string `json:"revision,omitempty"`
}

// Problem is an error as the user gets to see it.
type Problem struct {
	Message string `json:"message"`
	Next    string `json:"next,omitempty"`
	Code    int    `json:"code"`              // the exit code
	Finding string `json:"finding,omitempty"` // the ID of the finding for which a plan was refused
	Typed   bool   `json:"-"`                 // Next is a command line, and nothing else
}
