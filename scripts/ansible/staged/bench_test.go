//go:build linux

package staged

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

const size = 20

// BenchmarkFleet checks and repairs twenty hosts: for the first time, which brings the program, and once more. It tells
// the seconds of a run, what a host got over its network and how much of that is the program, what the controller
// computed for a host, and the processes that are left on the hosts.
func BenchmarkFleet(b *testing.B) {
	f := stage(b, size, nil)
	site := f.dir + "/testdata/repair_all.yml"
	for _, run := range []string{"first", "later"} {
		b.Run(run, func(b *testing.B) {
			if b.N > 1 {
				return // the first run is one once
			}
			f.hangUp(b) // a later run is not so soon
			before, busy, began := f.received(b), f.computed(b), time.Now()
			p := f.play(b, site)
			seconds := time.Since(began).Seconds()
			after := f.received(b)
			sent, left := 0, 0
			for _, m := range f.members {
				if r := p.of(m.name, "Repair"); r == nil || r.Failed || r.Unreachable {
					b.Fatalf("%s was not repaired:\n%s", m.name, p.out)
				}
				if r := p.of(m.name, "Install the program"); r != nil && r.Result.Uploaded != nil {
					sent += *r.Result.Uploaded
				}
				left += len(m.left(b))
			}
			b.ReportMetric(seconds, "s/20-hosts")
			b.ReportMetric(float64(sent)/size, "program-B/host")
			b.ReportMetric(float64(after-before)/size, "received-B/host")
			b.ReportMetric((f.computed(b)-busy)/size, "controller-CPU-s/host")
			b.ReportMetric(float64(left), "processes-left")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// received is how many bytes all hosts have got over their cables.
func (f *fleet) received(b *testing.B) int {
	b.Helper()
	sum := 0
	for _, m := range f.members {
		n, err := strconv.Atoi(strings.TrimSpace(m.host.Run(b, "awk", `$1 == "link0:" { print $2 }`, "/proc/net/dev")))
		if err != nil {
			b.Fatal(err)
		}
		sum += n
	}
	return sum
}

// computed is the processor time that ended children of this process have taken, in seconds: those are nsenter and, below
// it, Ansible with its ssh, but nothing of the hosts, whose processes are sshd's.
func (f *fleet) computed(b *testing.B) float64 {
	b.Helper()
	data, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	const perSecond = 100 // what the kernel counts for programs (sysconf(_SC_CLK_TCK)) is so everywhere
	ticks := 0
	for _, field := range fields[13:15] { // cutime and cstime (proc_pid_stat(5), 16 and 17)
		n, err := strconv.Atoi(field)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return float64(ticks) / perSecond
}
