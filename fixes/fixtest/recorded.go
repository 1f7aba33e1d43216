package fixtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/record"
	"github.com/lixfix/lixfix/platform/redact"
)

// Recorded records a host, takes names and secrets out, writes and reads the archive, and fails where the fix says
// anything else of the record than of the host: other findings, statuses or classes, or another plan. It returns how many
// findings and steps it has compared.
func Recorded(t testing.TB, f fix.Fix, v platform.View, s fix.Settings) (findings, steps int) {
	t.Helper()
	rec := record.New(v)
	// What a plan asks is asked of the same moment.
	found, live := opinion(t.Context(), f, rec.Watch(f.Name(), v), rec.Again(f.Name(), v), s)
	red := redact.NewRecorder(false)
	clean, err := rec.Clean(red, "")
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := clean.Write(&file); err != nil {
		t.Fatal(err)
	}
	read, err := record.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	host, planned := read.View(f.Name()), read.View(f.Name())
	said := fix.Settings{}
	for name, one := range s {
		said[name] = fix.Setting{Value: red.Text(one.Value), Source: one.Source}
	}
	again, replayed := opinion(t.Context(), f, host, planned, said)
	for _, q := range append(host.Missing(), planned.Missing()...) {
		t.Errorf("recorded: %s: not in the record", q)
	}
	// The numbers that plans choose are pseudonyms in both.
	for _, all := range [][]string{live, replayed} {
		for i := range all {
			all[i] = red.Text(all[i])
		}
	}
	if diff := cmp.Diff(found, again); diff != "" {
		t.Errorf("recorded: findings (-host +record):\n%s", diff)
	}
	if diff := cmp.Diff(live, replayed); diff != "" {
		t.Errorf("recorded: plan (-host +record):\n%s", diff)
	}
	return len(found), len(live)
}

// opinion is what a fix says of a host, and what it would do.
func opinion(ctx context.Context, f fix.Fix, v, w platform.View, s fix.Settings) (findings, steps []string) {
	found, err := look(ctx, f, v, s)
	if err != nil {
		findings = append(findings, "error")
	}
	for _, one := range found {
		line := fmt.Sprint(one.ID, " ", one.Status)
		if one.Remedy != nil {
			line += " " + string(one.Remedy.Class)
		}
		findings = append(findings, line)
	}
	p, err := f.Plan(ctx, w, fix.Request{
		Settings: s, Random: rand.NewChaCha8([32]byte{}),
		Allowed: func(_ string, c fix.Class) bool { return c == fix.Safe || c == fix.Risky },
	})
	if err == nil {
		err = plan.Guarded(ctx, w, p.Steps()...)
	}
	if refusal, ok := errors.AsType[*fix.Refusal](err); ok {
		return findings, []string{"refused for " + refusal.ID}
	}
	if err != nil {
		return findings, []string{"error"}
	}
	for _, e := range p.Entries {
		steps = append(steps, e.Step.Kind()+": "+e.Step.String()+" for "+e.For)
	}
	return findings, steps
}

func look(ctx context.Context, f fix.Fix, v platform.View, s fix.Settings) ([]fix.Finding, error) {
	if d, ok := f.(fix.Drawer); ok {
		p, err := d.Draw(ctx, v, s)
		return p.Findings, err
	}
	return f.Detect(ctx, v, s)
}
