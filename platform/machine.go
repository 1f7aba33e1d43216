package platform

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/lixfix/lixfix/platform/dnsquery"
)

// Machine is a Host whose files and tools are found through one function. It is made of parts, whose exported methods are
// its own. The fields of a part are what it owns and the other parts that it needs, so that each can be read alone.
type Machine struct {
	*tree     // files, to look at
	*writer   // and to change
	*people   // who called lixfix, and whom files belong to
	*tools    // programs of the system
	*nixTools // programs of Nix that write to its store
	*greeter  // the Nix daemon
	*network  // sockets, rules and name servers

	facts  func() Facts
	signal func(ctx context.Context, v View, p ProcessID, s syscall.Signal) error // nil where there are no processes
}

var _ Host = (*Machine)(nil)

// assemble puts a machine together that knows no facts, and has neither a network nor processes.
func assemble(resolve func(name string) (string, error), getenv func(string) string) *Machine {
	files, log := &tree{resolve}, slog.New(slog.DiscardHandler)
	who := &people{tree: files, getenv: getenv}
	programs := &tools{tree: files, people: who, log: log}
	return &Machine{
		tree:     files,
		writer:   &writer{tree: files},
		people:   who,
		tools:    programs,
		nixTools: &nixTools{tree: files, tools: programs},
		greeter:  &greeter{tree: files, log: log},
		network:  &network{log: log},
	}
}

// At returns the machine whose absolute file and tool names resolve maps to where they really are. It exists for
// tests; the product calls Local.
func At(resolve func(name string) (string, error), facts func() Facts) *Machine {
	m := assemble(resolve, func(string) string { return "" })
	m.facts = sync.OnceValue(facts)
	return m
}

// Local returns the machine that lixfix runs on.
func Local() *Machine {
	m := assemble(func(name string) (string, error) { return name, nil }, os.Getenv)
	m.sockets, m.ruled, m.ask, m.signal = kernelSockets, kernelRuled, dnsquery.Ask, signalProcess
	m.facts = sync.OnceValue(func() Facts {
		f := Facts{OS: runtime.GOOS, Arch: runtime.GOARCH, UID: os.Geteuid()}
		if f.OS == Darwin || factsFrom == "sw_vers" {
			return m.SwVers(context.Background(), f)
		}
		if data, err := ReadSmall(context.Background(), m, "/etc/os-release"); err == nil {
			osRelease(&f, data)
		}
		return f
	})
	return m
}

// SetLogger makes the machine log every tool call: arguments, exit status, milliseconds, the start of the output. So it does
// with greetings, and with questions to name servers.
func (m *Machine) SetLogger(log *slog.Logger) {
	m.tools.log, m.greeter.log, m.network.log = log, log, log
}

// Facts describes the machine.
func (m *Machine) Facts() Facts {
	f := m.facts()
	f.PID = os.Getpid()
	return f
}

// Now implements View.
func (m *Machine) Now() time.Time { return time.Now() }

// Pause implements View.
func (m *Machine) Pause(ctx context.Context, _ string, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// StateDir is where journals are kept: /var/db/lixfix on macOS, /var/lib/lixfix elsewhere. It is not below /nix,
// which may be what is broken.
func (m *Machine) StateDir() string {
	name := "/var/lib/lixfix"
	if m.Facts().OS == Darwin {
		name = "/var/db/lixfix"
	}
	// The parent is resolved and not the directory, so that a link in its place is seen as one and refused.
	parent, err := m.resolve(filepath.Dir(name))
	if err != nil {
		return name
	}
	return filepath.Join(parent, filepath.Base(name))
}
