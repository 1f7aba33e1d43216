package fixtest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/fixtest"
	"github.com/lixfix/lixfix/fixes/fixtest/netrc"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
)

// wrong is the example with one thing the matter.
type wrong struct {
	fix.Fix
	find  func([]fix.Finding)
	plan  func(*plan.Plan)
	kinds []*fix.Kind
}

func (w wrong) Kinds() []*fix.Kind {
	return append(w.Fix.Kinds(), w.kinds...)
}

func (w wrong) Detect(ctx context.Context, v platform.View, s fix.Settings) ([]fix.Finding, error) {
	found, err := w.Fix.Detect(ctx, v, s)
	if w.find != nil {
		w.find(found)
	}
	return found, err
}

func (w wrong) Plan(ctx context.Context, v platform.View, r fix.Request) (plan.Plan, error) {
	p, err := w.Fix.Plan(ctx, v, r)
	if w.plan != nil {
		w.plan(&p)
	}
	return p, err
}

var wrongs = map[string]struct {
	fix  wrong
	says string
}{
	"nothing":                {says: ""},
	"a finding without kind": {wrong{find: func(f []fix.Finding) { f[0].ID = "netrc/odd" }}, "is no kind of netrc"},
	"another status":         {wrong{find: func(f []fix.Finding) { f[0].Status = fix.Broken }}, "is not one of its kind's"},
	"words without values":   {wrong{find: func(f []fix.Finding) { f[0].Summary = "{mode} is wrong" }}, "nothing stands for {mode}"},
	"a remedy of its own": {wrong{find: func(f []fix.Finding) {
		f[0].Remedy = &fix.Remedy{Class: fix.Risky, Changes: "x", Undo: "x", Command: "x"}
	}}, "the class risky"},
	"a kind that nobody finds": {wrong{kinds: []*fix.Kind{{ID: "netrc/never", Status: fix.Broken, Title: "x", Means: "x"}}}, "no case finds netrc/never"},
	"a repair that mends nothing": {wrong{plan: func(p *plan.Plan) {
		for i, e := range p.Entries {
			s := e.Step.(step.SetMode)
			s.To = s.From | 0o111
			p.Entries[i].Step = s
		}
	}}, "plans/run.txtar"},
	"a step for nothing": {wrong{plan: func(p *plan.Plan) {
		for i := range p.Entries {
			p.Entries[i].For = ""
		}
	}}, "is no kind of finding"},
}

// TestRunNotices: Run fails for whatever is wrong with a fix, and says what. It is this test program, run once more.
func TestRunNotices(t *testing.T) {
	if name := os.Getenv("FIXTEST_WRONG"); name != "" {
		w := wrongs[name].fix
		w.Fix = netrc.New()
		mode := func(text string) func(testing.TB) *fixtest.Host {
			return func(t testing.TB) *fixtest.Host {
				return fixtest.Txtar(t, "mode "+text+" /etc/nix/netrc\n-- etc/nix/netrc --\nx\n")
			}
		}
		fixtest.Run(t, w, []fixtest.Case{
			{Name: "well", Make: mode("0600"), Finds: []string{"netrc/private"}},
			{Name: "everybody can read it", Make: mode("0644"), Finds: []string{"netrc/readable"}, Repaired: []string{"netrc/private"}},
		})
		return
	}
	for name, w := range wrongs {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRunNotices$", "-test.count=1")
			cmd.Env = append(os.Environ(), "FIXTEST_WRONG="+name)
			out, err := cmd.CombinedOutput()
			if (err == nil) != (w.says == "") || !strings.Contains(string(out), w.says) {
				t.Errorf("%v, want it to say %q:\n%s", err, w.says, out)
			}
		})
	}
}
