package step_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/fixes/step/account"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
)

// draw makes a plan of writes that follow from each other, by doing them on a copy of the fake.
func draw(t *rapid.T, f *fake) (plan.Plan, world) {
	model := f.world()
	var writes []plan.Entry
	free := 351
	set := func(path string, a attributes, key string, to []string, isNew bool) {
		from := a[key]
		if slices.Equal(from, to) {
			return
		}
		if len(to) == 0 {
			delete(a, key)
		} else {
			a[key] = to
		}
		writes = append(writes, plan.Entry{For: "test/x", Step: account.SetAttribute{Record: path, Key: key, From: from, To: to, New: isNew}})
	}
	words := func(least int) []string {
		v := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d e"}), least, 3).Draw(t, "values")
		if len(v) == 0 {
			return nil
		}
		return v
	}
	written := map[string]bool{} // a plan writes a file once: unlike records, files are not foreseen
	for range rapid.IntRange(1, 8).Draw(t, "writes") {
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0, 1: // a move, at times back to an ID that was left a moment ago
			name := rapid.SampledFrom(slices.Sorted(maps.Keys(model.Users))).Draw(t, "user")
			if name == "root" || name == "_modeld" {
				continue
			}
			to := fmt.Sprint(free)
			if rapid.Bool().Draw(t, "low") {
				to = fmt.Sprint(rapid.IntRange(301, 306).Draw(t, "to"))
			}
			taken := false
			for _, a := range model.Users {
				taken = taken || slices.Contains(a[dscl.UniqueID], to)
			}
			if taken {
				continue
			}
			free++
			set("/Users/"+name, model.Users[name], dscl.UniqueID, []string{to}, false)
		case 2:
			name := rapid.SampledFrom([]string{"_nixbld1", "_nixbld2"}).Draw(t, "user")
			set("/Users/"+name, model.Users[name], dscl.RealName, words(0), false)
		case 3:
			set("/Groups/nixbld", model.Groups["nixbld"], rapid.SampledFrom([]string{dscl.GroupMembership, dscl.GroupMembers}).Draw(t, "list"), words(0), false)
		case 4:
			name := fmt.Sprintf("_nixbld%d", len(model.Users)+10)
			a := attributes{dscl.GeneratedUID: {"NEW-" + name}}
			model.Users[name] = a
			writes = append(writes, plan.Entry{Step: account.CreateRecord{Record: "/Users/" + name, GeneratedUID: "NEW-" + name}})
			for _, key := range []string{dscl.PrimaryGroupID, dscl.NFSHomeDirectory, dscl.RealName} {
				set("/Users/"+name, a, key, words(1), true)
			}
			set("/Users/"+name, a, dscl.UniqueID, []string{fmt.Sprint(free)}, true)
			free++
		case 5:
			name := rapid.SampledFrom([]string{"/nix/receipt.json", "/etc/nix/nix.conf"}).Draw(t, "file")
			if written[name] {
				continue
			}
			written[name] = true
			var before, after *step.FileState
			if c, ok := model.Files[name]; ok {
				before = step.NewFileState(c)
			}
			if before == nil || rapid.Bool().Draw(t, "rewrite") {
				c := platform.Content{Data: []byte(rapid.StringN(0, 20, -1).Draw(t, "text")), Mode: 0o600, UID: rapid.IntRange(0, 2).Draw(t, "uid")}
				after, model.Files[name] = step.NewFileState(c), c
			} else {
				delete(model.Files, name)
			}
			if before != nil && after != nil && before.SHA256 == after.SHA256 && before.Mode == after.Mode && before.UID == after.UID {
				continue
			}
			writes = append(writes, plan.Entry{Step: step.WriteFile{Name: name, Before: before, After: after, Why: "test"}})
		}
	}
	return framed(writes...), model
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

func same(t fataler, what string, want, got world) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatal(what+":", d)
	}
}

// storable gives a plan as a journal keeps it.
func storable(t *rapid.T, p plan.Plan) plan.Plan {
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	q, err := step.Kinds().Plan(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Attach(p.Blobs()); err != nil {
		t.Fatal(err)
	}
	return q
}

func TestPlanThenRollbackIsTheIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFake()
		initial := f.world()
		p, target := draw(t, f)
		p = storable(t, p)
		log := newMemory(p)
		if err := (plan.Driver{Host: f, Log: log}).Run(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		same(t, "after the run", target, f.world())
		verdicts, err := plan.Preview(t.Context(), f, p)
		if err != nil || len(verdicts) != len(p.Entries) {
			t.Fatal(verdicts, err)
		}
		if rapid.Bool().Draw(t, "by a plan of its own") {
			inv := storable(t, p.Inverse(log.marks))
			if err := (plan.Driver{Host: f, Log: newMemory(inv)}).Run(t.Context(), inv); err != nil {
				t.Fatal(err)
			}
		} else {
			if err := (plan.Driver{Host: f, Log: log}).Rollback(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			for i, m := range log.marks {
				if _, ok := p.Entries[i].Step.(plan.Write); ok && m != plan.Untouched && m != plan.Already {
					t.Fatal("the step", p.Entries[i].Step, "is marked", m)
				}
			}
		}
		same(t, "after it was taken back", initial, f.world())
	})
}

// TestKilledAnywhere kills lixfix at a random stage of a random write, up to three times, and each time goes on in
// one direction or the other.
func TestKilledAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFake()
		initial := f.world()
		p, target := draw(t, f)
		log := newMemory(p)
		back := false
		for kill := 0; ; kill++ {
			if kill < 3 {
				run, stage := f.runs+rapid.IntRange(1, len(p.Entries)+1).Draw(t, "at"), rapid.IntRange(0, 4).Draw(t, "stage")
				f.hook = func(n int, _ string) {
					if n == run {
						if stage == 0 {
							f.die()
						}
						stage--
					}
				}
			} else {
				f.hook = nil
			}
			back = rapid.Bool().Draw(t, "back")
			err, lived := f.live(func() error {
				d := plan.Driver{Host: f, Log: log}
				if back {
					return d.Rollback(context.Background(), storable(t, p))
				}
				return d.Run(context.Background(), storable(t, p))
			})
			if err != nil {
				t.Fatalf("back %v, kill %d: %v\nmarks %v", back, kill, err, log.marks)
			}
			if lived {
				break
			}
		}
		if back {
			same(t, "taken back", initial, f.world())
		} else {
			same(t, "finished", target, f.world())
		}
	})
}

// TestStateAgreesWithApply walks a plan forwards and back: each write is Pending before Apply and Applied after it,
// and its inverse the other way around.
func TestStateAgreesWithApply(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFake()
		p, _ := draw(t, f)
		// state compares a write and its inverse with one reading.
		state := func(w, back plan.Write, want, wantBack plan.State) {
			r := plan.NewPass(f)
			if got, why, err := w.State(t.Context(), r); err != nil || got != want {
				t.Fatalf("%v is in state %d and not %d: %s, %v", w, got, want, why, err)
			}
			if back == nil {
				return
			}
			if got, why, err := back.State(t.Context(), r); err != nil || got != wantBack {
				t.Fatalf("%v is in state %d and not %d: %s, %v", back, got, wantBack, why, err)
			}
		}
		apply := func(w plan.Write) world {
			if err := w.Apply(t.Context(), f, plan.NewPass(f)); err != nil {
				t.Fatal(err)
			}
			return f.world()
		}
		for _, e := range p.Entries {
			w, ok := e.Step.(plan.Write)
			if !ok {
				continue
			}
			before, back := f.world(), w.Inverse()
			state(w, back, plan.Pending, plan.Applied)
			after := apply(w)
			state(w, back, plan.Applied, plan.Pending)
			if back != nil {
				same(t, "after the inverse of "+w.String(), before, apply(back))
				same(t, "after "+w.String()+" once more", after, apply(w))
			}
		}
	})
}

// TestForeignIsNeverOverwritten changes one thing that the plan is going to change.
func TestForeignIsNeverOverwritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFake()
		p, _ := draw(t, f)
		var writes []plan.Write
		for _, e := range p.Entries {
			if w, ok := e.Step.(plan.Write); ok {
				writes = append(writes, w)
			}
		}
		if len(writes) == 0 {
			return
		}
		stranger := attributes{dscl.UniqueID: {"501"}, dscl.GeneratedUID: {"STRANGER"}, dscl.NFSHomeDirectory: {"/Users/x"}}
		switch w := rapid.SampledFrom(writes).Draw(t, "write").(type) {
		case account.SetAttribute:
			path, err := dscl.ParsePath(w.Record)
			if err != nil {
				t.Fatal(err)
			}
			switch m := f.kind("/" + path.Type); {
			case w.New:
				m[path.Name] = stranger
			case m[path.Name] == nil:
				return // of a user that the plan makes
			case rapid.Bool().Draw(t, "gone"):
				delete(m, path.Name)
			default:
				m[path.Name][w.Key] = []string{"77777"}
			}
		case account.CreateRecord:
			path, err := dscl.ParsePath(w.Record)
			if err != nil {
				t.Fatal(err)
			}
			f.users[path.Name] = stranger
			if rapid.Bool().Draw(t, "as an alias") {
				delete(f.users, path.Name)
				stranger[dscl.RecordName] = []string{"person", path.Name}
				f.users["person"] = stranger
			}
		case step.WriteFile:
			f.files[w.Name] = platform.Content{Data: []byte("by somebody else"), Mode: 0o644}
		}
		before := f.world()
		log := newMemory(p)
		err := plan.Driver{Host: f, Log: log}.Run(t.Context(), p)
		if !errors.Is(err, plan.ErrConflict) {
			t.Fatalf("got %v", err)
		}
		same(t, "after the conflict", before, f.world())
		// Nor is anything of it "taken back".
		if err := (plan.Driver{Host: f, Log: log}).Rollback(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		same(t, "after the rollback", before, f.world())
	})
}
