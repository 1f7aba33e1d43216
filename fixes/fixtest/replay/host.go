package replay

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform/record"
)

// Host is a staged one.
type Host interface {
	Command(name string, args ...string) *exec.Cmd // as root there
	Path(name string) string                       // of a file there
}

// Record has the program there, which is lixfix on a host, record what the named fixes see, or all of them, and does with the
// record what Check does, with the program here.
func (t *Table) Record(tb testing.TB, name string, h Host, there, here string, args ...string) (made *record.Record, exit int) {
	tb.Helper()
	return t.RecordBy(tb, name, h, here, func(file string) *exec.Cmd {
		return h.Command(there, append(append([]string{"record"}, args...), "-o", file)...)
	})
}

// RecordBy is Record by a command of one's own, which writes the record to file.
func (t *Table) RecordBy(tb testing.TB, name string, h Host, here string, command func(file string) *exec.Cmd) (*record.Record, int) {
	tb.Helper()
	file := fmt.Sprintf("/var/tmp/%d.tar.gz", t.made.Add(1))
	cmd := command(file)
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Errorf("%s: %s: %v\n%s", name, strings.Join(cmd.Args, " "), err, out)
		return nil, -1
	}
	packed, err := os.ReadFile(h.Path(file))
	if err != nil {
		tb.Error(err)
		return nil, -1
	}
	if err := os.Remove(h.Path(file)); err != nil {
		tb.Error(err)
	}
	return t.Check(tb, name, here, packed)
}
