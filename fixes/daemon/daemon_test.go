package daemon_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/daemon"
	"github.com/lixfix/lixfix/fixes/figure"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/fixtest"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/platformtest/memory"
)

var (
	root = platform.Facts{OS: platform.Linux, Arch: "amd64"}
	user = platform.Facts{OS: platform.Linux, Arch: "amd64", UID: 1000}
)

const (
	passwd = `
/etc/passwd = root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n
/etc/group = root:x:0:\nnixbld:x:30000:nixbld1\n
0700 0 /root/
`
	store = passwd + `
/nix/var/nix/db/db.sqlite = x
/nix/store/
`
	socket  = "/nix/var/nix/daemon-socket/socket socket\n"
	booted  = "/run/systemd/system/\n"
	lixPath = "/nix/store/00000000000000000000000000000000-lix-2.95.1"
	oldPath = "/nix/store/11111111111111111111111111111111-lix-2.93.4"
	nixPath = "/nix/store/22222222222222222222222222222222-nix-2.34.8"
	profile = "/nix/var/nix/profiles/default"
	lib     = profile + "/lib/systemd/system/"
	etc     = "/etc/systemd/system/"
	usr     = "/usr/lib/systemd/system/"
	wants   = etc + "sockets.target.wants/nix-daemon.socket -> x\n"

	socketText   = `[Socket]\nListenStream=/nix/var/nix/daemon-socket/socket\n[Install]\nWantedBy=sockets.target\n`
	acceptText   = `[Socket]\nListenStream=/nix/var/nix/daemon-socket/socket\nAccept=yes\n[Install]\nWantedBy=sockets.target\n`
	debian       = usr + "nix-daemon.socket = " + socketText + "\n" + usr + `nix-daemon.service = [Service]\nExecStart=@/usr/bin/nix-daemon nix-daemon --daemon\n` + "\n" + wants
	debianNix    = "/usr/bin/nix = x\n/usr/bin/nix-store -> nix\n/usr/bin/nix-daemon -> nix\n"
	debianIs     = `/var/lib/dpkg/info/nix-bin.list = /usr/bin/nix\n/usr/bin/nix-daemon\n` + "\n" + `/var/lib/dpkg/status = Package: nix-bin\nVersion: 2.8.0-1\n` + "\n"
	lixReceipt   = `/nix/receipt.json = {"version":"0.17.1","actions":[],"planner":{"planner":"linux","settings":{"enable_flakes":true}}}` + "\n"
	determinates = "/usr/local/bin/determinate-nixd = x\n" + etc + `nix-daemon.service = [Service]\nExecStart=@/usr/local/bin/determinate-nixd determinate-nixd daemon\n[Install]\nWantedBy=multi-user.target\n` +
		"\n" + etc + "nix-daemon.socket = " + socketText + "\n" + wants
)

// in has a profile with the programs of a store path.
func in(path string) string {
	return path + "/bin/nix = x\n" + path + "/bin/nix-daemon -> nix\n" + path + "/bin/nix-store -> nix\n" + profile + " -> " + path + "\n"
}

// linked has an installer's links to the units of a store path.
func linked(path, text string) string {
	service := `[Service]\nExecStart=@` + path + `/bin/nix-daemon nix-daemon --daemon\n`
	lines := path + "/lib/systemd/system/nix-daemon.socket = " + text + "\n" + path + "/lib/systemd/system/nix-daemon.service = " + service + "\n" + wants +
		etc + "nix-daemon.socket -> " + lib + "nix-daemon.socket\n" + etc + "nix-daemon.service -> " + lib + "nix-daemon.service\n"
	if text == acceptText {
		lines += path + "/lib/systemd/system/nix-daemon@.service = " + service + "\n" + etc + "nix-daemon@.service -> " + lib + "nix-daemon@.service\n"
	}
	return lines
}

func greeted(version string) *nixdaemon.Answer {
	return &nixdaemon.Answer{
		Outcome: nixdaemon.Greeted, Peer: nixdaemon.Peer{PID: 1}, Protocol: 0x123, Version: version, Trust: nixdaemon.Trusted, Took: time.Millisecond,
	}
}

// show is what systemctl says of the two units.
func show(socket, service string) map[string]string {
	return map[string]string{"systemctl": "Id=nix-daemon.socket\nUnitFileState=enabled\n" + socket + "\n\nId=nix-daemon.service\n" + service + "\n"}
}

const (
	loaded  = "LoadState=loaded\nActiveState=inactive\nSubState=dead\nResult=success\nExecMainStatus=0"
	missing = "LoadState=not-found\nActiveState=inactive\nSubState=dead\nResult=success\nExecMainStatus=0"
)

var hosts = []struct {
	name   string
	system platform.Facts
	files  string
	daemon *nixdaemon.Answer
	tools  map[string]string
	id     string
	status fix.Status
}{
	// Where nothing is wrong.
	{"no Nix", root, passwd, nil, nil, "not-here", fix.NotApplicable},
	{"leftovers", root, passwd + "/nix/store/\n/etc/nix/nix.conf = \n" + etc + "nix-daemon.service -> /nix/gone\n", nil, nil, "not-here", fix.NotApplicable},
	{"Debian's nix-bin before its first use", root, passwd + booted + debianNix + debianIs, nil, nil, "not-needed", fix.OK},
	{"Debian's nix-setup-systemd", root, store + booted + socket + debian + debianNix + debianIs, greeted("2.8.0"), nil, "answers", fix.OK},
	{"Debian's, seen by a user", user, store + booted + socket + debian + debianNix + debianIs, greeted("2.8.0"), nil, "answers", fix.OK},
	{"the Lix installer's 2.95", root, store + booted + socket + in(lixPath) + linked(lixPath, acceptText) + lixReceipt, greeted("2.95.1"), nil, "answers", fix.OK},
	{"the Lix installer's 2.93", user, store + booted + socket + in(oldPath) + linked(oldPath, socketText) + lixReceipt, greeted("2.93.4"), nil, "answers", fix.OK},
	{"Determinate Nix", root, store + booted + socket + in(nixPath) + determinates, greeted("2.31.1"), nil, "answers", fix.OK},
	{
		"NixOS", root, store + booted + socket + "/etc/NIXOS = \n/run/current-system/sw/bin/nix -> " + lixPath + "/bin/nix\n" + in(lixPath) +
			etc + "nix-daemon.socket = " + socketText + "\n" + etc + "nix-daemon.service = [Service]\\nExecStart=\\nExecStart=@" + lixPath + "/bin/nix-daemon nix-daemon --daemon\\n\n" + wants,
		greeted("2.95.1"), nil, "answers", fix.OK,
	},
	{"a single-user installation", user, passwd + "0755 1000 /nix/\n0755 1000 /nix/var/nix/db/\n0755 1000 /nix/var/nix/\n0755 1000 /nix/store/\n/nix/var/nix/db/db.sqlite = x\n/home/alice/.nix-profile/bin/nix -> " + nixPath + "/bin/nix\n" + nixPath + "/bin/nix = x\n", nil, nil, "not-needed", fix.OK},
	{"a container that root alone uses", root, store + "/.dockerenv = \n/root/.nix-profile/bin/nix -> " + nixPath + "/bin/nix\n" + nixPath + "/bin/nix = x\n", nil, nil, "not-needed", fix.OK},
	{"a container with units that nothing starts", root, store + "/.dockerenv = \n/nix/var/nix/daemon-socket/\n" + debian + debianNix, nil, nil, "no-init", fix.OK},
	{"a daemon of OpenRC's", user, store + socket + debianNix, greeted("2.34.8"), nil, "answers", fix.OK},
	{"WSL with systemd", user, store + booted + "/proc/sys/kernel/osrelease = 5.15.0-microsoft-standard-WSL2\n" + socket + debian + debianNix, greeted("2.34.8"), nil, "answers", fix.OK},
	{"a service without a socket", root, store + booted + socket + debianNix + etc + `nix-daemon.service = [Service]\nExecStart=/usr/bin/nix-daemon --daemon\n` + "\n" + etc + "multi-user.target.wants/nix-daemon.service -> x\n", greeted("2.34.8"), nil, "answers", fix.OK},

	// Where something is.
	{"a container's users", user, store + "/.dockerenv = \n/nix/var/nix/daemon-socket/\n" + debian + debianNix, nil, nil, "no-init", fix.Broken},
	{"WSL without systemd", root, store + "/proc/sys/kernel/osrelease = 4.4.0-19041-Microsoft\n/nix/var/nix/daemon-socket/\n" + debian + debianNix, nil, nil, "no-init", fix.Broken},
	{"WSL2 that is to have systemd", user, store + "/proc/sys/kernel/osrelease = 5.15.0-microsoft-standard-WSL2\n/etc/wsl.conf = [boot]\\nsystemd = true\\n\n/nix/var/nix/daemon-socket/\n" + debian + debianNix, nil, nil, "no-init", fix.Broken},
	{"OpenRC, and the daemon ended", root, store + socket + debianNix, nil, nil, "stale-socket", fix.Broken},
	{"a mount that is not there", root, passwd + booted + "/etc/fstab = UUID=x /nix btrfs subvol=nix 0 0\n/proc/self/mountinfo = 1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\n/nix/\n" + debian + debianNix, nil, nil, "not-mounted", fix.Broken},
	{
		"SELinux", root, store + booted + "/sys/fs/selinux/enforce = 1\n" + socket + in(oldPath) + linked(oldPath, socketText), nil,
		show(missing, missing), "selinux", fix.Broken,
	},
	{"units read too early", root, store + booted + socket + in(oldPath) + linked(oldPath, socketText), nil, show(missing, missing), "needs-reload", fix.Broken},
	{
		"units read before /nix was mounted", root, store + booted + "/proc/self/mountinfo = 1 0 8:1 / / rw - ext4 /dev/sda1 rw\\n2 1 8:2 / /nix rw - btrfs /dev/sda2 rw\\n\n" + socket + in(oldPath) + linked(oldPath, socketText),
		nil, show(missing, missing), "boot-race", fix.Broken,
	},
	{
		"a condition that is not met", root, store + booted + socket + debian + debianNix + etc + "nix-daemon.socket.d/x.conf = [Unit]\\nConditionPathExists=/nowhere\\n\n", nil,
		show(loaded+"\nConditionResult=no\nConditionTimestampMonotonic=1234", loaded+"\nConditionResult=no\nConditionTimestampMonotonic=0"), "condition-failed", fix.Broken,
	},
	{
		"a condition that nobody has looked at", root, store + booted + socket + debian + debianNix + etc + "nix-daemon.socket.d/x.conf = [Unit]\\nConditionPathExists=/nowhere\\n\n", nil,
		show(loaded+"\nConditionResult=no\nConditionTimestampMonotonic=0", loaded+"\nConditionResult=no\nConditionTimestampMonotonic=0"), "stopped", fix.Broken,
	},
	{
		"a daemon that listens by itself", user, store + booted + socket + debian + debianNix,
		&nixdaemon.Answer{Outcome: nixdaemon.Greeted, Peer: nixdaemon.Peer{PID: 4711}, Protocol: 0x123, Version: "2.93.4", Took: time.Millisecond}, nil, "service-alone", fix.AtRisk,
	},
	{
		"killed for lack of memory", root, store + booted + socket + debian + debianNix, nil,
		show("LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=service-start-limit-hit", "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=oom-kill\nExecMainStatus=9"), "oom-killed", fix.Broken,
	},
	{
		"a socket that could not be opened", root, store + booted + socket + debian + debianNix, nil,
		show("LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=resources", loaded), "socket-failed", fix.Broken,
	},
	{"systemd cannot be asked", root, store + booted + socket + debian + debianNix, nil, nil, "unknown", fix.Unknown},
	{"a socket that a user may have put there", root, store + booted + "0755 1000 /nix/var/nix/daemon-socket/\n" + socket + debian + debianNix, greeted("2.8.0"), nil, "socket-dir-owner", fix.Broken},
	{"a socket of a user's", root, store + booted + "0666 1000 /nix/var/nix/daemon-socket/socket socket\n" + debian + debianNix, greeted("2.8.0"), nil, "unknown", fix.Unknown},
	{"another user listens", root, store + booted + socket + debian + debianNix, &nixdaemon.Answer{Outcome: nixdaemon.Stranger, Peer: nixdaemon.Peer{PID: 7, UID: 1000}}, nil, "unknown", fix.Unknown},
	{"an old daemon for a new Lix", root, store + booted + socket + in(lixPath) + linked(lixPath, acceptText), &nixdaemon.Answer{Outcome: nixdaemon.Old, Protocol: 0x122, Version: "2.8.0"}, nil, "too-old", fix.Broken},
	{"the daemon of before an upgrade", user, store + booted + socket + in(lixPath) + linked(lixPath, acceptText), greeted("2.93.4"), nil, "older", fix.AtRisk},
	{"a store that does not open", root, store + booted + socket + debian + debianNix, &nixdaemon.Answer{Outcome: nixdaemon.Refused, Protocol: 0x123, Text: "the store is corrupt"}, nil, "refuses", fix.Broken},
	{
		"a member of the group of the build users", user, strings.Replace(store, "alice:x:1000:1000", "alice:x:1000:30000", 1) + booted + socket + debian + debianNix,
		&nixdaemon.Answer{Outcome: nixdaemon.Closed, Err: io.EOF}, nil, "not-allowed", fix.Broken,
	},
	{
		"closed, for a reason that is in its log", root, store + booted + socket + debian + debianNix, &nixdaemon.Answer{Outcome: nixdaemon.Closed, Err: io.EOF},
		show("LoadState=loaded\nActiveState=active\nSubState=running\nResult=success", "LoadState=loaded\nActiveState=active\nResult=success"), "closes", fix.Broken,
	},
	{"closed by a directory that a user may not enter", user, store + booted + "0700 0 /nix/var/nix/daemon-socket/\n" + socket + debian + debianNix, greeted("2.8.0"), nil, "socket-dir-mode", fix.Broken},
}

// TestHostsByFiles: what is found on hosts of every shape, by files alone where a daemon answers.
func TestHostsByFiles(t *testing.T) {
	f := daemon.New()
	witness := fixtest.NewWitness(f)
	for _, host := range hosts {
		t.Run(host.name, func(t *testing.T) {
			h := memory.New(host.system, host.files)
			h.Daemon, h.Tools = host.daemon, host.tools
			found, err := f.Detect(t.Context(), h, nil)
			if err != nil || len(found) != 1 || found[0].ID != "daemon/"+host.id || found[0].Status != host.status {
				t.Fatalf("%+v, %v; want %s", found, err, host.id)
			}
			witness.Saw(t, host.name, found)
			fixtest.Recorded(t, f, h, nil)
			for _, err := range fixtest.Problems(f, found[0]) {
				t.Error(err)
			}
			if host.status == fix.OK && slices.ContainsFunc(h.Asked, func(n string) bool { return strings.HasPrefix(n, "query") }) {
				t.Errorf("it ran a tool on a host that is well: %v", h.Asked)
			}
			p, err := f.(fix.Drawer).Draw(t.Context(), h, nil)
			if err != nil {
				t.Fatal(err)
			}
			below := true
			for _, r := range p.Graph.(daemon.Ladder).Rungs {
				if !below && r.Mark != daemon.NotLooked {
					t.Errorf("%s was looked at, above what is broken", r.Name)
				}
				below = below && r.Mark != daemon.Broken
				if r.Finding == "" {
					continue
				}
				// What the states of units tell is found wherever they are needed first.
				needed := []string{"socket", "connection", "greeting"}
				drawn, _ := f.(fix.Sketcher).Sketch(fix.KindOf(f, r.Finding))
				if at := sketched(drawn); at != "" && at != r.Name && (!slices.Contains(needed, at) || !slices.Contains(needed, r.Name)) {
					t.Errorf("%s is drawn at the rung %s, and found at %s", r.Finding, at, r.Name)
				}
			}
			for _, f := range p.Figures {
				for _, line := range f.Lines() {
					if len([]rune(line)) > 80 {
						t.Errorf("a line of %d columns: %s", len([]rune(line)), line)
					}
				}
			}
			if !strings.HasPrefix(p.Dot, "digraph") || strings.Count(p.Dot, "->") != len(p.Graph.(daemon.Ladder).Rungs)-1 {
				t.Errorf("%s", p.Dot)
			}
		})
	}
	witness.Testify(t, "files")
}

// TestUsersUnits: where the store is a user's, the units of its profile are, and so is what tmpfiles.d leads to there. Root
// opens no directory of its own for them, and makes none that others can write to.
func TestUsersUnits(t *testing.T) {
	const hers = "0755 1000 /nix/\n0755 1000 /nix/var/\n0755 1000 /nix/var/nix/\n0755 1000 /nix/var/nix/profiles/\n" +
		"0755 1000 /nix/store/\n/nix/var/nix/db/db.sqlite = x\n" + booted
	for name, files := range map[string]string{
		"a directory of root's for a socket": in(oldPath) + linked(oldPath, `[Socket]\nListenStream=/root/secret/socket\n[Install]\nWantedBy=sockets.target\n`) +
			"0700 0 /root/secret/\n/root/secret/socket socket\n/nix/var/nix/daemon-socket/\n",
		"a mode for the directory of the socket": in(oldPath) + linked(oldPath, socketText) +
			"/etc/tmpfiles.d/nix-daemon.conf -> /nix/store/tmpfiles.conf\n/nix/store/tmpfiles.conf = d /nix/var/nix/daemon-socket 0775 root root\\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			h := memory.New(root, hers+files)
			h.Tools = show(loaded, loaded)
			f := daemon.New()
			found, err := f.Detect(t.Context(), h, nil)
			if err != nil {
				t.Fatal(err)
			}
			p, err := f.Plan(t.Context(), h, fix.Request{Allowed: func(string, fix.Class) bool { return true }})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range p.Entries {
				if text := e.Step.String(); strings.Contains(text, "secret") || strings.Contains(text, "0775") {
					t.Errorf("%s, for %+v", text, found)
				}
			}
			if strings.Contains(fmt.Sprintf("%+v", found), "secret") {
				t.Errorf("%+v", found)
			}
		})
	}
}

// TestUnlucky: whatever systemd says, one cause is found, and nothing panics.
func TestUnlucky(t *testing.T) {
	f := daemon.New()
	for _, load := range []string{"loaded", "not-found", "masked", "bad-setting", "error", ""} {
		for _, active := range []string{"active", "inactive", "failed", "activating", "maintenance", ""} {
			for _, result := range []string{"success", "resources", "service-start-limit-hit", "exit-code", "oom-kill", "trigger-limit-hit", ""} {
				for _, files := range []string{debian, linked(oldPath, socketText), linked(lixPath, acceptText)} {
					state := fmt.Sprintf("LoadState=%s\nActiveState=%s\nSubState=x\nResult=%s\nExecMainStatus=1", load, active, result)
					h := memory.New(root, store+booted+socket+files+debianNix+in(oldPath)+lixPath+"/bin/nix = x\n"+lixPath+"/bin/nix-daemon = x\n")
					h.Tools = show(state, state)
					found, err := f.Detect(t.Context(), h, nil)
					if err != nil || len(found) != 1 || found[0].Status == fix.OK {
						t.Errorf("%s %s %s: %+v, %v", load, active, result, found, err)
						continue
					}
					for _, err := range fixtest.Problems(f, found[0]) {
						t.Errorf("%s %s %s: %v", load, active, result, err)
					}
				}
			}
		}
	}
}

// FuzzHost: whatever stands in the units and whatever systemd says, one thing is found, and it is in the table.
func FuzzHost(f *testing.F) {
	f.Add("[Socket]\nListenStream=/nix/var/nix/daemon-socket/socket\n", "[Service]\nExecStart=/usr/bin/nix-daemon --daemon\n", show(loaded, loaded)["systemctl"], true)
	f.Add("[Socket]\nAccept=yes\nListenStream=../x\n", "", show(missing, missing)["systemctl"], false)
	f.Add("[Unit]\nConditionPathExists=/x\n[Socket]\nListenStream=\n", "[Service]\nExecStart=a\nExecStart=b\n", show(loaded+"\nConditionTimestampMonotonic=1", loaded)["systemctl"], false)
	f.Fuzz(func(t *testing.T, socketUnit, serviceUnit, says string, answers bool) {
		for _, who := range []platform.Facts{root, user} {
			h := memory.New(who, store+booted+socket+debianNix+wants)
			h.Put(usr+"nix-daemon.socket", memory.File{Data: socketUnit, Mode: 0o644})
			h.Put(usr+"nix-daemon.service", memory.File{Data: serviceUnit, Mode: 0o644})
			h.Tools = map[string]string{"systemctl": says, "journalctl": says}
			if answers {
				h.Daemon = greeted("2.8.0")
			}
			fixed := daemon.New()
			found, err := fixed.Detect(t.Context(), h, nil)
			if err != nil || len(found) == 0 {
				t.Fatalf("%+v, %v", found, err)
			}
			for _, one := range found {
				for _, err := range fixtest.Problems(fixed, one) {
					// What the host itself has may look like a parameter, or end in a full stop.
					if !strings.Contains(err.Error(), "nothing stands for") && !strings.Contains(err.Error(), "full stop") {
						t.Error(err)
					}
				}
			}
			if _, err := fixed.Plan(t.Context(), h, fix.Request{Allowed: func(string, fix.Class) bool { return true }}); err != nil {
				t.Error(err)
			}
		}
	})
}

// BenchmarkHealthy looks at a host whose daemon answers: what lixfix makes of it, without the files, the daemon, and the
// start of a program.
func BenchmarkHealthy(b *testing.B) {
	for name, files := range map[string]string{"Debian": debian + debianNix + debianIs, "Lix": in(lixPath) + linked(lixPath, acceptText) + lixReceipt} {
		b.Run(name, func(b *testing.B) {
			f := daemon.New()
			for b.Loop() {
				h := memory.New(root, store+booted+socket+files)
				h.Daemon = greeted("2.95.1")
				if _, err := f.Detect(b.Context(), h, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// sketched is the rung that a picture of a finding is about.
func sketched(f figure.Figure) string {
	for _, r := range f.Rows {
		if r.Cells[1] != "" && r.Mark != figure.Skipped {
			return r.Cells[0]
		}
	}
	return ""
}

// TestSketch: every finding but the one that lixfix cannot tell has its place on the ladder, with the rungs as they are
// climbed, and nothing above what is broken is looked at.
func TestSketch(t *testing.T) {
	f := daemon.New()
	var all []string
	well, _ := f.(fix.Sketcher).Sketch(fix.KindOf(f, "daemon/answers"))
	for _, r := range well.Rows {
		all = append(all, r.Cells[0])
	}
	for _, k := range f.Kinds() {
		drawn, says := f.(fix.Sketcher).Sketch(k)
		if k.ID == "daemon/unknown" {
			if len(drawn.Rows) > 0 {
				t.Errorf("%s: nobody knows where it is", k.ID)
			}
			continue
		}
		var names []string
		over := false
		for _, r := range drawn.Rows {
			names = append(names, r.Cells[0])
			if (r.Mark == figure.Skipped) != over {
				t.Errorf("%s: %v", k.ID, r)
			}
			over = over || r.Mark == figure.Bad || r.Cells[1] != "" && r.Mark == figure.Good
		}
		if len(all) != 9 || !slices.Equal(names, all) || says == "" || (sketched(drawn) == "") != (k.ID == "daemon/answers") {
			t.Errorf("%s: %v %q", k.ID, drawn.Rows, says)
		}
	}
}
