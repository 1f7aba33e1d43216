package replay

import (
	"errors"
	"os/exec"
	"testing"
	"time"
)

// Cost is what a program took at least: on a machine with other work, the shortest run and the processor's time tell more
// than the mean.
type Cost struct{ Wall, CPU time.Duration }

// Beside runs a check and the record of it in turn, as often as b wants, so that both meet the same machine, and reports
// what each costs and the ratio. The number of the round is in the name of the file that is written; size returns how many bytes
// it has.
func Beside(b *testing.B, check func() *exec.Cmd, record func(round int) *exec.Cmd, size func(round int) int64) {
	b.Helper()
	var look, keep Cost
	var bytes int64
	round := 0
	for b.Loop() {
		round++
		look.run(b, check())
		keep.run(b, record(round))
		bytes = max(bytes, size(round))
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(look.Wall), "check-ms")
	b.ReportMetric(ms(keep.Wall), "record-ms")
	b.ReportMetric(ms(look.CPU), "check-cpu-ms")
	b.ReportMetric(ms(keep.CPU), "record-cpu-ms")
	b.ReportMetric(float64(keep.Wall)/float64(look.Wall), "record-per-check")
	b.ReportMetric(float64(bytes)/1024, "record-KiB")
	b.ReportMetric(0, "ns/op")
}

// run runs a program, whatever it finds.
func (c *Cost) run(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() == 2 || exit.ExitCode() > 3) {
		b.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if c.Wall == 0 {
		*c = Cost{took, cpu}
	}
	c.Wall, c.CPU = min(c.Wall, took), min(c.CPU, cpu)
}
