package platform

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/lixfix/lixfix/platform/dnsquery"
)

// Machine is a Host whose files and tools are found through one function.
type Machine struct {
	*tree
	*writer
	*people

	facts   func() Facts
	log     *slog.Logger
	sockets func(context.Context) ([]Socket, error)
	ruled   func(context.Context, Rules) (bool, error)
	signal  func(ctx context.Context, m *Machine, p ProcessID, s syscall.Signal) error
	ask     func(context.Context, netip.AddrPort, dnsquery.Protocol, string, dnsquery.Type) dnsquery.Answer
	tools   func(file string, args []string) (Answered, bool)
}

var _ Host = (*Machine)(nil)

// assemble puts a machine together, without facts, sockets, network and processes.
func assemble(resolve func(name string) (string, error), getenv func(string) string) *Machine {
	files := &tree{resolve}
	return &Machine{
		tree:   files,
		writer: &writer{files},
		people: &people{files, getenv},
		log:    slog.New(slog.DiscardHandler),
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

// SetLogger makes the machine log every tool call: arguments, exit status, milliseconds, the start of the output.
func (m *Machine) SetLogger(log *slog.Logger) { m.log = log }

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
