//go:build linux

package linuxnet

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Resolver starts a resolver on addresses of the host. It knows probe.test, as 127.0.0.1 and ::1, and refuses all else.
// It is stopped by stop, or with the test.
func (h *Host) Resolver(t testing.TB, addresses ...string) (stop func()) {
	t.Helper()
	args := []string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
		"--log-facility=-", "--bind-interfaces", "--address=/" + Name + "/127.0.0.1", "--address=/" + Name + "/::1",
	}
	for _, a := range addresses {
		args = append(args, "--listen-address="+a)
	}
	out := &safe{}
	stop = h.start(t, h.Command("dnsmasq", args...), out)
	// It says so once it listens. To find its sockets in /proc/net/tcp takes the kernel milliseconds each time: it looks
	// through the connections of all network namespaces.
	await(t, "dnsmasq listens", func() bool { return strings.Contains(out.String(), ": started, version ") })
	return stop
}

// Faulty starts a name server with faults, which knows Name apart from them; see package dnstool.
func (h *Host) Faulty(t testing.TB, address string, faults ...string) (stop func()) {
	t.Helper()
	h.Copy(t, Program(t, "github.com/lixfix/lixfix/platform/platformtest/linuxnet/dnstool"), "/usr/local/bin/dnstool", 0o755)
	out := &safe{}
	cmd := h.Command("/usr/local/bin/dnstool", append([]string{address, Name}, faults...)...)
	cmd.Stdout = out
	stop = h.start(t, cmd, &safe{})
	await(t, "the faulty name server listens", func() bool { return strings.Contains(out.String(), "listening") })
	return stop
}

// Daemon starts the machine's nix-daemon in the host; its store is the host's /nix.
func (h *Host) Daemon(t testing.TB) (stop func()) {
	t.Helper()
	stop = h.Start(t, h.Command("/usr/bin/nix-daemon"))
	h.AwaitDaemon(t)
	return stop
}

// AwaitDaemon waits until a daemon takes connections. Its socket has its name before: Nix binds it, then lets everybody
// write to it, and then listens.
func (h *Host) AwaitDaemon(t testing.TB) {
	t.Helper()
	await(t, "nix-daemon listens", func() bool {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/unix", h.PID()))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			const accepts = "00010000" // __SO_ACCEPTCON
			if len(f) == 8 && f[3] == accepts && f[7] == "/nix/var/nix/daemon-socket/socket" {
				return true
			}
		}
		return false
	})
}

// Lix is a Lix on a host.
type Lix struct {
	Version string // "2.95.3" unless given; "2.93.4" is the other one whose ways are known
	Pasta   string // value of pasta-path; "/usr/bin/pasta" unless NoPasta
	NoPasta bool
	Start   int  // milliseconds that each of its tools takes to start, as the real ones do
	Hang    bool // builds never begin, and nothing tells why
}

// Lix puts a stand-in for Lix's tools where lixfix looks before it looks in /usr/bin. A host with Nix is wanted.
func (h *Host) Lix(t testing.TB, l Lix) {
	t.Helper()
	if l.Version == "" {
		l.Version = "2.95.3"
	}
	const dir = "/nix/var/nix/profiles/default/bin"
	tool := "/nix/store/00000000000000000000000000000000-lix-" + l.Version + "/bin/nix"
	if l.Pasta == "" && !l.NoPasta {
		l.Pasta = "/usr/bin/pasta"
	}
	conf, err := json.Marshal(map[string]any{"version": l.Version, "pasta": l.Pasta, "hang": l.Hang, "start": l.Start})
	if err != nil {
		t.Fatal(err)
	}
	h.WriteFile(t, "/nix/lixtool.json", string(conf), 0o644)
	h.Copy(t, Program(t, "github.com/lixfix/lixfix/platform/platformtest/linuxnet/lixtool"), tool, 0o755)
	if err := os.MkdirAll(h.Path(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nix", "nix-instantiate", "nix-store", "nix-build", "nix-daemon"} {
		h.Symlink(t, tool, dir+"/"+name)
	}
}

// LixDaemon starts the daemon of the stand-in. What pasta says is in its log alone, as with Lix.
func (h *Host) LixDaemon(t testing.TB) (stop func()) {
	t.Helper()
	socket := "/nix/var/nix/daemon-socket/socket"
	if err := os.MkdirAll(filepath.Dir(h.Path(socket)), 0o755); err != nil {
		t.Fatal(err)
	}
	stop = h.Start(t, h.Command("/nix/var/nix/profiles/default/bin/nix-daemon", "--daemon"))
	await(t, "the stand-in's daemon listens", func() bool {
		info, err := os.Stat(h.Path(socket))
		return err == nil && info.Mode().Perm() == 0o666
	})
	return stop
}
