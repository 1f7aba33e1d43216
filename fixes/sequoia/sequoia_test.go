package sequoia_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/fixtest"
	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/sequoia"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dscl"
	"github.com/lixfix/lixfix/platform/platformtest"
	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(800) // as in cmd/lixfix
	code := m.Run()
	platformtest.Clean()
	os.Exit(code)
}

// settings are what "--move-existing-users" gives.
func settings(move bool) fix.Settings {
	if !move {
		return nil
	}
	return fix.Settings{"move-existing-users": {Value: "true", Source: "flag"}}
}

func makePlan(t *testing.T, h platform.Host, s fix.Settings) (plan.Plan, error) {
	t.Helper()
	p, err := sequoia.New().Plan(t.Context(), h, fix.Request{
		Settings: s, Random: rand.Reader,
		Allowed: func(string, fix.Class) bool { return true },
	})
	p.Schema, p.Fix, p.ID = plan.Schema, "sequoia", "20260101-000000-sequoia-0000"
	p.Host = h.Facts()
	return p, err
}

// apply runs a plan as the program does, with a journal.
func apply(t *testing.T, h platform.Host, p plan.Plan) error {
	t.Helper()
	d, err := journal.Lock(filepath.Join(t.TempDir(), "lixfix"), step.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	j, err := d.Create(p, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	return plan.Driver{Host: h, Log: j}.Run(context.Background(), p)
}

func detect(t *testing.T, h platform.Host) []fix.Finding {
	t.Helper()
	f, err := sequoia.New().Detect(t.Context(), h, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func describe(findings []fix.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		b.WriteString(string(f.Status) + " " + f.ID + ": " + f.Summary + "\n")
		for _, e := range f.Evidence {
			b.WriteString("    " + e.Source + ": expected " + e.Expected + ", observed " + e.Observed + "\n")
		}
	}
	return b.String()
}

// gap is a parameter of words that nothing was put in for.
var gap = regexp.MustCompile(`\{[a-z_]+\}`)

// hosts are Macs that no variant is, with the finding that each shows. lixfix mends none of them.
func hosts() map[string]mac.Variant {
	variant := func(name string) mac.Variant {
		all := mac.Variants(8)
		return all[slices.IndexFunc(all, func(v mac.Variant) bool { return v.Name == name })]
	}
	with := func(name string, and func(*mac.Mac) error) mac.Variant {
		v := variant("healthy-script")
		seed := v.Seed
		v.Name = name
		v.Seed = func(m *mac.Mac) error {
			if err := seed(m); err != nil {
				return err
			}
			return and(m)
		}
		return v
	}
	return map[string]mac.Variant{
		"sequoia/nix-conf-unreadable": with("conf-damaged", func(m *mac.Mac) error {
			return m.WriteFile("/etc/nix/nix.conf", "build-users-group\n")
		}),
		"sequoia/daemon-not-known": with("launchctl-mute", func(m *mac.Mac) error {
			return m.Config(func(c *mac.Config) {
				c.Faults = append(c.Faults, mac.Fault{Tool: "launchctl", Times: -1, Fail: true, Exit: 1})
			})
		}),
		"sequoia/strangers-in-group": with("strangers", func(m *mac.Mac) error {
			g, err := m.Group("nixbld")
			if err != nil {
				return err
			}
			return m.SetGroup("nixbld", "GroupMembership", append(g["GroupMembership"], "_nixold")...)
		}),
	}
}

// TestKnownMacs detects and repairs every state of a host that is known.
func TestKnownMacs(t *testing.T) {
	witness := fixtest.NewWitness(sequoia.New())
	t.Run("states", func(t *testing.T) {
		for _, v := range mac.Variants(8) {
			t.Run(v.Name, func(t *testing.T) {
				t.Parallel()
				variant(t, v, witness)
			})
		}
		for id, v := range hosts() {
			t.Run(v.Name, func(t *testing.T) {
				t.Parallel()
				h := hostOf(t, v)
				found := detect(t, h)
				witness.Saw(t, v.Name, found)
				if len(found) == 0 || found[0].ID != id {
					t.Errorf("want %s, got:\n%s", id, describe(found))
				}
				p, err := makePlan(t, h, nil)
				if id == "sequoia/daemon-not-known" && err == nil {
					t.Error("a plan was made, and nobody knows of the daemon")
				}
				for _, e := range p.Entries {
					if e.For == id {
						t.Errorf("%v is to mend what lixfix does not mend", e.Step)
					}
				}
			})
		}
	})
	witness.Testify(t, "variants")
}

// TestHealthyMac: there is one thing to say of a Mac that is well.
func TestHealthyMac(t *testing.T) {
	for _, v := range mac.Variants(8) {
		if v.Name != "healthy" && v.Name != "healthy-script" {
			continue
		}
		found := detect(t, hostOf(t, v))
		if len(found) != 1 || found[0].ID != "sequoia/healthy" || found[0].Status != fix.OK {
			t.Errorf("%s:\n%s", v.Name, describe(found))
		}
	}
}

func hostOf(t *testing.T, v mac.Variant) platform.Host {
	t.Helper()
	root := t.TempDir()
	m, err := platformtest.Mac(root, mac.Options{Version: v.Version})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Seed(m); err != nil {
		t.Fatal(err)
	}
	return platform.NewMemo(platformtest.Inside(root, 0))
}

// variant looks at a state, repairs it unless that is to be refused, and looks again.
func variant(t *testing.T, v mac.Variant, witness *fixtest.Witness) {
	h := hostOf(t, v)
	before := detect(t, h)
	witness.Saw(t, v.Name, before)
	status := fix.Worst(before)
	// Membership services of macOS go by the GUIDs, so a list that lacks a user's is mended as well.
	broken := v.Want.Broken || v.Name == "stale-guids"
	if v.Want.NotApplicable && (status == fix.Broken || status == fix.Unknown) || broken != (status == fix.Broken) {
		t.Errorf("want broken %v, not applicable %v (%s), got:\n%s", broken, v.Want.NotApplicable, v.Doc, describe(before))
	}
	if low := slices.ContainsFunc(before, func(f fix.Finding) bool { return f.ID == "sequoia/uids-at-risk" }); v.Want.AtRisk && !low && !v.Want.Broken {
		t.Errorf("users at risk: got:\n%s", describe(before))
	}
	for _, asked := range []bool{false, true} {
		p, err := makePlan(t, h, settings(asked))
		var refusal *fix.Refusal
		switch {
		case errors.As(err, &refusal):
			witness.Refused(v.Name, refusal.ID)
			if v.Want.Repairable {
				t.Fatalf("refused: %v", err)
			}
			if gap.MatchString(refusal.Reason+refusal.Next) || refusal.Next == "" {
				t.Errorf("the refusal %q, %q has a gap", refusal.Reason, refusal.Next)
			}
			return
		case err != nil:
			t.Fatal(err)
		}
		if !asked && !broken && !v.Want.Untidy && !p.Empty() {
			if len(p.Entries) != 1 || p.Entries[0].Step.Kind() != "write-file" {
				t.Errorf("nothing is broken, and the plan has %d steps", len(p.Entries))
			}
		}
		err = apply(t, h, p)
		if dscl.Refused(err) && !v.Want.Repairable {
			return
		}
		if err != nil {
			t.Fatalf("apply: %v", err)
		}
	}
	if !v.Want.Repairable {
		return
	}
	after := detect(t, h)
	for _, f := range after {
		if f.Status == fix.Broken || f.Status == fix.AtRisk && f.ID != "sequoia/receipt-unreadable" {
			t.Errorf("after the repair:\n%s", describe(after))
		}
	}
}

// The receipt names the group of the build users, and nix.conf names none: the daemon looks for its default, which is not
// there.
func TestNoGroupInConf(t *testing.T) {
	all := mac.Variants(8)
	v := all[slices.IndexFunc(all, func(v mac.Variant) bool { return v.Name == "renamed" })]
	seed := v.Seed
	v.Seed = func(m *mac.Mac) error {
		if err := seed(m); err != nil {
			return err
		}
		return m.WriteFile("/etc/nix/nix.conf", "max-jobs = 4\n")
	}
	found := detect(t, hostOf(t, v))
	i := slices.IndexFunc(found, func(f fix.Finding) bool { return f.ID == "sequoia/nix-conf-group" })
	if i < 0 {
		t.Fatalf("all that is found:\n%s", describe(found))
	}
	const want = "nix.conf names no build group, so builds run as members of nixbld, which does not exist"
	if found[i].Summary != want || found[i].Remedy == nil || !strings.Contains(found[i].Remedy.Changes, "builders") {
		t.Errorf("%+v, remedy %+v", found[i], found[i].Remedy)
	}
}

// TestEvict types what lixfix advises where others are in the build group, and looks again.
func TestEvict(t *testing.T) {
	person := func(m *mac.Mac, name, gid string) error {
		return m.AddUser(name, map[string][]string{
			"UniqueID": {"777"}, "PrimaryGroupID": {gid}, "NFSHomeDirectory": {"/Users/" + name}, "UserShell": {"/bin/zsh"},
			"GeneratedUID": {"11111111-2222-4333-8444-555555555555"},
		})
	}
	add := func(m *mac.Mac, key string, values ...string) error {
		g, err := m.Group("nixbld")
		if err != nil {
			return err
		}
		return m.SetGroup("nixbld", key, append(g[key], values...)...)
	}
	const guid = "11111111-2222-4333-8444-555555555555"
	carol := func(gid, key string, values ...string) func(*mac.Mac) error {
		return func(m *mac.Mac) error { return errors.Join(person(m, "carol o'c", gid), add(m, key, values...)) }
	}
	const others, gone = "sequoia/group-not-of-nix", "sequoia/strangers-in-group"
	for name, c := range map[string]struct {
		id   string
		spot func(*mac.Mac) error
	}{
		"by name":                      {others, carol("20", "GroupMembership", "carol o'c")},
		"by name, twice":               {others, carol("20", "GroupMembership", "carol o'c", "carol o'c")},
		"by GUID":                      {others, carol("20", "GroupMembers", guid)},
		"by name, and it is their own": {others, carol("30000", "GroupMembership", "carol o'c")},
		"by GUID, and it is their own": {others, carol("30000", "GroupMembers", guid)},
		"it is their own":              {others, func(m *mac.Mac) error { return person(m, "carol", "30000") }},
		"a group":                      {others, func(m *mac.Mac) error { return add(m, "NestedGroups", "ABCDEFAB-CDEF-ABCD-EFAB-CDEF00000014") }},
		"who is not here":              {gone, func(m *mac.Mac) error { return add(m, "GroupMembership", "_nixold", "old 2") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := mac.Variants(8)
			v := all[slices.IndexFunc(all, func(v mac.Variant) bool { return v.Name == "healthy-script" })]
			root := t.TempDir()
			m, err := platformtest.Mac(root, mac.Options{Version: v.Version})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(v.Seed(m), c.spot(m)); err != nil {
				t.Fatal(err)
			}
			found := detect(t, platformtest.Inside(root, 0))
			i := slices.IndexFunc(found, func(f fix.Finding) bool { return f.ID == c.id })
			if i < 0 || found[i].Remedy == nil || found[i].Remedy.Class != fix.Advice {
				t.Fatalf("no %s with advice:\n%s", c.id, describe(found))
			}
			var refusal *fix.Refusal
			command := found[i].Remedy.Command
			if _, err := makePlan(t, platformtest.Inside(root, 0), nil); c.id == others &&
				(!errors.As(err, &refusal) || !strings.Contains(refusal.Next, command)) {
				t.Errorf("the refusal does not say %q: %v, %+v", command, err, refusal)
			}
			typed := exec.CommandContext(t.Context(), "sh", "-ec", `sudo() { "$@"; }; dscl() { `+m.Path("/usr/bin/dscl")+` "$@"; }; `+command)
			if out, err := typed.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", command, err, out)
			}
			found = detect(t, platformtest.Inside(root, 0))
			if len(found) != 1 || found[0].ID != "sequoia/healthy" {
				t.Errorf("after %s:\n%s", command, describe(found))
			}
		})
	}
}
