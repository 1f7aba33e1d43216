// Package fixtest is what the tests of every fix share: hosts below a directory, and a run that puts a fix through all
// that users put it through. Run looks, plans, repairs, looks again and takes the repair back, and kills lixfix at each
// of its writes on the way.
package fixtest

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/tools/txtar"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
)

// Host is a machine below a directory. Nothing of the machine that runs the test is in it; its tools are scripts below
// the directory.
type Host struct {
	*platform.Machine
	Root string
	// Answers are what name servers answer, by address; others are silent.
	Answers map[string]dnsquery.Answer

	t testing.TB
}

// Linux makes an empty Linux machine.
func Linux(t testing.TB) *Host {
	t.Helper()
	return At(t, platform.Facts{OS: platform.Linux, Product: "Debian GNU/Linux 12 (bookworm)", Version: "12", Arch: "amd64"})
}

// At makes an empty machine that calls itself what the facts say.
func At(t testing.TB, facts platform.Facts) *Host {
	t.Helper()
	h := &Host{Root: t.TempDir(), Answers: map[string]dnsquery.Answer{}, t: t}
	h.Machine = platform.At(
		func(name string) (string, error) { return securejoin.SecureJoin(h.Root, name) },
		func() platform.Facts { return facts },
	)
	h.SetAsk(func(_ context.Context, s netip.AddrPort, _ dnsquery.Protocol, _ string, _ dnsquery.Type) dnsquery.Answer {
		if a, ok := h.Answers[s.Addr().String()]; ok {
			return a
		}
		return dnsquery.Answer{RCode: -1, Error: dnsquery.Timeout}
	})
	// Root goes through no directory that others cannot enter.
	for dir := h.Root; len(dir) >= len(os.TempDir()); dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o005 != 0o005 {
			h.Must(os.Chmod(dir, info.Mode().Perm()|0o055))
		}
	}
	return h
}

// Txtar makes a Linux machine from a txtar archive: its files, and what the lines of its comment say:
//
//	mode 0600 /etc/nix/nix.conf
//	link /etc/resolv.conf ../run/systemd/resolve/stub-resolv.conf
//	dir 0755 /nix/store
//
// Files below a directory called bin or sbin can be run.
func Txtar(t testing.TB, archive string) *Host {
	t.Helper()
	h := Linux(t)
	a := txtar.Parse([]byte(archive))
	for _, f := range a.Files {
		mode := fs.FileMode(0o644)
		if dir := filepath.Base(filepath.Dir(f.Name)); dir == "bin" || dir == "sbin" {
			mode = 0o755
		}
		h.Put(f.Name, string(f.Data), mode)
	}
	for line := range strings.Lines(string(a.Comment)) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if len(words) != 3 {
			t.Fatalf("a line of the archive that says nothing: %q", line)
		}
		switch words[0] {
		case "mode":
			h.Must(os.Chmod(h.path(words[2]), parseMode(t, words[1])))
		case "dir":
			h.Must(os.MkdirAll(h.path(words[2]), 0o755))
			h.Must(os.Chmod(h.path(words[2]), parseMode(t, words[1])))
		case "link":
			h.Link(words[1], words[2])
		default:
			t.Fatalf("a line of the archive that says nothing: %q", line)
		}
	}
	return h
}

func parseMode(t testing.TB, s string) fs.FileMode {
	t.Helper()
	n, err := strconv.ParseUint(s, 8, 12)
	if err != nil {
		t.Fatalf("%q is no mode", s)
	}
	return fs.FileMode(n)
}

// Must ends the test where a host could not be made.
func (h *Host) Must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// path is where a name of the host really is; links on the way are not followed.
func (h *Host) path(name string) string { return filepath.Join(h.Root, name) }

// Put writes a file with exactly that mode, and makes its directories.
func (h *Host) Put(name, data string, mode fs.FileMode) {
	h.t.Helper()
	h.Must(os.MkdirAll(filepath.Dir(h.path(name)), 0o755))
	if err := os.Remove(h.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.Must(err)
	}
	h.Must(os.WriteFile(h.path(name), []byte(data), mode))
	h.Must(os.Chmod(h.path(name), mode))
}

// Link makes a symbolic link.
func (h *Host) Link(name, target string) {
	h.t.Helper()
	h.Must(os.MkdirAll(filepath.Dir(h.path(name)), 0o755))
	h.Must(os.Symlink(target, h.path(name)))
}

// Read returns what a file of the host holds.
func (h *Host) Read(name string) string {
	h.t.Helper()
	data, err := os.ReadFile(h.path(name))
	h.Must(err)
	return string(data)
}

// Snapshot is all of the host but the journals: for each name its mode, and its content or where it leads. It is the same
// wherever the host is.
func (h *Host) Snapshot() map[string]string {
	h.t.Helper()
	all := map[string]string{}
	state := strings.TrimPrefix(h.StateDir(), h.Root)
	h.Must(filepath.WalkDir(h.Root, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(file, h.Root)
		// The directories above that of the journals come and go with it.
		if name == state || strings.HasPrefix(state, name+"/") {
			if name == state {
				return fs.SkipDir
			}
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			text += " " + string(data)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(file)
			if err != nil {
				return err
			}
			text += " " + target
		}
		all[name] = strings.ReplaceAll(text, h.Root, "")
		return nil
	}))
	return all
}
