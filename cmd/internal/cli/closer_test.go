package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/resolvconf"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// sandboxed is a Linux host with a Lix whose builds see what works says.
type sandboxed struct {
	*platform.Machine
	t     *testing.T
	root  string
	works func(resolvConf string) bool
	built int
}

const tabbed = "nameserver\t192.0.2.10\n"

func newSandboxed(t *testing.T) *sandboxed {
	t.Helper()
	s := &sandboxed{t: t, root: t.TempDir(), works: func(text string) bool { return !strings.Contains(text, "\t") }}
	for name, text := range map[string]string{
		"etc/resolv.conf": tabbed, "etc/group": "nixbld:x:30000:nixbld1\n", "etc/passwd": "nixbld1:x:30001:30000:::\n",
		"proc/net/route":      "Iface\tDestination\n" + "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
		"proc/net/ipv6_route": "", "usr/bin/pasta": "2026_10_02.cba3570 dns-host",
		"usr/bin/nix": "#!/bin/sh\ncase $1 in --version) echo 'nix (Lix, like Nix) 2.95.3' ;; *) echo '{\"sandbox\":{\"value\":true},\"build-users-group\":{\"value\":\"nixbld\"},\"pasta-path\":{\"value\":\"/usr/bin/pasta\"}}' ;; esac\n",
		"var/lib/x":   "",
	} {
		file := filepath.Join(s.root, name)
		mode := os.FileMode(0o644)
		if strings.HasPrefix(name, "usr/bin/") {
			mode = 0o755
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), mode)); err != nil {
			t.Fatal(err)
		}
	}
	tun := filepath.Join(s.root, "dev/net/tun")
	if err := errors.Join(
		os.MkdirAll(filepath.Dir(tun), 0o755), unix.Mknod(tun, unix.S_IFCHR|0o666, int(unix.Mkdev(10, 200))), os.Chmod(tun, 0o666), os.Chmod(s.root, 0o755),
	); err != nil {
		t.Fatalf("make a host with a device, which needs root: %v", err)
	}
	s.Machine = platform.At(
		func(name string) (string, error) { return securejoin.SecureJoin(s.root, name) },
		func() platform.Facts { return platform.Facts{OS: platform.Linux, Arch: "amd64"} },
	)
	s.SetAsk(func(_ context.Context, server netip.AddrPort, _ dnsquery.Protocol, _ string, _ dnsquery.Type) dnsquery.Answer {
		if server.Addr().String() == "192.0.2.10" {
			return dnsquery.Answer{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.80")}}
		}
		return dnsquery.Answer{RCode: -1, Error: dnsquery.Refused}
	})
	return s
}

func (s *sandboxed) text() string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.root, "etc/resolv.conf"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

// probe stands for a build.
func (s *sandboxed) probe(_ context.Context, _ platform.Builder, o sandbox.Options) (probe.Result, error) {
	s.built++
	if o.Builder != "/opt/lixfix" {
		s.t.Errorf("the builder is %q", o.Builder)
	}
	q := sandbox.Query{Server: resolvAddress, Protocol: "udp", Name: o.Name, Type: "A", RCode: -1, Error: "timeout"}
	if s.works(s.text()) {
		q.RCode, q.Error, q.Answers = 0, "", []string{"192.0.2.80"}
	}
	return probe.Result{Result: sandbox.Result{
		Outcome: sandbox.Ran, Implementation: "Lix", Version: "2.95.3", Sandbox: true, Network: sandbox.PastaNetwork,
		Report: &sandbox.Report{Cwd: "/build", Files: map[string]sandbox.File{"/etc/resolv.conf": {Data: []byte("nameserver " + resolvAddress + "\n")}}, Queries: []sandbox.Query{q}},
	}}, nil
}

const resolvAddress = "169.254.1.1"

func (s *sandboxed) run(args ...string) result {
	s.t.Helper()
	var out, stderr bytes.Buffer
	code := Run(s.t.Context(), Config{
		Host: s, Fixes: []fix.Fix{resolvconf.With(s.probe, nil)}, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &stderr, Args: args,
		Getenv:  func(string) string { return "" },
		OpenTTY: func() (io.ReadWriteCloser, error) { return nil, errors.New("no such device") },
		Program: func() (string, error) { return "/opt/lixfix", nil },
		Name:    "lixfix", Version: "0.1.0",
	})
	return result{t: s.t, code: Code(code), out: out.String(), err: stderr.String()}
}

// builds checks how many builds there were since the last time.
func (s *sandboxed) builds(want int) {
	s.t.Helper()
	if s.built != want {
		s.t.Errorf("%d builds, want %d", s.built, want)
	}
	s.built = 0
}

func TestWhoNamesAFixHasABuildLook(t *testing.T) {
	s := newSandboxed(t)
	s.run("check").ends(Problems).says("resolv-conf/pasta-skips-line", "predicted", "lixfix check resolv-conf")
	s.builds(0)
	s.run("check", "--probe").ends(Problems).says("169.254.1.1 UDP timeout")
	s.builds(1)
	s.run("check", "resolv-conf").ends(Problems).says("169.254.1.1 UDP timeout").not("predicted")
	s.builds(1)
	s.run("check", "resolv-conf", "--passive").ends(Problems).says("predicted")
	s.builds(0)
	s.run("check", "--probe", "--passive").ends(Usage)
	s.run("check", "resolv-conf", "--name", "not a name").ends(Usage)
	s.builds(0)
}

func TestRepairIsKeptWhereItHelps(t *testing.T) {
	s := newSandboxed(t)
	s.run("repair", "resolv-conf", "--dry-run").ends(Problems).says("rewrite /etc/resolv.conf", `will read: "nameserver 192.0.2.10"`)
	if s.text() != tabbed {
		t.Fatal("a dry run has written")
	}
	s.builds(1)
	s.run("repair", "resolv-conf", "--yes").ends(Healthy).says("names resolve in the sandbox")
	s.builds(2) // the one that shows that it has helped is what is told of the host afterwards
	if got := s.text(); got != "nameserver 192.0.2.10\n" {
		t.Errorf("%q", got)
	}
	s.run("undo", "--yes").ends(Healthy)
	s.builds(0)
	if s.text() != tabbed {
		t.Errorf("after undo: %q", s.text())
	}
}

func TestRepairIsTakenBackWhereItDoesNotHelp(t *testing.T) {
	s := newSandboxed(t)
	s.works = func(string) bool { return false }
	s.run("repair", "resolv-conf", "--yes").ends(Failed).says("the repair did not help", "names still do not resolve", "taken back")
	if s.text() != tabbed {
		t.Errorf("it was not taken back: %q", s.text())
	}
	s.run("check", "--passive").ends(Problems).not("unfinished")
	s.run("history").says("undone")
	// Who wants no builds judges by himself.
	s.built = 0
	s.run("repair", "resolv-conf", "--yes", "--passive").ends(Healthy)
	s.builds(0)
	if got := s.text(); got != "nameserver 192.0.2.10\n" {
		t.Errorf("%q", got)
	}
}
