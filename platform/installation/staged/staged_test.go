//go:build linux

// Package staged surveys installations on staged hosts: with the owners, links and modes of real files, as root and as
// somebody who may not look everywhere.
package staged

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/installation"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// inside tells this program, copied to a host, to survey it.
const inside = "LIXFIX_STAGED"

func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		if err := json.NewEncoder(os.Stdout).Encode(installation.At(platform.Local()).Page(context.Background())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	linuxnet.Clean()
	os.Exit(code)
}

const (
	program = "/opt/staged/test"
	lix     = "/nix/store/00000000000000000000000000000000-lix-2.95.1"
	profile = "/nix/var/nix/profiles/default"
)

func survey(t *testing.T, h *linuxnet.Host, user bool) installation.Page {
	t.Helper()
	run := h.Command
	if user {
		run = h.UserCommand
	}
	cmd := run("/usr/bin/env", inside+"=1", program)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var page installation.Page
	if err == nil {
		err = json.Unmarshal(out, &page)
	}
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, stderr.String())
	}
	return page
}

func says(t *testing.T, p installation.Page, line string, want ...string) {
	t.Helper()
	if p.Summary != line {
		t.Errorf("got  %s\nwant %s", p.Summary, line)
	}
	text := ""
	for _, f := range p.Fields {
		text += f.Name + ": " + f.Value + f.Unknown + "\n"
	}
	text += strings.Join(p.Unread, "\n")
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("nothing says %q:\n%s", w, text)
		}
	}
}

// The programs of this machine's Debian package are on every staged host.
func TestHosts(t *testing.T) {
	h := linuxnet.New(t, linuxnet.Options{Mode: linuxnet.None, Nix: true})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h.Copy(t, self, program, 0o755)
	h.Run(t, "chmod", "0700", "/root")

	h.WriteFile(t, "/nix/var/nix/db/db.sqlite", "x", 0o644)
	for _, user := range []bool{false, true} {
		says(t, survey(t, h, user), "Nix 2.8.0, single-user (root), installed by the Debian package nix-bin", "/usr/bin/nix", fmt.Sprintf("%d members of nixbld", linuxnet.BuildMax))
	}

	// A profile in front of it, as the Lix installer links it.
	h.WriteFile(t, lix+"/bin/nix", "x", 0o755)
	h.Run(t, "mkdir", "-p", "/nix/var/nix/profiles")
	h.Run(t, "ln", "-sfn", lix, profile+"-1-link")
	h.Run(t, "ln", "-sfn", "default-1-link", profile)
	h.WriteFile(t, "/nix/receipt.json", `{"actions":[],"planner":{"settings":{"enable_flakes":true}}}`, 0o644)
	for _, user := range []bool{false, true} {
		says(t, survey(t, h, user), "Lix 2.95.1, single-user (root), installed by the Lix installer", lix+"/bin/nix")
	}

	// What only root can read of the configuration is told, and not taken for absent.
	says(t, survey(t, h, true), "Lix 2.95.1, single-user (root), installed by the Lix installer", "/root/.config/nix/nix.conf")

	// A store that builders may write to is no way for them to name what root believes.
	h.Run(t, "chown", "0:30000", "/nix/store")
	h.Run(t, "chmod", "1775", "/nix/store")
	says(t, survey(t, h, false), "Lix 2.95.1, single-user (root), installed by the Lix installer")
	h.Run(t, "mkdir", "-p", "/opt/free")
	h.Run(t, "chmod", "0777", "/opt/free")
	h.WriteFile(t, "/opt/free/nix", "x", 0o755)
	h.Run(t, "ln", "-sfn", "/opt/free", lix+"/free")
	h.Run(t, "rm", lix+"/bin/nix")
	h.Run(t, "ln", "-s", "../free/nix", lix+"/bin/nix")
	says(t, survey(t, h, false), "Nix or Lix of an unknown version, single-user (root), installed by the Lix installer", "can be changed by everybody")

	// An include of a user's file is read as Nix reads it; one that the user could turn to what they may not read is not.
	h.WriteFile(t, "/home/"+linuxnet.User+"/n.conf", "sandbox = relaxed\n", 0o644)
	h.Run(t, "chown", linuxnet.User, "/home/"+linuxnet.User+"/n.conf")
	h.WriteFile(t, "/etc/nix/nix.conf", "include /home/"+linuxnet.User+"/n.conf\n", 0o644)
	says(t, survey(t, h, false), "Nix or Lix of an unknown version, single-user (root), installed by the Lix installer", "/etc/nix/nix.conf, /home/"+linuxnet.User+"/n.conf")
	h.WriteFile(t, "/etc/secret", "password\n", 0o600)
	h.Symlink(t, "/etc/secret", "/home/"+linuxnet.User+"/n.conf")
	p := survey(t, h, false)
	says(t, p, "Nix or Lix of an unknown version, single-user (root), installed by the Lix installer", "n.conf leads through /home/"+linuxnet.User)
	if p.Broken != "" || strings.Contains(fmt.Sprint(p), "password") {
		t.Errorf("it has read what the user may not read: %v", p)
	}

	// Nothing of a Nix but root's closed home: no Nix.
	h.Run(t, "umount", "/nix")
	h.Run(t, "rm", "-rf", "/etc/nix")
	h.Run(t, "mount", "-t", "tmpfs", "tmpfs", "/usr/local")
	h.Run(t, "mkdir", "/opt/bin")
	h.Run(t, "sh", "-c", "cp /usr/bin/env /usr/bin/id /opt/bin; rm -f /usr/bin/nix*")
	for _, user := range []bool{false, true} {
		says(t, survey(t, h, user), "no Nix here")
	}
}
