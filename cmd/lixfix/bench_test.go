package main_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/lixfix/lixfix/platform/platformtest"
	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// spawns reports how often the tools were run, per operation.
func spawns(b *testing.B, m *mac.Mac) {
	b.Helper()
	calls, err := m.Calls()
	if err != nil {
		b.Fatal(err)
	}
	dscl, all := 0, 0
	for _, c := range calls {
		all++
		if c.Tool == "dscl" {
			dscl++
		}
	}
	b.ReportMetric(float64(dscl)/float64(b.N), "dscl-spawns/op")
	b.ReportMetric(float64(all)/float64(b.N), "spawns/op")
}

func benchMac(b *testing.B, state string, users int) *mac.Mac {
	b.Helper()
	for _, v := range mac.Variants(users) {
		if v.Name == state {
			m, err := platformtest.Mac(b.TempDir(), mac.Options{Version: v.Version})
			if err != nil {
				b.Fatal(err)
			}
			if err := v.Seed(m); err != nil {
				b.Fatal(err)
			}
			return m
		}
	}
	b.Fatalf("no state %q", state)
	return nil
}

// BenchmarkRepair repairs a Mac with 4 of 32 users missing; all 32 get new user IDs.
func BenchmarkRepair(b *testing.B) {
	base := benchMac(b, "upgraded-15", 32)
	var m *mac.Mac
	calls := 0
	for i := range b.N {
		b.StopTimer()
		var err error
		if m, err = base.Clone(filepath.Join(b.TempDir(), strconv.Itoa(i))); err != nil {
			b.Fatal(err)
		}
		if err := m.ResetCalls(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		code, out := run(b, m, "repair", "sequoia", "--yes")
		b.StopTimer()
		if code != 0 {
			b.Fatalf("exit %d\n%s", code, out)
		}
		c, err := m.Calls()
		if err != nil {
			b.Fatal(err)
		}
		calls += len(c)
		b.StartTimer()
	}
	b.ReportMetric(float64(calls)/float64(b.N), "spawns/op")
}

// BenchmarkCheck checks directories of different sizes, as whole processes.
func BenchmarkCheck(b *testing.B) {
	for _, size := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("%d-users", size), func(b *testing.B) {
			m := benchMac(b, "upgraded-15", 32)
			for i := range size {
				name := "person" + strconv.Itoa(i)
				err := m.AddUser(name, map[string][]string{
					"uid": {strconv.Itoa(50000 + i)}, "gid": {"20"}, "home": {"/Users/" + name}, "shell": {"/bin/zsh"},
					"realname": {"Person " + strconv.Itoa(i)},
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			if err := m.ResetCalls(); err != nil {
				b.Fatal(err)
			}
			var memory int64
			for b.Loop() {
				code, out, peak := measure(b, m, "check", "sequoia")
				if code != 1 {
					b.Fatalf("exit %d\n%s", code, out)
				}
				memory = max(memory, peak)
			}
			b.ReportMetric(float64(memory)/1024, "peak-MiB")
			spawns(b, m)
		})
	}
}

// BenchmarkVersion measures how long the program takes to start and stop.
func BenchmarkVersion(b *testing.B) {
	m := benchMac(b, "upgraded-15", 4)
	for b.Loop() {
		if code, out := run(b, m, "version"); code != 0 {
			b.Fatalf("exit %d\n%s", code, out)
		}
	}
}
