package fixtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
)

var update = flag.Bool("update", false, "write what is seen into the golden files")

// Case is a host and what a fix is to say of it.
type Case struct {
	// Name is a state of the real world: "the first server is dead".
	Name string
	// Make makes the host; it is called often, and makes the same each time.
	Make     func(t testing.TB) *Host
	Settings fix.Settings
	// Finds are the IDs of what is found, in any order.
	Finds []string
	// Refuses is the ID of the finding for which a plan is refused; "" where it is not.
	Refuses string
	// Repaired are the IDs of what is found after a repair that does all it may; nil where there is nothing to repair.
	Repaired []string
	// Then looks at the host after the repair; nil where Repaired says enough.
	Then func(testing.TB, *Host)
	// Remembered is a file of the host that stands for what a process has read: a repair that lost the journal of the one
	// before cannot know that it is old. "" for none.
	Remembered string
}

// Run puts a fix through the cases. For each it
//
//   - looks, and holds every finding against the table of kinds;
//   - records the host, and holds what it says of the record against that;
//   - plans, and compares the steps with testdata/plans/run.txtar (-update writes it);
//   - repairs, looks, takes it back, and compares the host with what it was, byte for byte;
//   - kills lixfix before, within and after each write, and then resumes, takes back, takes back with another kill, and
//     repairs anew with the journal lost.
//
// A kind of finding that no case shows fails, unless it is named in elsewhere. testdata/kinds/run.txt says which case
// shows which (-update writes it).
func Run(t *testing.T, f fix.Fix, cases []Case, elsewhere ...string) {
	t.Helper()
	for _, err := range fix.Validate(f.Name(), f.Kinds()) {
		t.Error(err)
	}
	seen, witness, plans := map[string]bool{}, NewWitness(f), NewPlans("run")
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			h := c.Make(t)
			found := c.look(t, f, h, c.Finds)
			Recorded(t, f, h, c.Settings)
			witness.Saw(t, c.Name, found)
			for _, one := range found {
				seen[one.ID] = true
			}
			if c.Refuses != "" {
				witness.Refused(c.Name, c.Refuses)
			}
			c.carryOut(t, f, h, plans)
		})
	}
	witness.Testify(t, "run")
	plans.Testify(t)
	if t.Failed() || filtered() {
		return
	}
	for _, k := range f.Kinds() {
		switch is := seen[k.ID] || k.Refusal; {
		case !is && !slices.Contains(elsewhere, k.ID):
			t.Errorf("no case finds %s", k.ID)
		case is && slices.Contains(elsewhere, k.ID):
			t.Errorf("%s is found here, and was said to be found elsewhere", k.ID)
		}
	}
}

// Repair does to one host what Run does after it has looked, for tests that look for themselves.
func (c Case) Repair(t *testing.T, f fix.Fix, plans *Plans) {
	t.Helper()
	c.carryOut(t, f, c.Make(t), plans)
}

func (c Case) carryOut(t *testing.T, f fix.Fix, h *Host, plans *Plans) {
	t.Helper()
	if c.plan(t, f, h, plans) && !t.Failed() {
		c.repair(t, f)
		c.kill(t, f)
	}
}

// filtered reports whether -run leaves cases out.
func filtered() bool {
	f := flag.Lookup("test.run")
	return f != nil && strings.Contains(f.Value.String(), "/")
}

// look holds what a fix finds against what it is to find, and each finding against its kind.
func (c Case) look(t *testing.T, f fix.Fix, h *Host, want []string) []fix.Finding {
	t.Helper()
	found, err := f.Detect(t.Context(), h, c.Settings)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, one := range found {
		ids = append(ids, one.ID)
	}
	slices.Sort(ids)
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), ids); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	data, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	var back []fix.Finding
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(found, back); diff != "" {
		t.Errorf("findings (-made +read from JSON):\n%s", diff)
	}
	return found
}

var unfilled = regexp.MustCompile(`\{[a-z][a-z0-9_]*\}`)

// Problems says what in a finding does not agree with the table of its fix.
func Problems(f fix.Fix, found fix.Finding) []error {
	k := fix.KindOf(f, found.ID)
	if k == nil {
		return []error{errors.New(found.ID + " is found, and is no kind of " + f.Name())}
	}
	var wrong []error
	bad := func(what string) { wrong = append(wrong, errors.New(found.ID+": "+what)) }
	if found.Status != k.Status && !slices.Contains(k.Also, found.Status) {
		bad("the status " + string(found.Status) + " is not one of its kind's")
	}
	texts := []string{found.Summary, found.Reason}
	if r := found.Remedy; r != nil {
		if !slices.Contains(k.Classes(), r.Class) {
			bad("the class " + string(r.Class) + " of its remedy is not one of its kind's")
		}
		if (r.Class == fix.Safe || r.Class == fix.Risky) && (r.Undo == "" || r.Command == "") {
			bad("does not say how its remedy is done and undone")
		}
		texts = append(texts, r.Changes, r.Command, r.Undo)
	}
	for _, text := range texts {
		if m := unfilled.FindString(text); m != "" {
			bad("nothing stands for " + m + " in " + text)
		}
		if strings.HasSuffix(text, ".") {
			bad("ends in a full stop: " + text)
		}
	}
	for _, e := range found.Evidence {
		if m := unfilled.FindString(e.Source + " " + e.Expected + " " + e.Observed); m != "" {
			bad("nothing stands for " + m + " in its evidence from " + e.Source)
		}
	}
	if found.Summary == "" {
		bad("has no summary")
	}
	if k.Refusal {
		bad("is only ever the reason of a refusal")
	}
	return wrong
}

// anything allows every remedy that lixfix does.
func anything(_ string, c fix.Class) bool { return c == fix.Safe || c == fix.Risky }

func (c Case) planned(t *testing.T, f fix.Fix, v platform.View) (plan.Plan, error) {
	t.Helper()
	p, err := f.Plan(t.Context(), v, fix.Request{Settings: c.Settings, Allowed: anything, Random: zeroes{}})
	p.Schema, p.Fix, p.Version, p.Host = plan.Schema, f.Name(), "0", v.Facts()
	p.Made = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p.ID = journal.NewID(time.Now(), f.Name(), [2]byte{byte(rand.Uint32()), byte(rand.Uint32())})
	return p, err
}

// zeroes is a source of the same identifiers each time.
type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// plan reports whether there is something to do.
func (c Case) plan(t *testing.T, f fix.Fix, h *Host, plans *Plans) bool {
	t.Helper()
	before := h.Snapshot()
	p, err := c.planned(t, f, h)
	if diff := cmp.Diff(before, h.Snapshot()); diff != "" {
		t.Errorf("planning changed the host:\n%s", diff)
	}
	if c.Refuses != "" {
		if r, ok := errors.AsType[*fix.Refusal](err); !ok || r.ID != c.Refuses {
			t.Errorf("the plan: %v, want it to be refused for %s", err, c.Refuses)
		}
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	if c.Repaired == nil {
		if !p.Empty() {
			t.Errorf("the plan has %d steps, and there is nothing to repair: %v", len(p.Entries), p.Entries[0].Step)
		}
		return false
	}
	var b bytes.Buffer
	for _, e := range p.Entries {
		if fix.KindOf(f, e.For) == nil {
			t.Errorf("the step %q is for %q, which is no kind of finding", e.Step, e.For)
		}
		b.WriteString(e.For + ": " + e.Step.String() + "\n")
	}
	for _, n := range p.Notes {
		b.WriteString("note: " + n + "\n")
	}
	plans.saw(c.Name, strings.ReplaceAll(b.String(), h.Root, ""))
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	back, err := step.Kinds().Plan(data)
	if err != nil {
		t.Fatalf("the plan cannot be read again: %v", err)
	}
	again, err := json.Marshal(back)
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("the plan is read as another one (%v):\n%s\n%s", err, data, again)
	}
	return !p.Empty()
}

// repair does the plan, looks, and takes it back.
func (c Case) repair(t *testing.T, f fix.Fix) {
	t.Helper()
	h := c.Make(t)
	before := h.Snapshot()
	c.drive(t, f, &mortal{Host: h}, forwards)
	c.look(t, f, h, c.Repaired)
	if c.Then != nil {
		c.Then(t, h)
	}
	p, err := c.planned(t, f, h)
	if err != nil || !p.Empty() {
		t.Errorf("after the repair there is still something to do: %v, %v", p.Entries, err)
	}
	c.drive(t, f, &mortal{Host: h}, undoing)
	if diff := cmp.Diff(before, h.Snapshot()); diff != "" {
		t.Errorf("undo leaves another host (-before +after):\n%s", diff)
	}
	c.look(t, f, h, c.Finds)
}
