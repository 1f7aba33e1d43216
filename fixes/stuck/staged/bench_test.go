//go:build linux

package staged_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/stuck/observe"

	"github.com/lixfix/lixfix/fixes/stuck"
	"github.com/lixfix/lixfix/platform"
)

// measured is what one machine with many processes showed.
type measured struct {
	Processes int
	Look      time.Duration // without the pause between the samples
	Tools     time.Duration // ps, lsof and lslocks
	PeakKiB   int           // of the memory of the process that looked
	Check     time.Duration // "lixfix check -v stuck"
	Record    time.Duration // "lixfix record stuck"
	Bytes     int           // of the record of all fixes
}

// BenchmarkBeside looks beside ps, lsof and lslocks at machines with many processes, in one run, and takes the best of
// five of each.
func BenchmarkBeside(b *testing.B) {
	for _, n := range []int{200, 2000, 5000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			m := measure(b, n)
			b.ReportMetric(float64(m.Look.Microseconds())/1000, "look-ms")
			b.ReportMetric(float64(m.Tools.Microseconds())/1000, "tools-ms")
			b.ReportMetric(float64(m.Tools)/float64(m.Look), "times-faster")
			b.ReportMetric(float64(m.PeakKiB)/1024, "peak-MiB")
			b.ReportMetric(float64(m.Check.Microseconds())/1000, "check-ms")
			b.ReportMetric(float64(m.Record.Microseconds())/1000, "record-ms")
			b.ReportMetric(float64(m.Record)/float64(m.Check), "record-per-check")
			b.ReportMetric(float64(m.Bytes)/1024, "record-KiB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// TestMemory looks among 2,000 processes, and records them. How long that takes is for the benchmark to tell.
func TestMemory(t *testing.T) {
	m := measure(t, 2000)
	t.Logf("%d processes: %v, the tools %v, %d KiB", m.Processes, m.Look, m.Tools, m.PeakKiB)
	// The race detector multiplies memory, so the bound is for programs without it.
	if !raceEnabled && m.PeakKiB > 40<<10 {
		t.Errorf("%d KiB of memory", m.PeakKiB)
	}
	t.Logf("the record has %d KiB", (m.Bytes+1023)>>10)
	if most := 2 << 20; m.Bytes == 0 || m.Bytes >= most {
		t.Errorf("a record of %d bytes", m.Bytes)
	}
}

func measure(tb testing.TB, n int) measured {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Fatal(errNoRoot)
	}
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "-mnpf", "--kill-child", "sh", "-c", enter, "sh", tb.TempDir(), self, fmt.Sprintf("bench %d", n), program(tb))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%v\n%s%s", err, out, stderr.String())
	}
	var m measured
	if err := json.Unmarshal(out, &m); err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
	return m
}

// lixfix runs the program, whatever it finds, and tells how long that took.
func (s *site) lixfix(args ...string) time.Duration {
	began := time.Now()
	out, err := exec.Command("/lixfix", args...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() == 2) {
		s.fatal("lixfix %v: %v\n%s", args, err, out)
	}
	return time.Since(began)
}

func shortest(a, b time.Duration) time.Duration {
	if a == 0 || b < a {
		return b
	}
	return a
}

// crowd measures in the machine, among n processes that sleep.
func crowd(n int) int {
	s := &site{labels: map[int]string{}}
	code := 0
	func() {
		defer func() {
			if g, ok := recover().(giveUp); ok {
				fmt.Println(g.why)
				code = 1
			}
		}()
		s.start("crowd", "root", nil, "sh", "-c", fmt.Sprintf("i=0; while [ $i -lt %d ]; do sleep 600 & i=$((i+1)); done; wait", n))
		s.until("the crowd", func() bool { return len(glob("/proc/[0-9]*")) >= n })
		s.daemon()
		s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		m := measured{Processes: len(glob("/proc/[0-9]*"))}
		for range 5 {
			const pause = time.Millisecond
			began := time.Now()
			r, err := stuck.Look(context.Background(), platform.Local(), observe.Options{Gap: pause})
			took := time.Since(began) - pause
			if err != nil || len(r.Diagnoses) != 1 || r.Diagnoses[0].ID != "stuck/builder-silent" {
				s.fatal("look: %v, %+v", err, r)
			}
			if m.Look == 0 || took < m.Look {
				m.Look = took
			}
		}
		status, _ := os.ReadFile("/proc/self/status")
		for line := range strings.Lines(string(status)) {
			if f := strings.Fields(line); f[0] == "VmHWM:" {
				m.PeakKiB, _ = strconv.Atoi(f[1])
			}
		}
		for range 3 {
			began := time.Now()
			for _, argv := range [][]string{{"ps", "axo", "pid,ppid,user,stat,wchan:24,rss,time,args"}, {"lsof", "-nP"}, {"lslocks", "--noheadings"}} {
				if out, err := exec.Command(argv[0], argv[1:]...).Output(); err != nil && len(out) == 0 {
					s.fatal("%s: %v", argv[0], err)
				}
			}
			if took := time.Since(began); m.Tools == 0 || took < m.Tools {
				m.Tools = took
			}
		}
		all := "/root/all.tar.gz"
		s.lixfix("record", "-o", all)
		if info, err := os.Stat(all); err == nil {
			m.Bytes = int(info.Size())
		}
		for i := range 5 {
			m.Check = shortest(m.Check, s.lixfix("check", "-v", "stuck"))
			m.Record = shortest(m.Record, s.lixfix("record", "stuck", "-o", fmt.Sprintf("/root/%d.tar.gz", i)))
		}
		_ = json.NewEncoder(os.Stdout).Encode(m)
	}()
	return code
}
