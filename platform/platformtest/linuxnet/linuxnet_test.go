//go:build linux

package linuxnet

import (
	"os"
	"strings"
	"testing"
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
