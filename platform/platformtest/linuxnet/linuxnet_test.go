//go:build linux

package linuxnet

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	code := m.Run()
	Clean()
	os.Exit(code)
}

func TestHost(t *testing.T) {
	t.Parallel()
	h := New(t, Options{Nix: true})
	if _, err := os.Stat("/etc/nix-lixfix-test"); err == nil {
		t.Fatal("left by an earlier test")
	}
	h.WriteFile(t, "/etc/nix-lixfix-test", "x", 0o600)
	if _, err := os.Stat("/etc/nix-lixfix-test"); err == nil {
		t.Error("a file of the host is the machine's")
	}
	if out := h.Run(t, "ip", "-br", "addr"); !strings.Contains(out, Addr4+"/24") || !strings.Contains(out, Addr6+"/64") {
		t.Errorf("addresses:\n%s", out)
	}
	if out := h.Run(t, "stat", "-c", "%a %t %T", "/dev/net/tun"); out != "666 a c8\n" {
		t.Errorf("tun: %q", out)
	}
	// The tables of connections are its own, and those of a sandbox on it: see tables. A number below 0 is of shared ones.
	for _, cmd := range [][]string{{"cat"}, {"unshare", "--net", "cat"}} {
		if unix.Access("/proc/sys/net/ipv4/tcp_child_ehash_entries", unix.W_OK) != nil {
			break // before Linux 6.1, and where the settings cannot be changed
		}
		if out := h.Run(t, cmd[0], append(cmd[1:], "/proc/sys/net/ipv4/tcp_ehash_entries")...); out != "64\n" {
			t.Errorf("%v: a table of %s", cmd, out)
		}
	}
	if _, err := os.Lstat(h.Path("/etc/resolv.conf")); !os.IsNotExist(err) {
		t.Errorf("/etc/resolv.conf: %v", err)
	}
	stop := h.Resolver(t, Addr4, "127.0.0.1")
	h.WriteFile(t, "/etc/resolv.conf", "nameserver "+Addr4+"\n", 0o644)
	if out := h.Run(t, "getent", "ahostsv4", Name); !strings.HasPrefix(out, "127.0.0.1") {
		t.Errorf("%s: %q", Name, out)
	}
	stop()
	if out, err := h.Command("getent", "ahostsv4", Name).CombinedOutput(); err == nil {
		t.Errorf("without a resolver: %q", out)
	}
	out, err := h.UserCommand("id", "-un").CombinedOutput()
	if err != nil || string(out) != User+"\n" {
		t.Errorf("user: %q %v", out, err)
	}
}

// TestAccounts plants what a machine with a Nix for several users has, and ways to find more: no host has any of it.
func TestAccounts(t *testing.T) {
	t.Parallel()
	machine := t.TempDir()
	planted := map[string]string{
		"passwd":        "root:x:0:0:root:/root:/bin/sh\nnixbld1:x:2900:2999::/var/empty:/bin/false\nnixbld40:x:2939:2999::/:/bin/false\nbob:x:1000:1000::/:/bin/sh\n",
		"group":         "root:x:0:\nnixbld:x:2999:nixbld1,nixbld40\nbob:x:1000:\n",
		"nsswitch.conf": "passwd: files systemd\ngroup: files systemd\nhosts: files myhostname\n",
	}
	if err := os.Mkdir(filepath.Join(machine, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range planted {
		if err := os.WriteFile(filepath.Join(machine, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, nix := range []bool{true, false} {
		h := New(t, Options{Nix: nix, over: machine})
		for _, name := range []string{"nixbld40", "bob"} {
			if out, err := h.Command("getent", "passwd", name).Output(); err == nil {
				t.Errorf("Nix %t: the host has the machine's user: %s", nix, out)
			}
		}
		out, err := h.Command("getent", "group", "nixbld").Output()
		want := fmt.Sprintf("nixbld:x:%d:nixbld1,nixbld2,nixbld3,nixbld4\n", BuildGID)
		if nix && string(out) != want || !nix && err == nil {
			t.Errorf("Nix %t: the group of the host is %q %v", nix, out, err)
		}
		if out := h.Run(t, "cat", "/etc/nsswitch.conf"); !strings.Contains(out, "passwd: files\n") || !strings.Contains(out, "hosts: files dns\n") {
			t.Errorf("nsswitch.conf: %s", out)
		}
		if data, err := os.ReadFile(filepath.Join(machine, "etc/passwd")); err != nil || string(data) != planted["passwd"] {
			t.Errorf("the machine's own file is now %q", data)
		}
	}
}

// TestStore: a store that is a copy is what Nix itself makes, and works.
func TestStore(t *testing.T) {
	t.Parallel()
	list := func(h *Host) string {
		return h.Run(t, "find", "/nix", "-mindepth", "1", "-printf", "%p %M %U:%G %s %l\n")
	}
	var lists []string
	for range 2 {
		h := New(t, Options{Nix: true, Mode: None})
		h.Store(t)
		lists = append(lists, list(h))
		if out := h.Run(t, "/usr/bin/nix-store", "--verify", "--check-contents"); strings.Contains(out, "error") {
			t.Errorf("nix-store --verify: %s", out)
		}
		added := strings.TrimSpace(h.Run(t, "/usr/bin/nix-store", "--add", "/etc/passwd"))
		if out := h.Run(t, "/usr/bin/nix-store", "--query", "--references", added); strings.TrimSpace(out) != "" {
			t.Errorf("%s refers to %s", added, out)
		}
	}
	h := New(t, Options{Nix: true, Mode: None})
	h.Run(t, "/usr/bin/nix-store", "--init")
	for _, l := range lists {
		if diff := cmp.Diff(sorted(list(h)), sorted(l)); diff != "" {
			t.Errorf("-made +given:\n%s", diff)
		}
	}
}

func sorted(lines string) []string { return slices.Sorted(strings.Lines(lines)) }
