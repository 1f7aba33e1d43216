//go:build linux

package staged

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// looks are the commands that look with a build, and one that looks without.
var looks = []struct {
	row  string
	args []string
}{
	{"probe", []string{"probe", "--name", linuxnet.Name}},
	{"probe", []string{"probe", "--text", "--name", linuxnet.Name}},
	{"verify", []string{"verify", "--name", linuxnet.Name}},
	{"check", []string{"check"}},
	{"check FIX", []string{"check", "resolv-conf", "--name", linuxnet.Name}},
	{"repair --dry-run", []string{"repair", "resolv-conf", "--dry-run", "--name", linuxnet.Name}},
}

// TestListener: a user may add a program to the store, where it belongs to root like everything there, and listen
// under
// the name of the daemon's socket in a mount namespace of their own. It is not run to ask for its version.
func TestListener(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"nixos-tools/bin/nix", "nix-99.1/bin/nix-daemon", "lix-99.1/bin/nix-store",
		"nix/bin/nix-instantiate",
	} {
		t.Run(strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
			t.Parallel()
			s := stage(t, linuxnet.Options{})
			stop := s.Daemon(t)
			dir, file, _ := strings.Cut(name, "/")
			added := s.alice(`set -e
				mkdir -p ~/` + dir + `/bin ~/socket
				cp ` + hers + ` ~/` + dir + `/` + file + `
				NIX_REMOTE=daemon nix-store --add ~/` + dir)
			evil := added + "/" + file
			if got := s.sh("stat -c '%u %a' " + evil); got != "0 555" {
				t.Fatalf("a file that alice added to the store: %s", got)
			}
			// The daemon is started again afterwards, as the listener that comes last, and by socket as systemd does.
			stop()
			s.attack(s.UserCommand(evil, "attack", "enter", "daemon", "/home/alice/socket"))
			s.sh("rm -f /nix/var/nix/daemon-socket/socket")
			s.Daemon(t)
			s.armed()
			for _, l := range looks {
				e := s.assault(l.row, sockets, 1, call{}, l.args...)
				if strings.Contains(string(e.stdout), "99.1") {
					t.Errorf("%v believes the attacker's version:\n%s", l.args, e.stdout)
				}
			}
		})
	}
}

// owned makes /nix alice's, as a single-user installation does, with a store that the real Nix has made.
func owned(t *testing.T) *site {
	t.Helper()
	s := stage(t, linuxnet.Options{})
	s.sh("rm -rf /nix/var /nix/store; chown alice:alice /nix; sed -i '/build-users-group/d' /etc/nix/nix.conf; " +
		"echo 'build-users-group =' >>/etc/nix/nix.conf")
	s.alice(`set -e
		mkdir -p /nix/store /nix/var/nix/profiles
		NIX_REMOTE=local nix-store --init`)
	return s
}

// turns is how often each race is run, with all commands together.
var turns = linuxnet.Turns(250)

// TestSwap: where /nix belongs to a user, a program in it that is root's when lixfix looks is the user's when it
// runs.
func TestSwap(t *testing.T) {
	t.Parallel()
	const profile = "/nix/var/nix/profiles/default"
	races := []struct {
		name, first, second string
		stage               string // by alice; HONEST is root's program, HERS is hers
	}{
		{"a link in the profile", profile + "/bin/nix", profile + "/bin/nix.hers", `
			mkdir -p ` + profile + `/bin
			ln -s HONEST ` + profile + `/bin/nix; ln -s HERS ` + profile + `/bin/nix.hers
			ln -s HONEST ` + profile + `/bin/nix-store; ln -s HONEST ` + profile + `/bin/nix-build; ln -s HONEST ` + profile + `/bin/nix-instantiate`},
		{"the profile", profile, profile + ".hers", `
			mkdir -p /nix/var/nix/profiles/{1,2}/bin
			for tool in nix nix-store nix-build nix-instantiate; do
				ln -s HONEST /nix/var/nix/profiles/1/bin/$tool; ln -s HERS /nix/var/nix/profiles/2/bin/$tool
			done
			ln -s 1 ` + profile + `; ln -s 2 ` + profile + `.hers`},
		{"the state directory", "/nix/var", "/nix/var.hers", `
			mkdir -p ` + profile + `/bin
			cp -a /nix/var /nix/var.hers
			for tool in nix nix-store nix-build nix-instantiate; do
				ln -s HONEST ` + profile + `/bin/$tool; ln -s HERS /nix/var.hers/nix/profiles/default/bin/$tool
			done`},
		{"the store", "/nix/store", "/nix/store.hers", `
			mkdir -p ` + profile + `/bin /nix/store.hers
			cp -a /nix/store/. /nix/store.hers
			for tool in nix nix-store nix-build nix-instantiate; do ln -s /nix/store/honest/nix ` + profile + `/bin/$tool; done
			mkdir -p /nix/store.hers/honest
			cp -f HERS /nix/store.hers/honest/nix`},
	}
	for _, r := range races {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := owned(t)
			// Tools that have no part in this only cost time.
			s.sh("rm -f /usr/sbin/{nft,iptables-save,ip6tables-save,ip} /usr/bin/{dmesg,journalctl,lsattr,resolvectl,systemctl}; rm -f /bin/ip /sbin/ip")
			s.sh("mkdir /nix/store/honest && cp " + launcher + " /nix/store/honest/nix")
			s.alice("set -e\n" + strings.NewReplacer("HONEST", "/nix/store/honest/nix", "HERS", hers).Replace(r.stage))
			s.armed()
			s.attack(s.byAlice("swap", r.first, r.second))
			for _, race := range []struct {
				row  string
				n    int
				args []string
			}{
				{"check", turns / 10, []string{"check", "--passive"}},
				{"check FIX", turns * 7 / 10, []string{"check", "resolv-conf", "--passive", "--name", linuxnet.Name}},
				{"check FIX", turns / 10, []string{"check", "resolv-conf", "--name", linuxnet.Name}},
				{"probe", turns / 10, []string{"probe", "--name", linuxnet.Name}},
				{"verify", turns / 25, []string{"verify", "--name", linuxnet.Name}},
			} {
				s.race(race.row, files, race.n, race.args...)
			}
		})
	}
}

// race runs a command of lixfix many times while an attack goes on, and counts how often it held.
func (s *site) race(row, way string, n int, args ...string) map[string]int {
	s.t.Helper()
	return s.raceOf(row, way, n, []string{lixfix}, args...)
}

func (s *site) raceOf(row, way string, n int, program []string, args ...string) map[string]int {
	s.t.Helper()
	argv := slices.Concat([]string{launcher, "attack", "turns", fmt.Sprint(n), "6", "--"}, program, args)
	cmd := s.Command("/usr/bin/env", append(slices.Clone(sudo), argv...)...)
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%v: %v", argv, err)
	}
	var all struct {
		Exits map[int]int
		Odd   []string
		Said  map[string]int
	}
	if err := json.Unmarshal(out, &all); err != nil {
		s.t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	lost, done := 0, 0
	for exit, times := range all.Exits {
		done += times
		if exit < 0 || exit > 7 {
			lost += times
		}
	}
	if done != n || lost > 0 {
		s.t.Errorf("%v: %d of %d turns, and %d ended as lixfix never ends: %v %.2000q", args, done, n, lost,
			all.Exits, all.Odd)
	}
	ran, first := 0, ""
	for _, r := range s.records() {
		if left := r.unprivileged(); r.Kind == "run" && left != "" {
			ran++
			first = fmt.Sprintf("%s %q with %s", r.File, r.Args, left)
		}
	}
	if ran > 0 {
		s.t.Errorf("%v: in %d turns, root ran her program %d times, such as %s", args, n, ran, first)
	}
	scores.add(row, way, n, n-min(n, lost+ran))
	return all.Said
}

// TestUserStore: root's Nix would follow the links in the local store of a user, and make directories of root's
// readable.
func TestUserStore(t *testing.T) {
	t.Parallel()
	s := owned(t)
	links := []string{
		"/nix/var/nix/gcroots", "/nix/var/nix/profiles", "/nix/var/nix/temproots", "/nix/var/nix/userpool",
		"/nix/var/nix/userpool2",
		"/nix/var/nix/daemon-socket", "/nix/var/nix/builds", "/nix/store/.links", "/nix/var/log/nix/drvs",
		"/nix/var/nix/db",
	}
	for i, link := range links {
		at := fmt.Sprintf("%s/%d", secrets, i)
		s.sh("mkdir -m 0700 " + at)
		// Whatever looks, the same Nix is run; each link has another look beside the probe.
		for _, l := range []int{0, 1 + i%(len(looks)-1)} {
			l := looks[l]
			s.alice(fmt.Sprintf("mkdir -p $(dirname %[1]s); rm -rf %[1]s.kept; [ ! -e %[1]s ] || mv %[1]s %[1]s.kept; "+
				"ln -s %[2]s %[1]s", link, at))
			s.armed()
			s.assault(l.row, files, 1, call{}, l.args...)
			s.alice(fmt.Sprintf("rm -rf %[1]s; [ ! -e %[1]s.kept ] || mv %[1]s.kept %[1]s", link))
		}
	}
}

// recorded puts root's own recorder in the place of the real Nix.
func (s *site) recorded() {
	s.t.Helper()
	s.sh("mv /usr/bin/nix /usr/bin/nix.real && cp " + launcher + " /usr/bin/nix")
}

// TestRunsNixAs: what the probe runs of Nix, it runs as whoever owns the store, as who called sudo, or as nobody:
// with
// nothing left of root.
func TestRunsNixAs(t *testing.T) {
	t.Parallel()
	lies := []struct {
		name string
		env  []string
		want []int
	}{
		{"sudo by bob", nil, []int{adminUID}},
		{"no sudo", nil, []int{nobody}},
		{"root", []string{"SUDO_UID=0", "SUDO_GID=0", "SUDO_USER=root"}, []int{nobody}},
		{"a name of root's", []string{"SUDO_USER=root"}, []int{nobody, adminUID}},
		{"a group of root's", []string{"SUDO_GID=0"}, []int{nobody, adminUID}},
		{"a number that nobody has", []string{"SUDO_UID=4242", "SUDO_GID=4242", "SUDO_USER=mallory"}, []int{nobody}},
		{"a build user", []string{"SUDO_UID=30001", "SUDO_GID=30000", "SUDO_USER=nixbld1"}, []int{nobody, 30001}},
		{"another user's number", []string{"SUDO_UID=1234"}, []int{nobody, linuxnet.UserUID}},
		{"garbage", []string{"SUDO_UID=1235\n0", "SUDO_GID=x", "SUDO_USER=../root"}, []int{nobody}},
		{"-1", []string{"SUDO_UID=-1", "SUDO_GID=-1"}, []int{nobody}},
		{"2^32", []string{"SUDO_UID=4294967296", "SUDO_GID=4294967296"}, []int{nobody}},
		{"2^32-1", []string{"SUDO_UID=4294967295"}, []int{nobody}},
		{"empty", []string{"SUDO_UID=", "SUDO_GID=", "SUDO_USER="}, []int{nobody}},
		{"a group number of root's in passwd", []string{"SUDO_UID=1236", "SUDO_USER=carol"}, []int{nobody, 1236}},
		{"a zero in octal", []string{"SUDO_UID=00", "SUDO_GID=+0"}, []int{nobody}},
	}
	t.Run("daemon", func(t *testing.T) {
		t.Parallel()
		s := stage(t, linuxnet.Options{})
		s.recorded()
		s.Daemon(t)
		// With toor, root's number has another name as well; with 1000 groups, one of them is root's.
		s.sh("echo 'carol:x:1236:0::/home/carol:/bin/sh' >>/etc/passwd; " +
			"echo 'toor:x:0:0::/root:/bin/sh' >>/etc/passwd; sed -i 's/^root:x:0:$/root:x:0:bob/' /etc/group")
		s.records()
		s.armed()
		for _, l := range lies {
			s.asWhom("probe", l.name, l.env, l.want, looks[0].args)
		}
		for _, look := range looks[1:] {
			s.asWhom(look.row, lies[0].name, lies[0].env, lies[0].want, look.args)
		}
	})
	t.Run("her own store", func(t *testing.T) {
		t.Parallel()
		s := owned(t)
		s.recorded()
		s.records()
		s.armed()
		for _, l := range lies[:5] {
			s.asWhom("probe", l.name, l.env, []int{linuxnet.UserUID}, looks[0].args)
		}
	})
}

// asWhom runs a command of lixfix and expects the Nix that it runs to be run as one of the users that are wanted. The
// programs that only look, as a check without a probe does, are those of the system and may be root's.
func (s *site) asWhom(row, name string, env []string, want []int, args []string) {
	s.t.Helper()
	// A script that calls lixfix may have files of its own open, such as a lock.
	inherit := []string{"-inherit", secrets + "/file"}
	e := s.run(call{env: env, plain: name == "no sudo", launch: inherit}, args...)
	ran, lost := 0, 0
	for _, r := range s.records() {
		if r.Kind != "wrapper" || !strings.Contains(r.Args[0], "nix") {
			continue
		}
		if slices.ContainsFunc(r.Args, func(a string) bool {
			return strings.Contains(a,
				"daemon")
		}) || strings.HasSuffix(r.Args[0], "nix-daemon") {
			continue // it is who was asked
		}
		ran++
		if left := r.unprivileged(); left != "" {
			lost++
			s.t.Errorf("%s: %v ran %q with %s", name, args, r.Args, left)
			continue
		}
		if uid := r.numbers("Uid"); !slices.Contains(want, uid[0]) {
			lost++
			s.t.Errorf("%s: %v ran %q as %v, want one of %v", name, args, r.Args, uid, want)
		}
		for _, v := range r.Env {
			if strings.HasPrefix(v, "SUDO_") || strings.HasPrefix(v, "HOME=/root") {
				lost++
				s.t.Errorf("%s: %v ran %q with %s", name, args, r.Args, v)
			}
		}
	}
	// A bare check reads files, and asks Nix only what they do not tell.
	if row == "check" {
		if ran > 0 {
			lost++
			s.t.Errorf("%s: %v ran Nix %d times", name, args, ran)
		}
	} else if ran == 0 {
		lost++
		s.t.Errorf("%s: %v ran no Nix at all, so that nothing is proven: exit %d\n%s\n%s", name, args, e.exit,
			e.stdout, e.stderr)
	}
	scores.add(row, environment, 1, 1-min(1, lost))
}

// writable are ways for alice to have a say in what a name of the system's leads to. TOOL is the tool.
var writable = []struct{ name, stage string }{
	{
		"a link to her home",
		`mkdir -p /home/alice/bin; cp ` + launcher + ` /home/alice/bin/TOOL; chown -R alice /home/alice/bin;
			ln -sfn /home/alice/bin/TOOL AT`,
	},
	{
		"a link to a sticky directory",
		`cp ` + launcher + ` /srv/sticky/TOOL; chown alice /srv/sticky/TOOL; ln -sfn /srv/sticky/TOOL AT`,
	},
	{
		"her link in a sticky directory of her group",
		`mkdir -p /srv/shared; chgrp staff /srv/shared; chmod 1775 /srv/shared; rm -f /srv/shared/TOOL;
			cp ` + launcher + ` /opt/TOOL.hers; ln -s /opt/TOOL.hers /srv/shared/TOOL; chown -h alice /srv/shared/TOOL;
			ln -sfn /srv/shared/TOOL AT`,
	},
	{
		"a program of root's that she moved",
		`mkdir -p /home/alice/r; chown alice /home/alice/r; cp ` + launcher + ` /home/alice/r/TOOL;
			setpriv --reuid 1234 --regid 1234 --clear-groups mv /home/alice/r/TOOL /srv/sticky/TOOL;
			ln -sfn /srv/sticky/TOOL AT`,
	},
	{
		"a link of root's that she moved",
		`mkdir -p /home/alice/r; chown alice /home/alice/r; cp ` + launcher + ` /opt/TOOL.store;
			ln -sfn /opt/TOOL.store /home/alice/r/TOOL;
			setpriv --reuid 1234 --regid 1234 --clear-groups mv -T /home/alice/r/TOOL /srv/sticky/TOOL;
			ln -sfn /srv/sticky/TOOL AT`,
	},
	{
		"a directory of her group",
		`mkdir -p /opt/group; chgrp staff /opt/group; chmod 2775 /opt/group; cp ` + launcher + ` /opt/group/TOOL;
			ln -sfn /opt/group/TOOL AT`,
	},
	{
		"a directory of everybody's",
		`mkdir -p /opt/all; chmod 0777 /opt/all; cp ` + launcher + ` /opt/all/TOOL; ln -sfn /opt/all/TOOL AT`,
	},
	{
		"an access control list",
		`mkdir -p /opt/acl; setfacl -m u:alice:rwx /opt/acl; cp ` + launcher + ` /opt/acl/TOOL; ln -sfn /opt/acl/TOOL AT`,
	},
	{"a file of her group", `rm -f AT; cp ` + launcher + ` AT; chgrp staff AT; chmod 0775 AT`},
	{"a file that she may write to", `rm -f AT; cp ` + launcher + ` AT; setfacl -m u:alice:rw AT`},
	{"her own file", `rm -f AT; cp ` + launcher + ` AT; chown alice AT`},
	{"two levels up", `mkdir -p /opt/up/a/b; chown alice /opt/up; cp ` + launcher + ` /opt/up/a/b/TOOL;
		ln -sfn /opt/up/a/b/TOOL AT`},
	{
		"a link through her directory",
		`mkdir -p /home/alice/d; chown alice /home/alice/d; cp ` + launcher + ` /opt/TOOL.t;
			ln -sfn /opt/TOOL.t /home/alice/d/TOOL; ln -sfn /home/alice/d/TOOL AT`,
	},
	{"a process's file", `ln -sfn /proc/PID/exe AT`},
}

// systemTools are what lixfix runs, where the distribution has it.
var systemTools = []string{
	"/usr/bin/nix", "/usr/bin/nix-store", "/usr/bin/nix-build", "/usr/bin/nix-instantiate", "/usr/sbin/nft", "/usr/sbin/ip",
	"/usr/bin/dmesg", "/usr/bin/journalctl",
	"/usr/bin/systemctl", "/usr/bin/lsattr", "/usr/bin/resolvectl", "/usr/sbin/iptables-save", "/usr/bin/pasta",
}

// TestPlanted: tools of the system that lead to where alice can write are not run, and not run by another name.
func TestPlanted(t *testing.T) {
	t.Parallel()
	for _, w := range writable {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := stage(t, linuxnet.Options{})
			s.Daemon(t)
			pid, _ := s.attack(s.byAlice("hold", "/"))
			for _, tool := range systemTools {
				dir := tool[:strings.LastIndexByte(tool, '/')]
				name := tool[len(dir)+1:]
				for _, other := range []string{"/usr/sbin", "/usr/bin", dir} {
					at := other + "/" + name
					if _, err := os.Lstat(s.Path(at)); err != nil && other != dir {
						continue
					}
					s.sh("set -e\n" + strings.NewReplacer("TOOL", name, "AT", at, "PID",
						fmt.Sprint(pid)).Replace("rm -f /srv/sticky/TOOL; "+w.stage))
				}
			}
			s.records()
			s.armed()
			for _, l := range looks {
				s.assault(l.row, files, len(systemTools), call{}, l.args...)
			}
		})
	}
}

// TestLocalPrograms: on Debian /usr/local/bin belongs to the group staff. A link that a member puts there leads to a
// program that is root's, because everything in the store is.
func TestLocalPrograms(t *testing.T) {
	t.Parallel()
	s := stage(t, linuxnet.Options{})
	s.Daemon(t)
	evil := s.alice(`set -e; mkdir -p ~/tools/bin; cp ` + hers + ` ~/tools/bin/nix;
		NIX_REMOTE=daemon nix-store --add ~/tools`)
	s.sh("chgrp staff /usr/local/bin; chmod 2775 /usr/local/bin")
	cmd := s.Command("setpriv", "--reuid", "1234", "--regid", "1234", "--groups", "50", "--inh-caps=-all", "--",
		"/bin/sh", "-c",
		"set -e; for tool in nix nix-store nix-build nix-instantiate nix-daemon pasta ip nft; "+
			"do ln -s "+evil+"/bin/nix /usr/local/bin/$tool; done")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.armed()
	for _, l := range looks {
		s.assault(l.row, files, 7, call{}, l.args...)
	}
}

// TestSystemPrograms: a tool of the system is run as it ever was, also where the distribution has made it a link:
// what
// the other tests find is not that nothing runs at all.
func TestSystemPrograms(t *testing.T) {
	t.Parallel()
	s := stage(t, linuxnet.Options{})
	s.sh(`set -e
		mkdir -p /opt/root /etc/alternatives
		cp ` + launcher + ` /opt/root/lsattr
		ln -sfn /opt/root/lsattr /etc/alternatives/lsattr
		ln -sfn ../../etc/alternatives/lsattr /usr/bin/lsattr`)
	s.records()
	s.run(call{}, "check", "resolv-conf", "--passive")
	for _, r := range s.records() {
		if r.File == "/opt/root/lsattr" && r.numbers("Uid")[0] == 0 {
			return
		}
	}
	t.Error("a program of the system was not run")
}

// TestHerNix: the Nix of a store that is alice's is run as alice, and does whatever it likes with what it prints and
// with when it ends.
func TestHerNix(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"loud", "hangs", "leaves"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := owned(t)
			s.alice(`set -e
				mkdir -p ~/` + way + ` /nix/var/nix/profiles/default/bin
				cp ` + hers + ` ~/` + way + `/nix
				for tool in nix nix-store nix-build nix-instantiate; do
					ln -s ~/` + way + `/nix /nix/var/nix/profiles/default/bin/$tool
				done`)
			s.run(call{limit: 5 * time.Second}, "check", "resolv-conf", "--passive")
			if ran := s.records(); len(ran) == 0 || ran[0].numbers("Uid")[0] != linuxnet.UserUID {
				t.Errorf("her Nix was not run as alice, so that nothing is proven: %v", ran)
			}
			s.atOnce(files, 1)
		})
	}
}
