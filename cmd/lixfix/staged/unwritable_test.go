//go:build linux

package staged

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// outcome is what lixfix says of what it did.
type outcome struct {
	Exit    int
	Outcome struct{ Result, Error string }
	Said    string `json:"-"` // on standard error
	Fixes   []struct {
		Findings []struct {
			ID     string
			Remedy struct{ Class string }
		}
	}
}

// ids are the findings, with the class of the remedy.
func (o outcome) ids() []string {
	var ids []string
	for _, f := range o.Fixes {
		for _, found := range f.Findings {
			ids = append(ids, found.ID+" "+found.Remedy.Class)
		}
	}
	return ids
}

// lixfix runs it as root, for a report.
func lixfix(t *testing.T, h *linuxnet.Host, args ...string) outcome {
	t.Helper()
	cmd := h.Command(program, append(args, "--format", "json")...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatal(err)
		}
	}
	var o outcome
	if err := json.Unmarshal(stdout.Bytes(), &o); err != nil {
		t.Fatalf("lixfix %s: %v\n%s\n%s", strings.Join(args, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	o.Said = stderr.String()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("lixfix %s: exit %d, %+v, IDs %q\n%s", strings.Join(args, " "), o.Exit, o.Outcome, o.ids(), stderr.Bytes())
		}
	})
	return o
}

type obstacle struct {
	name, put, away string
	error, hint     string
	// What it keeps from being done: write a file, set a mode, make a link.
	stops []string
	seen  bool // already when it is looked at: the plan is without it
}

// obstacles keep root from changing what is in /etc; ETC is a file system of its own there, mounted before.
var obstacles = []obstacle{
	{
		"a read-only mount", "mount --bind /etc /etc && mount -o remount,bind,ro /etc", "umount /etc",
		"read-only file system", `\"findmnt -T /etc`,
		[]string{"write-file", "set-mode", "set-link"},
		false,
	},
	{
		"a read-only file system", "mount -o remount,ro /etc", "mount -o remount,rw /etc",
		"read-only file system", `\"findmnt -T /etc`,
		[]string{"write-file", "set-mode", "set-link"},
		false,
	},
	{
		"a full disk",
		"i=0; while mkdir /etc/full.$i 2>/dev/null; do i=$((i + 1)); done; cat /dev/zero >/etc/full.0/zero 2>/dev/null; true",
		"rm -rf /etc/full.*", "no space left on device", `\"df -h /etc\"`,
		[]string{"write-file", "set-link"},
		false,
	},
	{
		"an immutable file", "chattr +i /etc/resolv.conf", "chattr -i /etc/resolv.conf",
		"operation not permitted", `\"lsattr -d /etc`,
		[]string{"write-file", "set-mode"},
		true,
	},
	{
		"an immutable directory", "chattr +i /etc", "chattr -i /etc",
		"operation not permitted", `\"lsattr -d /etc`,
		[]string{"write-file", "set-link"},
		false,
	},
}

// TestUnwritable: a repair of each kind of write to a file meets what root cannot write to. It says that nothing was
// changed, what is in the way and how to see it; nothing waits; and once that is away, the same command repairs the host.
// An undo that meets it leaves the repair one that can be taken back.
func TestUnwritable(t *testing.T) {
	t.Parallel()
	const good = "nameserver " + linuxnet.Addr4 + "\n"
	for _, w := range []struct{ kind, id, spoil string }{
		{"write-file", "glibc-skips-line", "printf '# mine\\nnameserver " + linuxnet.Addr4 + "\\r\\n' >/etc/resolv.conf"},
		{"set-mode", "not-readable-by-builders", "echo " + strings.TrimSpace(good) + " >/etc/resolv.conf; chmod 600 /etc/resolv.conf"},
		{
			"set-link", "dangling-link", "mkdir -p /run/NetworkManager; echo " + strings.TrimSpace(good) +
				" >/run/NetworkManager/resolv.conf; ln -sf /run/gone/resolv.conf /etc/resolv.conf",
		},
	} {
		t.Run(w.kind, func(t *testing.T) {
			t.Parallel()
			h := linuxnet.New(t, linuxnet.Options{Nix: true})
			h.Copy(t, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), program, 0o755)
			// A file system of which all that is there can be used up, and on which files can be made immutable.
			h.Run(t, "/bin/bash", "-c", `set -e
				truncate -s 12M /srv/image; mkfs.ext4 -q -N 256 /srv/image; mkdir -p /srv/etc; mount -o loop /srv/image /srv/etc
				cd /etc; tar cf - --one-file-system hosts passwd group nsswitch.conf nix os-release 2>/dev/null | tar xf - -C /srv/etc
				umount /srv/etc; mount -o loop /srv/image /etc; rm -f /etc/resolv.conf
				`+w.spoil)
			h.Resolver(t, linuxnet.Addr4)
			repair := []string{
				"repair", "resolv-conf", "--passive", "--name", linuxnet.Name, "--yes", "--accept", "resolv-conf/" + w.id,
			}
			etc := func() string {
				return h.Run(t, "/bin/sh", "-c", "ls -lAR --time-style=+ /etc | grep -v '^total\\|full'; cat /etc/resolv.conf 2>&1 || true")
			}
			settled := func(where string, before string, o outcome) {
				t.Helper()
				if o.Exit != 3 || o.Outcome.Result != "abandoned" {
					t.Errorf("%s: exit %d, %s", where, o.Exit, o.Outcome.Result)
				}
				in := obstacles[slices.IndexFunc(obstacles, func(o obstacle) bool { return strings.HasPrefix(where, o.name) })]
				for _, text := range []string{in.error, in.hint} {
					if !strings.Contains(o.Said, text) {
						t.Errorf("%s: no %s in %s", where, text, o.Said)
					}
				}
				if now := etc(); now != before {
					t.Errorf("%s: /etc was\n%sand is\n%s", where, before, now)
				}
				if waits := lixfix(t, h, "resume", "--dry-run"); waits.Outcome.Result != "nothing-to-do" {
					t.Errorf("%s: something waits: %+v", where, waits)
				}
			}
			for _, in := range obstacles {
				if !slices.Contains(in.stops, w.kind) {
					continue
				}
				ill := etc()
				h.Run(t, "/bin/sh", "-c", in.put)
				replays.Record(t, w.kind+", "+in.name, h, program, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"),
					"resolv-conf", "--name", linuxnet.Name)
				before := etc()
				o := lixfix(t, h, slices.Clone(repair)...)
				if in.seen {
					if o.Outcome.Result != "nothing-to-do" || etc() != before {
						t.Errorf("%s: exit %d, %s, and now\n%s", in.name, o.Exit, o.Outcome.Result, etc())
					}
				} else {
					settled(in.name, before, o)
				}
				h.Run(t, "/bin/sh", "-c", in.away)
				if o = lixfix(t, h, slices.Clone(repair)...); o.Outcome.Result != "finished" {
					t.Fatalf("%s is away, and the repair ended with %d, %s", in.name, o.Exit, o.Outcome.Result)
				}
				h.Run(t, "/bin/sh", "-c", in.put)
				settled(in.name+", undo", etc(), lixfix(t, h, "undo", "--yes"))
				h.Run(t, "/bin/sh", "-c", in.away)
				if o = lixfix(t, h, "undo", "--yes"); o.Exit != 0 {
					t.Errorf("%s is away, and undo ended with %d, %s", in.name, o.Exit, o.Outcome.Result)
				}
				if now := etc(); now != ill {
					t.Errorf("%s: /etc was\n%sand is\n%s", in.name, ill, now)
				}
			}
		})
	}
}

// TestUnwritableLater: the second of two writes meets it. What was done waits; resume says why it cannot go on, and undo
// takes the first one back.
func TestUnwritableLater(t *testing.T) {
	t.Parallel()
	h := linuxnet.New(t, linuxnet.Options{Nix: true})
	h.Copy(t, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), program, 0o755)
	h.Run(t, "/bin/bash", "-c", `set -e
		mkdir -m 0700 /var/private /var/private/sub; echo nameserver `+linuxnet.Addr4+` >/var/private/sub/resolv.conf
		ln -sf /var/private/sub/resolv.conf /etc/resolv.conf
		mount --bind /var/private/sub /var/private/sub; mount -o remount,bind,ro /var/private/sub`)
	h.Resolver(t, linuxnet.Addr4)
	modes := func() string {
		return h.Run(t, "/usr/bin/stat", "-c", "%a", "/var/private", "/var/private/sub")
	}
	repair := []string{
		"repair", "resolv-conf", "--passive", "--name", linuxnet.Name, "--yes", "--accept", "resolv-conf/not-readable-by-builders",
	}
	const hint = `\"findmnt -T /var/private/sub\"`
	half := func(o outcome) {
		t.Helper()
		if o.Exit != 4 || o.Outcome.Result != "unfinished" || !strings.Contains(o.Said, hint) {
			t.Errorf("exit %d, %s, without %s: %s", o.Exit, o.Outcome.Result, hint, o.Said)
		}
		if now := modes(); now != "701\n700\n" {
			t.Errorf("the modes are %q", now)
		}
	}
	replays.Record(t, "a file below a read-only mount", h, program, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"),
		"resolv-conf", "--name", linuxnet.Name)
	for _, end := range []string{"undo", "resume"} {
		half(lixfix(t, h, slices.Clone(repair)...))
		half(lixfix(t, h, "resume", "--yes"))
		want := "700\n700\n"
		if end == "resume" {
			h.Run(t, "/bin/umount", "/var/private/sub")
			want = "701\n701\n"
		}
		if o := lixfix(t, h, end, "--yes"); o.Exit != 0 || modes() != want {
			t.Errorf("%s ended with %d, %s; the modes are %q", end, o.Exit, o.Outcome.Result, modes())
		}
	}
}
