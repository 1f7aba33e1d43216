package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// failure is a way in which one call of a tool goes wrong.
type failure struct {
	name   string
	fault  mac.Fault
	tool   string // "" for all
	always bool   // the calls after it go wrong as well
}

// failures are the ways in which calls were seen to go wrong, or could.
func failures() []failure {
	ds := func(exit int, text string) mac.Fault {
		return mac.Fault{Fail: true, Exit: exit, Stderr: "<dscl_cmd> DS Error: " + text + "\n"}
	}
	after := func(f mac.Fault) mac.Fault {
		f.At = mac.After
		return f
	}
	return []failure{
		{"spurious", ds(140, "-14988 (eNotYetImplemented)"), "dscl", false},
		{"spurious after it was done", after(ds(140, "-14988 (eNotYetImplemented)")), "dscl", false},
		{"not found", ds(56, "-14136 (eDSRecordNotFound)"), "dscl", false},
		{"not found after it was done", after(ds(56, "-14136 (eDSRecordNotFound)")), "dscl", false},
		{"invalid path", ds(185, "-14009 (eDSUnknownNodeName)"), "dscl", false},
		{"refused from there on", ds(40, "-14120 (eDSPermissionError)"), "dscl", true},
		{"taken", ds(55, "-14135 (eDSRecordAlreadyExists)"), "dscl", false},
		{"exit 1 without a word", mac.Fault{Fail: true, Exit: 1}, "", false},
		{"exit 1 from there on", mac.Fault{Fail: true, Exit: 1}, "", true},
		{"success without a word", mac.Fault{Fail: true}, "", false},
		{"killed", mac.Fault{Signal: "KILL", Self: true}, "", false},
		{"killed after it was done", mac.Fault{At: mac.After, Signal: "KILL", Self: true}, "", false},
		{"killed from there on", mac.Fault{Signal: "KILL", Self: true}, "", true},
	}
}

// TestCallsThatFail has each call of a repair fail in every way that was seen, and takes back what came of it with calls
// that work. Whatever comes of it, the daemon is loaded afterwards or lixfix says that it is not; a repair that claims to be done is; one that left
// no journal has changed nothing; and from an unfinished one both ways lead out once the cause is gone.
func TestCallsThatFail(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, state := range []string{"upgraded-15", "without-guid", "group-missing", "names-removed"} {
		base := stateOf(t, state)
		initial := tree(t, base)
		whole, drop := clone(t, base)
		t.Cleanup(drop)
		faults(t, whole)
		want(t, whole, 0, "repair", "sequoia", "--yes")
		calls, err := whole.Calls()
		if err != nil {
			t.Fatal(err)
		}
		faults(t, whole)
		want(t, whole, 0, "check")
		for _, f := range failures() {
			count := len(calls)
			if f.tool != "" {
				count = len(slices.DeleteFunc(slices.Clone(calls), func(c mac.Call) bool { return c.Tool != f.tool }))
			}
			numbers := random.Perm(count)
			if os.Getenv("LIXFIX_TEST_LONG") == "" {
				numbers = numbers[:2]
			} else if f.always && len(numbers) > 6 {
				numbers = numbers[:6] // each takes all attempts of every call
			}
			t.Run(state+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				for _, n := range numbers {
					t.Run(fmt.Sprint(n+1), func(t *testing.T) { failing(t, base, initial, f, n+1) })
				}
			})
		}
	}
}

// failing has the nth call of a repair fail, and looks where that leads.
func failing(t *testing.T, base *mac.Mac, initial map[string]string, f failure, n int) {
	m, drop := clone(t, base)
	defer drop()
	ran := services(t, m)
	fault := f.fault
	fault.Tool, fault.Nth = f.tool, n
	if f.always {
		fault.Times = -1
	}
	faults(t, m, fault)
	code, out := run(t, m, "repair", "sequoia", "--yes")
	faults(t, m)
	loaded := services(t, m)[mac.DaemonLabel]
	if !loaded && ran[mac.DaemonLabel] {
		if code == 0 {
			t.Errorf("success, and the daemon is out\n%s", out)
		}
		if c, said := run(t, m, "check"); c == 0 {
			t.Errorf("the daemon is out, and check says all well\n%s\n%s", out, said)
		}
	}
	check, said := run(t, m, "check")
	switch {
	case check == 4:
		a, drop := clone(t, m)
		defer drop()
		if c, text := run(t, a, "resume", "--yes"); c != 0 {
			t.Errorf("resume: exit %d\n%s\n%s", c, out, text)
		} else {
			out2 := want(t, a, 0, "check")
			out2 += want(t, a, 0, "undo", "--yes")
			same(t, "undo after resume", initial, tree(t, a), out+text+out2)
		}
		b, drop2 := clone(t, m)
		defer drop2()
		text := want(t, b, 0, "undo", "--yes")
		same(t, "undo", initial, tree(t, b), out+text)
		if !services(t, a)[mac.DaemonLabel] || !services(t, b)[mac.DaemonLabel] {
			t.Errorf("the daemon stays out\n%s", out)
		}
	case code == 0:
		if check != 0 {
			t.Errorf("repair says 0, check says %d\n%s\n%s", check, out, said)
		}
		text := want(t, m, 0, "undo", "--yes")
		same(t, "undo of the repair", initial, tree(t, m), out+text)
	default:
		if !loaded {
			return // said
		}
		got := tree(t, m)
		if check == 0 {
			text := want(t, m, 0, "undo", "--yes")
			same(t, "undo of the repair whose end failed", initial, tree(t, m), out+text)
			return
		}
		same(t, fmt.Sprintf("after exit %d", code), initial, got, out+said)
	}
}
