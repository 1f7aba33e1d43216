package stuck_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fixtest"
	"github.com/lixfix/lixfix/fixes/stuck/diagnose"
	"github.com/lixfix/lixfix/fixes/stuck/draw"
	"github.com/lixfix/lixfix/fixes/stuck/observe"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck"
	"github.com/lixfix/lixfix/fixes/stuck/stucktest"
	"github.com/lixfix/lixfix/platform"
)

// TestPairedByUnit has a worker that does not name its client, and sockets that cannot be read: the name of its unit
// makes the client likely. An ended client is not taken for proven by it.
func TestPairedByUnit(t *testing.T) {
	const worker = "9841"
	for _, instance := range []string{"12-9839-1000", "12-9839_4711-1000", "12-4-1000"} {
		m := stucktest.Load(t, "testdata/captures/lix-2.93.4/s14-daemon-without-arguments", nil, nil)
		m.SetSockets(func(context.Context) ([]platform.Socket, error) { return nil, errors.New("not allowed") })
		group := "0::/system.slice/system-nix\\x2ddaemon.slice/nix-daemon@" + instance + ".service\n"
		if err := os.WriteFile(filepath.Join(m.Root, "proc", worker, "cgroup"), []byte(group), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := stuck.Look(t.Context(), m, observe.Options{Gap: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		w := r.Process("process:" + worker)
		if instance == "12-4-1000" {
			for _, d := range r.Diagnoses {
				if d.ID == "stuck/worker-orphaned" {
					t.Errorf("%s: %s", instance, d.Sentence)
				}
			}
			continue
		}
		if w == nil || w.Client != 9839 || w.Pairing != diagnose.Likely {
			t.Errorf("%s: %+v", instance, w)
		}
		if d := r.Diagnoses[0]; d.Subject != "process:9839" || d.Certainty != diagnose.Likely || !strings.Contains(strings.Join(draw.Tree(r, d), "\n"), "└┄ worker") {
			t.Errorf("%s: %+v\n%s", instance, d, strings.Join(draw.Tree(r, d), "\n"))
		}
	}
}

type expected struct {
	subject int
	id      string
	status  fix.Status
}

// TestReplay recognises what real Lix and CppNix looked like.
func TestReplay(t *testing.T) {
	tests := []struct {
		scene string
		wakes map[string]int
		// states that are injected in place of those in the capture
		states map[string]string
		want   []expected
	}{
		{scene: "lix-2.95.3/s1-one-build", want: []expected{{3507, "builder-silent", fix.AtRisk}}},
		{scene: "lix-2.95.3/s2-second-client-same-output", want: []expected{{3507, "builder-silent", fix.AtRisk}, {3774, "waits-for-output-lock", fix.OK}}},
		{scene: "lix-2.95.3/s5-client-sigstop", want: []expected{{5633, "client-stopped", fix.Broken}}},
		{scene: "lix-2.95.3/s7b-new-daemon-waits-on-old-worker", want: []expected{
			{6118, "builder-silent", fix.AtRisk}, {6362, "waits-for-output-lock", fix.OK}, {6121, "worker-without-listener", fix.OK},
		}},
		{scene: "lix-2.95.3/s8-five-builds-four-users", want: []expected{{6827, "no-free-build-user", fix.OK}, {6739, "builder-silent", fix.AtRisk}}},
		{scene: "lix-2.95.3/s9-fod-build", want: []expected{{7679, "builder-silent", fix.AtRisk}}},
		{scene: "lix-2.95.3/s10-gc-lock-held-by-flock", wakes: map[string]int{"8399": 8}, want: []expected{
			{8374, "foreign-lock-holder", fix.Broken},
			{8385, "foreign-lock-holder", fix.Broken},
			{8403, "foreign-lock-holder", fix.Broken},
			{8396, "foreign-lock-holder", fix.Broken},
		}},
		{scene: "lix-2.95.3/s11-big-lock-held-by-flock", want: []expected{{9197, "foreign-lock-holder", fix.Broken}, {9203, "foreign-lock-holder", fix.Broken}}},
		{scene: "lix-2.95.3/s12-sqlite-write-locked", wakes: map[string]int{"9505": 8}, want: []expected{{9502, "sqlite-busy", fix.AtRisk}}},
		{scene: "lix-2.95.3/s13-gc-stopped-holding-lock", want: []expected{{9828, "gc-stopped", fix.Broken}, {9840, "gc-stopped", fix.Broken}, {9763, "gc-stopped", fix.Broken}}},
		// The same collection at work again: its state is injected.
		{scene: "lix-2.95.3/s13-gc-stopped-holding-lock", states: map[string]string{"9763": "S"}, want: []expected{
			{9828, "waits-for-gc", fix.OK}, {9840, "waits-for-gc-silent", fix.OK}, {9763, "collecting-garbage", fix.OK},
		}},
		{scene: "lix-2.95.3/s14-daemon-without-arguments", want: []expected{{10503, "builder-silent", fix.AtRisk}}},
		{scene: "lix-2.95.3/s16-nix-build-new-cli-waits", want: []expected{{11100, "waits-for-output-lock", fix.OK}}},
		{scene: "lix-2.95.3/s18-profile-lock-held-by-flock", want: []expected{{13686, "foreign-lock-holder", fix.Broken}}},
		{scene: "lix-2.95.3/s19-socket-activated", want: []expected{{13842, "builder-silent", fix.AtRisk}}},
		{scene: "lix-2.95.3/s20-pasta-died-build-waits", want: []expected{
			{11880, "sandbox-network", fix.Broken}, {11885, "sandbox-network", fix.Broken}, {11886, "sandbox-network", fix.Broken},
		}},
		{scene: "lix-2.95.3/t-builder-sigstop-four-waiters", want: []expected{
			{66, "builder-stopped", fix.Broken},
			{90, "builder-stopped", fix.Broken},
			{93, "builder-stopped", fix.Broken},
			{96, "builder-stopped", fix.Broken},
			{99, "builder-stopped", fix.Broken},
		}},
		{scene: "lix-2.95.3/t-client-full-pipe-less", want: []expected{{76, "output-not-read", fix.AtRisk}}},
		// When this was captured, the client was running again: its state is injected.
		{scene: "lix-2.95.3/t-client-stopped", states: map[string]string{"66": "T"}, want: []expected{
			{66, "client-stopped", fix.Broken}, {88, "client-stopped", fix.Broken},
		}},
		{scene: "lix-2.95.3/t-diff-hook", want: []expected{{80, "diff-hook", fix.AtRisk}}},
		{scene: "lix-2.95.3/t-flock-foreign", want: []expected{{74, "foreign-lock-holder", fix.Broken}}},
		{scene: "lix-2.95.3/t-flock-ring", want: []expected{{72, "deadlock-cycle", fix.Broken}, {76, "deadlock-cycle", fix.Broken}}},
		{scene: "lix-2.95.3/t-foreign-output-lock", want: []expected{{85, "foreign-lock-holder", fix.Broken}}},
		{scene: "lix-2.95.3/t-pasta-hangs-at-start", want: []expected{{69, "sandbox-network", fix.Broken}}},
		{scene: "lix-2.95.3/t-pre-build-hook", want: []expected{{66, "pre-build-hook", fix.AtRisk}}},
		{scene: "lix-2.93.4/s1-one-build", want: []expected{{2994, "builder-silent", fix.AtRisk}}},
		{scene: "lix-2.93.4/s2-second-client-same-output", want: []expected{{3260, "waits-for-output-lock", fix.OK}}},
		{scene: "lix-2.93.4/s10-gc-lock-held-by-flock", wakes: map[string]int{"7905": 8}, want: []expected{
			{7885, "foreign-lock-holder", fix.Broken}, {7903, "foreign-lock-holder", fix.Broken},
		}},
		{scene: "lix-2.93.4/s11-big-lock-held-by-flock", want: []expected{{8661, "foreign-lock-holder", fix.Broken}}},
		{scene: "lix-2.93.4/s12-sqlite-write-locked", wakes: map[string]int{"8950": 8}, want: []expected{{8948, "sqlite-busy", fix.AtRisk}}},
		{scene: "lix-2.93.4/s13-gc-stopped-holding-lock", wakes: map[string]int{"9235": 8, "9227": 8}, want: []expected{
			{9225, "sqlite-busy", fix.Broken}, {9233, "sqlite-busy", fix.Broken},
		}},
		{scene: "lix-2.93.4/s14-daemon-without-arguments", want: []expected{{9839, "builder-silent", fix.AtRisk}}},
		{scene: "lix-2.93.4/s5-client-sigstop", want: []expected{{5113, "client-stopped", fix.Broken}}},
		{scene: "lix-2.93.4/s6-killed-worker-10s", want: []expected{{5128, "build-user-leaked", fix.Broken}}},
		{scene: "lix-2.93.4/s7b-new-daemon-waits-on-old-worker", want: []expected{
			{5931, "waits-for-output-lock", fix.OK}, {5690, "worker-without-listener", fix.OK},
		}},
		{scene: "lix-2.93.4/s8-five-builds-four-users", want: []expected{{6388, "no-free-build-user", fix.OK}}},
		{scene: "lix-2.93.4/s18-profile-lock-held-by-flock", want: []expected{{10997, "foreign-lock-holder", fix.Broken}}},
		{scene: "nix-2.34.8/s1-one-build", want: []expected{{81, "builder-silent", fix.AtRisk}}},
		{scene: "nix-2.34.8/s2-second-client-same-output", want: []expected{{333, "waits-for-output-lock", fix.OK}}},
		{scene: "nix-2.34.8/s5-client-sigstop", want: []expected{{2062, "client-stopped", fix.Broken}}},
		{scene: "nix-2.34.8/s7b-new-daemon-waits-on-old-worker", want: []expected{
			{2761, "waits-for-output-lock", fix.OK}, {2533, "worker-without-listener", fix.OK},
		}},
		{scene: "nix-2.34.8/s8-five-builds-four-users", want: []expected{{3183, "no-free-build-user", fix.OK}}},
		{scene: "nix-2.34.8/s10-gc-lock-held-by-flock", wakes: map[string]int{"4441": 8}, want: []expected{
			{4422, "foreign-lock-holder", fix.Broken}, {4443, "foreign-lock-holder", fix.Broken}, {4438, "foreign-lock-holder", fix.Broken},
		}},
		{scene: "nix-2.34.8/s11-big-lock-held-by-flock", want: []expected{{5183, "foreign-lock-holder", fix.Broken}}},
		{scene: "nix-2.34.8/s12-sqlite-write-locked", wakes: map[string]int{"5476": 8}, want: []expected{{5473, "sqlite-busy", fix.AtRisk}}},
		{scene: "nix-2.34.8/s14-daemon-without-arguments", want: []expected{{6295, "builder-silent", fix.AtRisk}}},
		{scene: "nix-2.34.8/s18-profile-lock-held-by-flock", want: []expected{{7375, "foreign-lock-holder", fix.Broken}}},
	}
	witness := fixtest.NewWitness(stuck.New())
	defer witness.Testify(t, "replay")
	var mu sync.Mutex
	drawn := map[string]sketch{}
	defer func() { compareSketches(t, drawn) }()
	t.Run("captures", func(t *testing.T) {
		for at, tt := range tests {
			t.Run(tt.scene, func(t *testing.T) {
				t.Parallel()
				v := stucktest.Load(t, "testdata/captures/"+tt.scene, tt.wakes, tt.states)
				report, err := stuck.Look(t.Context(), v, observe.Options{Gap: 100 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				witness.Saw(t, tt.scene, stuck.Findings(report))
				fixtest.Recorded(t, stuck.New(), stucktest.Load(t, "testdata/captures/"+tt.scene, tt.wakes, tt.states), nil)
				for _, want := range tt.want {
					found := false
					for _, d := range report.Diagnoses {
						if d.Subject == fmt.Sprintf("process:%d", want.subject) && d.ID == "stuck/"+want.id && d.Status == want.status {
							found = true
							mu.Lock()
							if was, ok := drawn[d.ID]; !ok || at < was.at {
								drawn[d.ID] = sketch{at, draw.Figure(report, d)}
							}
							mu.Unlock()
							t.Logf("%s: %s (%s)\n%s", d.ID, d.Sentence, d.Certainty, strings.Join(draw.Tree(report, d), "\n"))
						}
					}
					if !found {
						t.Errorf("want %+v", want)
					}
				}
				for _, d := range report.Diagnoses {
					if d.ID == "stuck/unknown" {
						t.Errorf("not recognised: %s", d.Sentence)
					}
				}
				if t.Failed() {
					for _, d := range report.Diagnoses {
						t.Logf("%s (%s, %s) %s\n%s", d.ID, d.Status, d.Certainty, d.Sentence, strings.Join(draw.Tree(report, d), "\n"))
					}
				}
				t.Logf("%d values are not from the capture", len(v.Injected))
			})
		}
	})
}

// TestRefused: a process that is not lixfix's to end is not ended, and whom to name in its place is said.
func TestRefused(t *testing.T) {
	t.Parallel()
	const scene = "lix-2.95.3/s2-second-client-same-output"
	witness := fixtest.NewWitness(stuck.New())
	for pid, next := range map[string]string{
		"4242": "lixfix check stuck",                  // there is none
		"3777": "sudo lixfix repair stuck --end 3774", // a worker, which works for that
		"1":    "lixfix check stuck",
	} {
		v := stucktest.Load(t, "testdata/captures/"+scene, nil, nil)
		_, err := stuck.New().Plan(t.Context(), v, fix.Request{
			Settings: fix.Settings{"end": {Value: pid}}, Allowed: func(string, fix.Class) bool { return true },
		})
		r, ok := errors.AsType[*fix.Refusal](err)
		if !ok || r.ID != "stuck/end" || !strings.Contains(r.Next, next) {
			t.Errorf("--end %s: %v, %+v", pid, err, r)
			continue
		}
		witness.Refused(scene, r.ID)
	}
	witness.Testify(t, "refused")
}

// sketch is the tree of a finding, and the number of the host that it is of: the first counts.
type sketch struct {
	at int
	f  figure.Figure
}

// compareSketches holds the trees that pages show against those of the hosts, apart from what a clock has a say in. With
// -update it writes them.
func compareSketches(t *testing.T, drawn map[string]sketch) {
	t.Helper()
	const file = "sketches.json"
	if flag.Lookup("update").Value.String() == "true" {
		all := map[string]figure.Figure{}
		for id, s := range drawn {
			all[id] = s.f
		}
		data, err := json.MarshalIndent(all, "", "\t")
		if err == nil {
			err = os.WriteFile(file, append(data, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	shown := 0
	for _, k := range stuck.New().Kinds() {
		f, _ := stuck.New().(fix.Sketcher).Sketch(k)
		if len(f.Rows) > 0 {
			shown++
		}
		want := drawn[k.ID].f
		same := slices.EqualFunc(f.Rows, want.Rows, func(x, y figure.Row) bool {
			return x.Depth == y.Depth && x.Mark == y.Mark && x.Unsure == y.Unsure && len(x.Cells) == len(y.Cells)
		})
		if !same {
			t.Errorf("%s: %s shows\n%s\nthe host\n%s", k.ID, file, strings.Join(f.Lines(), "\n"), strings.Join(want.Lines(), "\n"))
		}
	}
	if shown != len(drawn) || shown == 0 {
		t.Errorf("%s has %d figures, the hosts have %d; -update writes it", file, shown, len(drawn))
	}
}
