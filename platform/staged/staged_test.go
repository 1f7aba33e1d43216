//go:build linux

// Package staged writes to real files of staged hosts, as root and through package platform, while a user turns the
// directories that they are in, and on the file systems that hosts have.
package staged

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// inside tells this program, copied to a host, to write there.
const inside = "LIXFIX_STAGED"

func TestMain(m *testing.M) {
	if what := os.Getenv(inside); what != "" {
		if err := jobs[what](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	linuxnet.Clean()
	os.Exit(code)
}

// jobs are what this program does on a host.
var jobs = map[string]func([]string) error{"race": race, "rewrite": rewrite, "listen": listen}

const program = "/opt/staged/test"

// host stages a host with this program on it.
func host(t *testing.T) *linuxnet.Host {
	t.Helper()
	h := linuxnet.New(t, linuxnet.Options{Mode: linuxnet.None, Nix: true})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h.Copy(t, self, program, 0o755)
	return h
}

func run(t *testing.T, h *linuxnet.Host, job string, args ...string) string {
	t.Helper()
	return h.Run(t, "/usr/bin/env", append([]string{inside + "=" + job, program}, args...)...)
}

// secrets is a directory of root's that has in it what root writes to in other directories.
const secrets = "/root/secrets"

// calls are the writes of a Host, each to one name.
var calls = map[string]func(context.Context, platform.Host, string) error{
	"WriteFile": func(ctx context.Context, h platform.Host, dir string) error {
		return h.WriteFile(ctx, dir+"/file", platform.Content{Data: []byte("written\n"), Mode: 0o644})
	},
	"SetMode": func(ctx context.Context, h platform.Host, dir string) error {
		return h.SetMode(ctx, dir+"/file", 0o777)
	},
	"SetLink": func(ctx context.Context, h platform.Host, dir string) error {
		return h.SetLink(ctx, dir+"/link", "/etc/passwd")
	},
	"Remove": func(ctx context.Context, h platform.Host, dir string) error { return h.Remove(ctx, dir+"/file") },
	"Tidy":   func(ctx context.Context, h platform.Host, dir string) error { return h.Tidy(ctx, dir+"/file") },
}

// outcome is what became of the turns of one call.
type outcome struct {
	Turns, Landed, Done int
	Refusals            map[string]int // by their text
}

// race calls every write N times for a directory that somebody turns meanwhile.
func race(args []string) error {
	var n int
	if _, err := fmt.Sscan(args[0], &n); err != nil {
		return err
	}
	all := map[string]*outcome{}
	m := platform.Local()
	before := inventory()
	for name, call := range calls {
		o := &outcome{Refusals: map[string]int{}}
		all[name] = o
		for range n {
			err := call(context.Background(), m, args[1])
			o.Turns++
			if err == nil {
				o.Done++
			} else {
				o.Refusals[err.Error()]++
			}
			if now := inventory(); now != before {
				o.Landed++
				before = now
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(all)
}

// inventory is all that there is in the directory of root's.
func inventory() string {
	var all strings.Builder
	err := filepath.WalkDir(secrets, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		data := ""
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			data = string(content)
		}
		fmt.Fprintf(&all, "%s %v %q\n", name, info.Mode(), data)
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return all.String()
}

// TestTurnedDirectories: somebody else owns a directory on the way to what root writes to, and exchanges it with a link to
// a directory of root's all the time. Nothing lands there, and the refusal says whose it is.
func TestTurnedDirectories(t *testing.T) {
	t.Parallel()
	const each = 1000 // turns for each of five calls in each of four places
	places := []struct {
		name, stage string
		first       string // and second, with .hers behind it, are exchanged
		dir         string // in which root writes
		says        []string
	}{
		{
			"her directory", "mkdir /home/alice/d; chown alice /home/alice/d", "/home/alice/d", "/home/alice/d",
			[]string{"/home/alice", "alice"},
		},
		{
			"root's directory in hers",
			"mkdir -p /home/alice/d/sub; chown alice /home/alice/d; mkdir -p " + secrets + "/sub; " +
				"cp " + secrets + "/file " + secrets + "/sub",
			"/home/alice/d", "/home/alice/d/sub",
			[]string{"/home/alice", "alice"},
		},
		{
			"a directory of her group",
			"mkdir -m 2775 /opt/group; chgrp alice /opt/group; mkdir /opt/group/d; chown alice /opt/group/d",
			"/opt/group/d", "/opt/group/d",
			[]string{"/opt/group"},
		},
		{
			"her directory in a sticky one",
			"mkdir -m 1777 /opt/all; chmod 1777 /opt/all; mkdir /opt/all/d; chown alice /opt/all/d", "/opt/all/d",
			"/opt/all/d",
			[]string{"/opt/all"},
		},
	}
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			h := host(t)
			attacker := linuxnet.Program(t, "github.com/lixfix/lixfix/platform/platformtest/attacker")
			h.Copy(t, attacker, "/opt/attack/attacker", 0o755)
			h.Run(t, "/bin/bash", "-c",
				"set -e; mkdir -m 0700 "+secrets+"; echo secret >"+secrets+"/file; chmod 0600 "+secrets+"/file; "+
					"ln -s nowhere "+secrets+"/link; echo kept >"+secrets+"/.file.lixfix-new\n"+p.stage)
			h.Run(t, "/bin/bash", "-c",
				fmt.Sprintf("set -e; cp %[1]s/file %[2]s/file; ln -s %[1]s %[3]s.hers; chown -h alice %[3]s.hers", secrets,
					p.dir, p.first))
			h.Start(t, h.UserCommand("/opt/attack/attacker", "attack", "swap", p.first, p.first+".hers"))
			var all map[string]outcome
			out := run(t, h, "race", fmt.Sprint(each), p.dir)
			if err := json.Unmarshal([]byte(out), &all); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for name, o := range all {
				if o.Turns != each || o.Landed > 0 || o.Done > 0 {
					t.Errorf("%s: of %d turns, %d landed in root's directory, and %d were done somewhere", name, o.Turns,
						o.Landed, o.Done)
				}
				for refusal, times := range o.Refusals {
					for _, word := range p.says {
						if !strings.Contains(refusal, word) {
							t.Errorf("%s: %d refusals do not name %s: %s", name, times, word, refusal)
						}
					}
				}
			}
		})
	}
}

// rewrite replaces a file by one with other content, and the same owner and mode.
func rewrite(args []string) error {
	m, ctx := platform.Local(), context.Background()
	info, err := m.Stat(ctx, args[0])
	if err != nil {
		return err
	}
	err = m.WriteFile(ctx, args[0], platform.Content{
		Data: []byte("new\n"), Mode: info.Mode.Perm(), UID: info.UID,
		GID: info.GID,
	})
	return errors.Join(err, m.Tidy(ctx, args[0]))
}

// listen binds a socket, and finds it among those that the kernel tells of by the file that it is bound to.
func listen(args []string) error {
	l, err := net.Listen("unix", args[0])
	if err != nil {
		return err
	}
	defer l.Close()
	m, ctx := platform.Local(), context.Background()
	info, err := m.Stat(ctx, args[0])
	if err != nil {
		return err
	}
	list, err := m.Sockets(ctx)
	if err != nil {
		return err
	}
	for _, s := range list {
		switch {
		case s.Path == args[0] && !s.File.Is(info.File):
			return fmt.Errorf("the kernel says that %s is bound to %+v, and the file is %+v", s.Path, s.File, info.File)
		case s.Path == args[0] && s.State == platform.SocketListening:
			return nil
		}
	}
	return fmt.Errorf("no socket of the name %s", args[0])
}

// systems are the file systems that hosts have; OVER is what is mounted over LOWER.
var systems = func() []struct{ name, mount string } {
	image := func(mkfs, at string) string {
		return "truncate -s 400M /srv/image && " + mkfs + " /srv/image >/dev/null 2>&1 && mount -o loop /srv/image " + at
	}
	const over = " && mkdir /srv/under/{l,u,w} && LOWER=/srv/under/l && " +
		"OVER='-t overlay -o lowerdir=/srv/under/l,upperdir=/srv/under/u,workdir=/srv/under/w overlay'"
	return []struct{ name, mount string }{
		{"tmpfs", "mount -t tmpfs -o mode=755 tmpfs /srv/fs"},
		{"ext4", image("mkfs.ext4 -q", "/srv/fs")},
		{"xfs", image("mkfs.xfs -q", "/srv/fs")},
		{"btrfs", image("mkfs.btrfs -q", "/srv/fs")},
		{
			"a subvolume of btrfs", image("mkfs.btrfs -q", "/srv/under") +
				" && btrfs -q subvolume create /srv/under/sub && mount -o loop,subvol=sub /srv/image /srv/fs",
		},
		{"overlay on tmpfs", "mount -t tmpfs -o mode=755 tmpfs /srv/under" + over},
		{"overlay on ext4", image("mkfs.ext4 -q", "/srv/under") + over},
		{
			"overlay on two", image("mkfs.btrfs -q", "/srv/under") + over +
				" && mount -t tmpfs -o mode=755 tmpfs /srv/under/l",
		},
	}
}()

// TestSocketFiles: on each file system, the socket that listens is known by its file: so the daemon's is.
func TestSocketFiles(t *testing.T) {
	t.Parallel()
	for _, s := range systems {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			h := host(t)
			h.Run(t, "/bin/bash", "-c", "set -e; mkdir -p /srv/fs /srv/under; "+s.mount+`; [ -z "$OVER" ] || mount $OVER /srv/fs`)
			run(t, h, "listen", "/srv/fs/socket")
		})
	}
}

// TestFileSystems: a file that is replaced keeps its owner, its mode, its attributes and its access control list, on
// each file system, and first of all on an overlay, where a file of the lower layer is copied up.
func TestFileSystems(t *testing.T) {
	t.Parallel()
	for _, s := range systems {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			h := host(t)
			h.Run(t, "/bin/bash", "-c", `set -e
				mkdir -p /srv/fs /srv/under
				LOWER=/srv/fs
				`+s.mount+`
				for name in plain attributes; do echo old >$LOWER/$name; chown 1234:30000 $LOWER/$name;
					chmod 0640 $LOWER/$name; done
				setfacl -m u:30001:rw,g:1234:r $LOWER/attributes
				if ! setfattr -n user.lixfix -v kept $LOWER/attributes; then
					setfattr -n trusted.lixfix -v kept $LOWER/attributes
				fi
				cp -p $LOWER/plain $LOWER/sealed
				setfattr -n security.ima -v 0x0404cafe $LOWER/sealed
				[ -z "$OVER" ] || mount $OVER /srv/fs
				# This copies them up, and gives them an attribute of the overlay's, which nobody else is told of.
				touch /srv/fs/plain /srv/fs/attributes`)
			for _, name := range []string{"plain", "attributes"} {
				file := "/srv/fs/" + name
				describe := func() string {
					return h.Run(t, "/bin/bash", "-c",
						"stat -c '%u:%g %a' "+file+"; getfacl -pn "+file+"; getfattr -d -m - "+file+"; ls -A /srv/fs")
				}
				before := describe()
				run(t, h, "rewrite", file)
				if after := describe(); after != before {
					t.Errorf("%s was\n%sand is\n%s", name, before, after)
				}
				// Once more, now that it is a new one.
				run(t, h, "rewrite", file)
				if after := describe(); after != before {
					t.Errorf("%s was\n%sand is, the second time\n%s", name, before, after)
				}
				if got := h.Run(t, "cat", file); got != "new\n" {
					t.Errorf("%s holds %q", name, got)
				}
			}
			// A checksum of the old content is none of the new.
			run(t, h, "rewrite", "/srv/fs/sealed")
			if left := h.Run(t, "getfattr", "-d", "-m", "-", "--absolute-names", "/srv/fs/sealed"); left != "" {
				t.Errorf("the new content has the old one's\n%s", left)
			}
		})
	}
	t.Run("overlay of the host", func(t *testing.T) {
		t.Parallel()
		h := host(t)
		h.Run(t, "touch", "/etc/debian_version") // was in the lower layer
		run(t, h, "rewrite", "/etc/debian_version")
		run(t, h, "rewrite", "/etc/debian_version")
		if got := h.Run(t, "cat", "/etc/debian_version"); got != "new\n" {
			t.Errorf("it holds %q", got)
		}
	})
}
