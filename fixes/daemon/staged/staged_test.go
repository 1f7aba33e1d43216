//go:build linux

// Package staged breaks the Nix daemon of real hosts, with the machine's systemd as the first process and its nix-daemon
// behind real socket activation, has the released binary look and mend, and takes that back.
package staged

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/fixes/daemon"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/fixtest"
	"github.com/lixfix/lixfix/fixes/fixtest/replay"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// replays compares what is said of hosts with what is said of their records.
var replays replay.Table

func TestMain(m *testing.M) {
	if os.Getenv(counted) != "" {
		fmt.Fprintln(os.Stderr, confine())
		os.Exit(1)
	}
	code := m.Run()
	fmt.Println(&replays)
	linuxnet.Clean()
	os.Exit(code)
}

const (
	program = "/opt/lixfix/bin/lixfix"
	etc     = "/etc/systemd/system/"
	usr     = "/usr/lib/systemd/system/"
	profile = "/nix/var/nix/profiles/default"
	release = "/nix/store/00000000000000000000000000000000-nix-2.8.0"
	lib     = profile + "/lib/systemd/system/"
	dir     = "/nix/var/nix/daemon-socket"
	socket  = dir + "/socket"
	mounts  = "RequiresMountsFor=/nix/store\nConditionPathIsReadWrite=" + dir + "\n"
)

// Units as Debian's package, Lix up to 2.94 and Nix have them, and as Lix has them since 2.95.
const (
	socketText   = "[Unit]\nDescription=Nix Daemon Socket\nBefore=multi-user.target\n" + mounts + "[Socket]\nListenStream=" + socket + "\n[Install]\nWantedBy=sockets.target\n"
	serviceText  = "[Unit]\nDescription=Nix Daemon\n" + mounts + "[Service]\nExecStart=@%s nix-daemon --daemon\nKillMode=process\n[Install]\nWantedBy=multi-user.target\n"
	acceptText   = "[Unit]\nDescription=Nix Daemon Socket\nBefore=multi-user.target\nConflicts=nix-daemon.service\n" + mounts + "[Socket]\nListenStream=" + socket + "\nAccept=yes\n[Install]\nWantedBy=sockets.target\n"
	aloneText    = "[Unit]\nDescription=Nix Daemon\nConflicts=nix-daemon.socket\n" + mounts + "[Service]\nExecStart=@%s nix-daemon --daemon\nKillMode=process\n"
	templateText = "[Unit]\nDescription=Nix Daemon instance\nCollectMode=inactive-or-failed\n[Service]\nExecStart=@%s nix-daemon --stdio\nStandardInput=socket\nStandardOutput=socket\nStandardError=journal\n"
)

// shape is how a host has its daemon.
type shape string

const (
	packaged shape = "package" // the units are a distribution's
	linked   shape = "links"   // they are links into the default profile
	each     shape = "2.95"    // the same, and systemd starts a service for each connection
)

// stage makes a host of a shape, with a daemon that answers.
func stage(t testing.TB, s shape) *linuxnet.Host {
	t.Helper()
	h := linuxnet.New(t, linuxnet.Options{Systemd: true, Nix: true})
	lean(t, h)
	h.Copy(t, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), program, 0o755)
	h.Run(t, "mkdir", "-p", dir, etc+"sockets.target.wants")
	// A sandbox mounts a /proc of its own, which the machine that runs the tests may not let it.
	h.Run(t, "sh", "-c", "echo 'bob:x:1235:1235::/home/bob:/bin/sh' >>/etc/passwd; sed -i 's/^sandbox .*/sandbox = false/' /etc/nix/nix.conf")
	text, starts, to := socketText, serviceText, "/usr/bin/nix-daemon"
	if s == each {
		text, starts = acceptText, aloneText
	}
	if s == packaged {
		h.WriteFile(t, usr+"nix-daemon.socket", text, 0o644)
		h.WriteFile(t, usr+"nix-daemon.service", fmt.Sprintf(starts, to), 0o644)
		h.Symlink(t, usr+"nix-daemon.socket", etc+"sockets.target.wants/nix-daemon.socket")
		h.Boot(t)
		return h
	}
	to = release + "/bin/nix-daemon"
	h.Copy(t, "/usr/bin/nix", release+"/bin/nix", 0o755)
	h.Run(t, "ln", "-s", "nix", to)
	h.Run(t, "ln", "-s", "nix", release+"/bin/nix-store")
	h.Run(t, "mkdir", "-p", "/nix/var/nix/profiles")
	h.Symlink(t, release, profile+"-1-link")
	h.Symlink(t, "default-1-link", profile)
	h.WriteFile(t, release+"/lib/systemd/system/nix-daemon.socket", text, 0o644)
	h.WriteFile(t, release+"/lib/systemd/system/nix-daemon.service", fmt.Sprintf(starts, to), 0o644)
	units := []string{"nix-daemon.socket", "nix-daemon.service"}
	if s == each {
		h.WriteFile(t, release+"/lib/systemd/system/nix-daemon@.service", fmt.Sprintf(templateText, to), 0o644)
		units = append(units, "nix-daemon@.service")
	}
	for _, u := range units {
		h.Symlink(t, lib+u, etc+u)
	}
	h.Symlink(t, lib+"nix-daemon.socket", etc+"sockets.target.wants/nix-daemon.socket")
	h.Boot(t)
	return h
}

// started are the units of the machine that such a host starts.
var started = []string{
	"dbus.service", "dbus.socket", "systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket",
	"basic.target", "default.target", "graphical.target", "local-fs.target", "multi-user.target", "paths.target", "shutdown.target", "slices.target",
	"sockets.target", "swap.target", "sysinit.target", "timers.target", "umount.target",
}

// lean removes the other units of the machine, and the links to /dev/null that keep some of them from being started. No
// such host has any of them running, and nothing that is broken here has to do with them; but systemd goes through all of
// them at each reload, of which there are some thousand. The journal, whose few lines would have 8 MiB made ready for
// them, gets a smaller file.
func lean(t testing.TB, h *linuxnet.Host) {
	t.Helper()
	wants, err := filepath.Glob(h.Path(usr + "*.wants"))
	if err != nil {
		t.Fatal(err)
	}
	h.WriteFile(t, "/etc/systemd/journald.conf.d/small.conf", "[Journal]\nStorage=volatile\nRuntimeMaxFileSize=1M\n", 0o644)
	for _, top := range append(wants, h.Path(usr), h.Path(etc)) {
		entries, err := os.ReadDir(top)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if slices.Contains(started, e.Name()) || slices.Contains(wants, filepath.Join(top, e.Name())) {
				continue
			}
			if err := os.RemoveAll(filepath.Join(top, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// look is what a user of the host is told.
func look(t *testing.T, cmd *exec.Cmd) (fix.Finding, string) {
	t.Helper()
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the look took %v", took)
	}
	var report struct {
		Fixes []struct {
			Name     string
			Findings []fix.Finding
			Graph    daemon.Ladder
		}
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || len(report.Fixes) != 1 || len(report.Fixes[0].Findings) == 0 {
		t.Fatalf("%v\n%s\n%s", err, out.String(), stderr.String())
	}
	var rungs strings.Builder
	for _, r := range report.Fixes[0].Graph.Rungs {
		fmt.Fprintf(&rungs, "  %-14s %-14s %s\n", r.Name, r.Mark, r.Says)
	}
	broken := 0
	for _, f := range report.Fixes[0].Findings {
		if f.Status == fix.Broken || f.Status == fix.Unknown {
			broken++
		}
	}
	if broken > 1 {
		t.Errorf("%d findings are broken", broken)
	}
	findings := report.Fixes[0].Findings
	slices.SortStableFunc(findings, func(a, b fix.Finding) int { return severity(b) - severity(a) })
	return findings[0], rungs.String()
}

// recorded compares a record with what it was made of, outside of the host.
func recorded(t *testing.T, h *linuxnet.Host, name, file string, want ...string) int {
	t.Helper()
	packed, err := os.ReadFile(h.Path(file))
	if err != nil {
		t.Fatal(err)
	}
	replays.Check(t, name, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), packed, want...)
	return len(packed)
}

// TestRecordOfAHealthyHost: all that lixfix sees of a host as most are fits into a message.
func TestRecordOfAHealthyHost(t *testing.T) {
	t.Parallel()
	const most = 64 << 10
	for _, on := range []shape{packaged, each} {
		h := stage(t, on)
		h.Run(t, program, "record", "-o", "/root/all.tar.gz")
		if n := recorded(t, h, "healthy, all fixes", "/root/all.tar.gz", "daemon/answers"); n >= most {
			t.Errorf("%s: %d bytes", on, n)
		} else {
			t.Logf("the record of a healthy host (%s) has %d KiB", on, (n+1023)>>10)
		}
	}
}

func severity(f fix.Finding) int {
	return slices.Index([]fix.Status{fix.NotApplicable, fix.OK, fix.AtRisk, fix.Unknown, fix.Broken}, f.Status)
}

// state is what a repair and its undo may change. That a unit has failed is not kept: it is not running in either case.
// The files are read from outside of the host, without programs of it: this is asked some hundred times.
func state(t *testing.T, h *linuxnet.Host) string {
	t.Helper()
	var names, sums []string
	for _, top := range []string{"/etc/systemd/system", "/run/systemd/system", dir} {
		err := filepath.WalkDir(h.Path(top), func(file string, _ fs.DirEntry, err error) error {
			name := strings.TrimPrefix(file, h.Path(""))
			if err != nil || top != dir && !strings.HasPrefix(filepath.Base(name), "nix-daemon") {
				return gone(err)
			}
			var is unix.Stat_t
			if err := unix.Lstat(file, &is); err != nil {
				return gone(err)
			}
			kind, to := "", ""
			switch is.Mode & unix.S_IFMT {
			case unix.S_IFREG:
				kind = "f"
			case unix.S_IFDIR:
				kind = "d"
			case unix.S_IFSOCK:
				kind = "s"
			case unix.S_IFLNK:
				kind = "l"
				if to, err = os.Readlink(file); err != nil {
					return gone(err)
				}
			default:
				kind = fmt.Sprintf("%o", is.Mode)
			}
			names = append(names, fmt.Sprintf("%s %s %o %d:%d %s\n", name, kind, is.Mode&0o7777, is.Uid, is.Gid, to))
			if kind == "f" && top != dir {
				data, err := os.ReadFile(file)
				if err != nil {
					return gone(err)
				}
				sums = append(sums, fmt.Sprintf("%x %s\n", sha256.Sum256(data), name))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(names)
	slices.Sort(sums)
	text := h.Run(t, "systemctl", "show", "-p", "Id,LoadState,ActiveState,UnitFileState", "nix-daemon.socket", "nix-daemon.service")
	return strings.Join(names, "") + strings.Join(sums, "") + strings.ReplaceAll(text, "ActiveState=failed", "ActiveState=inactive")
}

// gone is an error, unless it says that a file is not there, or not any more.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// situation is a way in which a daemon is broken.
type situation struct {
	name  string
	on    shape
	spoil string // a script of root's
	id    string // what root is told, and what the others are told unless user or member says otherwise
	user  string
	// member is what somebody is told who is in the group adm; as user unless given.
	member string
	// repaired: "lixfix repair" brings the daemon back. now is what is found then; "answers" unless given.
	repaired bool
	now      string
	// lasting: the repair is one that nobody can take back, and need not: units were read, a socket was started anew.
	lasting bool
	// accept are findings that the repair mends beside the first one, and that have to be accepted.
	accept []string
	// within is done after spoil, from outside of the host.
	within func(*testing.T, *linuxnet.Host)
}

var table struct {
	sync.Mutex
	rows []string
}

func TestDaemon(t *testing.T) {
	witness := fixtest.NewWitness(daemon.New())
	t.Run("situations", func(t *testing.T) {
		for _, s := range situations {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.run(t, witness)
			})
		}
	})
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "situation\thost\troot is told\ta member of adm is told\tanother user is told\tlook\trepaired\tundone")
	slices.Sort(table.rows)
	for _, r := range table.rows {
		fmt.Fprintln(w, r)
	}
	_ = w.Flush()
	t.Logf("%d situations:\n%s", len(table.rows), b.String())
	witness.Testify(t, "systemd")
}

func (s situation) run(t *testing.T, witness *fixtest.Witness) {
	h := stage(t, s.on)
	if f, rungs := look(t, h.Command(program, "check", "daemon", "--format", "json")); f.ID != "daemon/answers" {
		t.Fatalf("before anything is broken: %s: %s\n%s", f.ID, f.Summary, rungs)
	}
	if s.spoil != "" {
		h.Run(t, "sh", "-ec", s.spoil)
	}
	if s.within != nil {
		s.within(t, h)
	}
	want := func(id string) string { return "daemon/" + id }
	if s.user == "" {
		s.user = s.id
	}
	if s.member == "" {
		s.member = s.user
	}
	theirs, rungs := look(t, h.Command("setpriv", "--reuid", "1235", "--regid", "1235", "--groups", "4", program, "check", "daemon", "--format", "json"))
	if theirs.ID != want(s.member) {
		t.Errorf("a member is told %s (%s %s), want %s\n%s%+v", theirs.ID, theirs.Summary, theirs.Reason, want(s.member), rungs, theirs.Evidence)
	}
	hers, rungs := look(t, h.UserCommand(program, "check", "daemon", "--format", "json"))
	if hers.ID != want(s.user) {
		t.Errorf("a user is told %s (%s %s), want %s\n%s%+v", hers.ID, hers.Summary, hers.Reason, want(s.user), rungs, hers.Evidence)
	}
	// What root is told is also recorded, in one look: each of them has systemd start a service that may be broken.
	const file = "/root/record.tar.gz"
	began := time.Now()
	his, rungs := look(t, h.Command(program, "record", "daemon", "-o", file, "--format", "json"))
	took := time.Since(began)
	if his.ID != want(s.id) {
		t.Fatalf("root is told %s (%s %s), want %s\n%s%+v", his.ID, his.Summary, his.Reason, want(s.id), rungs, his.Evidence)
	}
	witness.Saw(t, s.name, []fix.Finding{theirs, hers, his})
	recorded(t, h, s.name, file, his.ID)
	repaired, undone := "advice", "-"
	switch {
	case his.Status == fix.OK, his.Remedy == nil:
		repaired = "-"
	case his.Remedy.Class != fix.Advice && !s.repaired:
		repaired = "not tried"
	}
	if s.repaired {
		if s.id == "deleted" { // who looked is a client of the daemon until its child has noticed the end
			h.Run(t, "sh", "-c", "while pgrep -P $(systemctl show -P MainPID nix-daemon.service); do sleep 0.05; done")
		}
		before := state(t, h)
		args := []string{"SUDO_UID=1234", "SUDO_GID=1234", "SUDO_USER=alice", program, "repair", "daemon", "--yes"}
		for _, id := range append(s.accept, his.ID) {
			args = append(args, "--accept", id)
		}
		out, err := h.Command("env", args...).CombinedOutput()
		if err == nil && bytes.Contains(out, []byte("not tried")) {
			err = errors.New("no build was tried")
		}
		if left := strings.TrimSpace(h.Run(t, "sh", "-c", "ls -d /nix/store/*-lixfix-build-* 2>/dev/null | grep -v '[.]lock$' || true")); left != "" {
			t.Errorf("the build has left %s", left)
		}
		if err != nil {
			t.Fatalf("repair: %v\n%s\nthe daemon's log:\n%s", err, out, h.Run(t, "journalctl", "-q", "--no-pager", "-b", "-n", "30"))
		}
		if s.now == "" {
			s.now = "answers"
		}
		for _, cmd := range []*exec.Cmd{h.Command(program, "check", "daemon", "--format", "json"), h.UserCommand(program, "check", "daemon", "--format", "json")} {
			if f, rungs := look(t, cmd); f.ID != want(s.now) {
				t.Fatalf("after the repair: %s: %s\n%s%s", f.ID, f.Summary, rungs, out)
			}
		}
		// What Nix itself makes of it.
		if out, err := h.Command("setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups", "env", "HOME=/home/alice", "NIX_REMOTE=daemon",
			"/usr/bin/nix-store", "--add", "/etc/hostname").CombinedOutput(); err != nil {
			t.Errorf("a user cannot use the daemon: %v\n%s", err, out)
		}
		repaired = "yes"
		if out, err := h.Command(program, "undo", "--yes").CombinedOutput(); err != nil {
			if !s.lasting {
				t.Fatalf("undo: %v\n%s", err, out)
			}
			undone = "not needed"
		} else {
			undone = "yes"
			after := state(t, h)
			if s.lasting {
				// A socket that was started anew has its file again.
				if made := socket + " s 666 0:0 \n"; !strings.Contains(before, socket+" ") {
					after = strings.Replace(after, made, "", 1)
				}
				before, _, _ = strings.Cut(before, "Id=")
				after, _, _ = strings.Cut(after, "Id=")
			}
			if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(after, "\n")); diff != "" {
				t.Errorf("undo leaves another host (-before +after):\n%s", diff)
			}
		}
	}
	if t.Failed() {
		return
	}
	table.Lock()
	defer table.Unlock()
	table.rows = append(table.rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d ms\t%s\t%s", s.name, s.on, his.ID, theirs.ID, hers.ID, took.Milliseconds(), repaired, undone))
}
