//go:build linux

// Package staged attacks lixfix, as it is released and as root runs it, on real hosts of package linuxnet: with a
// real
// user who has a shell and the right to use the daemon, in namespaces of their own, and with the real Nix of Debian.
//
// What holds is counted, command by command and way by way, and printed with -v. A command that nothing attacks in
// one
// of the ways fails the tests.
package staged

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/lixfix/lixfix/fixes/fixtest/replay"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// Ways in.
const (
	environment = "environment" // variables, limits, masks, signals, arguments: what a process inherits
	files       = "files"
	processes   = "processes"
	sockets     = "sockets"
	network     = "network"
	terminal    = "terminal" // standard input, output and error, and what is printed to them
)

var ways = []string{environment, files, processes, sockets, network, terminal}

// rows are the commands that root runs on a host, as the table names them.
var rows = []string{
	"check", "check FIX", "probe", "verify", "report", "repair --dry-run", "repair", "resume", "undo", "history", "list",
	"explain",
	"version", "schedule", "help", "completion", "schema",
}

// score is what became of the attacks of one way on one command.
type score struct{ tried, held int }

// board counts attacks, as they are made.
type board struct {
	mu     sync.Mutex
	scores map[[2]string]score
}

var scores = board{scores: map[[2]string]score{}}

// add counts attacks that were made in one run of a command.
func (b *board) add(row, way string, tried, held int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.scores[[2]string{row, way}]
	s.tried, s.held = s.tried+tried, s.held+held
	b.scores[[2]string{row, way}] = s
}

// table is the matrix, and the number of its cells that nothing was tried in.
func (b *board) table() (text string, empty int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out strings.Builder
	fmt.Fprintf(&out, "%-18s", "held/tried")
	for _, w := range ways {
		fmt.Fprintf(&out, "%13s", w)
	}
	var sum score
	for _, row := range rows {
		fmt.Fprintf(&out, "\n%-18s", row)
		for _, w := range ways {
			s := b.scores[[2]string{row, w}]
			cell := "-"
			if s.tried > 0 {
				cell = fmt.Sprintf("%d/%d", s.held, s.tried)
			} else {
				empty++
			}
			sum.tried, sum.held = sum.tried+s.tried, sum.held+s.held
			fmt.Fprintf(&out, "%13s", cell)
		}
	}
	fmt.Fprintf(&out, "\n%d attacks on %d commands, %d held\n", sum.tried, len(rows), sum.held)
	return out.String(), empty
}

// replays compares what is said of hostile hosts with what is said of their records.
var replays replay.Table

func TestMain(m *testing.M) {
	flag.Parse()
	// Hosts sleep most of the time, and each has some megabytes in memory.
	if err := flag.Set("test.parallel", "10"); err != nil {
		panic(err)
	}
	code := m.Run()
	fmt.Println(&replays)
	linuxnet.Clean()
	text, empty := scores.table()
	if testing.Verbose() {
		fmt.Print(text)
	}
	if empty > 0 && flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == "" {
		fmt.Printf("FAIL: nothing was tried in %d cells of the table\n", empty)
		code = max(code, 1)
	}
	os.Exit(code)
}

// assault runs a command of lixfix under attacks of one way, counts them, and fails the test with what did not hold.
func (s *site) assault(row, way string, attacks int, c call, args ...string) ended {
	s.t.Helper()
	e := s.run(c, args...)
	broken := s.breaches(e)
	held := attacks
	if len(broken) > 0 {
		held = 0
		s.t.Errorf("%s%s\nexit %d after %v\n%.1000s\n%.1000s", label(c.name), strings.Join(broken, "\n"), e.exit,
			e.took, e.stdout, e.stderr)
	}
	scores.add(row, way, attacks, held)
	return e
}

func label(name string) string {
	if name == "" {
		return ""
	}
	return name + ": "
}
