//go:build linux

package staged_test

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/procfs"
)

// hostile are scenes in which root looks at what users have made for it, and in which it is not to follow them.
var hostile = []scene{
	{"daemon-own-mounts", "each worker has mounts of its own, as on NixOS", func(s *site) {
		s.listener = s.start("daemon", "root", nil, "unshare", "--mount", "--propagation", "private",
			"nix-daemon", "--daemon")
		s.until("the daemon's socket", s.listening)
		e := s.expr("slow-a", sleeper)
		first := s.build("first", "alice", e)
		s.builds(1, asleep)
		second := s.build("second", "bob", e)
		s.says("second", "waiting for lock")
		s.polls(s.worker(second))
		mine, _ := os.Readlink("/proc/self/ns/mnt")
		if theirs, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", s.worker(second))); theirs == "" || theirs == mine {
			s.fatal("the worker shares the mounts of lixfix: %s", theirs)
		}
		r := s.look("root")
		d := s.expect(r, want{
			who: "root", subject: second.Process.Pid, id: "waits-for-output-lock",
			chain: "second worker [slow-a] worker builder", status: "ok",
		})
		if d != nil && d.Certainty != "certain" {
			s.fail("it is %s", d.Certainty)
		}
		d = s.expect(r, want{who: "root", subject: first.Process.Pid, id: "builder-silent"})
		if d != nil && !strings.Contains(d.Sentence, "quiet for ") {
			s.fail("no time of the log: %s", d.Sentence)
		}
	}},
	{"lists-of-others", "processes of a user show lists of store paths that are not theirs to show", func(s *site) {
		s.daemon()
		e := s.expr("slow-a", sleeper)
		s.build("first", "alice", e)
		s.builds(1, asleep)
		second := s.build("second", "bob", e)
		s.says("second", "waiting for lock")
		s.polls(s.worker(second))
		// A list of alice's own making, one where the name is a FIFO, and one of a real worker, which only root reads.
		s.dir("/home/alice/nix/var/nix/temproots")
		if err := os.Chown("/home/alice/nix/var/nix/temproots", 1000, 1000); err != nil {
			s.fatal("%v", err)
		}
		for i, does := range []string{"list /home/alice/nix/var/nix", "fifo /home/alice/nix/var/nix"} {
			s.standIn(fmt.Sprintf("mallory%d", i), "alice", does, "nix-daemon", fmt.Sprint(second.Process.Pid))
		}
		s.until("the lists", func() bool { return len(glob("/home/alice/nix/var/nix/temproots/*")) == 2 })
		r := s.look("root")
		s.limited(r, "temproots")
		s.expect(r, want{
			who: "root", subject: second.Process.Pid, id: "waits-for-output-lock",
			chain: "second worker [slow-a] worker builder", status: "ok",
		})
	}},
	{"store-of-a-user", "two builds in a store that belongs to a user", func(s *site) {
		home := "/home/alice/nix"
		local := []string{
			"NIX_REMOTE=local", "NIX_STORE_DIR=" + home + "/store", "NIX_STATE_DIR=" + home + "/var/nix",
			"NIX_LOG_DIR=" + home + "/var/log/nix",
			"NIX_CONFIG=build-users-group =",
		}
		e := s.expr("slow-a", sleeper)
		s.start("first", "alice", local, "nix-build", "--no-out-link", e)
		s.builds(1, asleep)
		second := s.start("second", "alice", local, "nix-build", "--no-out-link", e)
		s.says("second", "waiting for lock")
		s.polls(second.Process.Pid)
		// Their own list users may read, and root takes nothing from it.
		r := s.look("alice")
		s.expect(r, want{
			who: "alice", subject: second.Process.Pid, id: "waits-for-output-lock",
			chain: "second [slow-a] first builder", status: "ok",
		})
		r = s.look("root")
		s.limited(r, "temproots")
		d := s.expect(r, want{
			who: "root", subject: second.Process.Pid, id: "waits-for-output-lock",
			chain: "second [slow-a] first builder",
		})
		if d != nil && d.Certainty == "certain" {
			s.fail("root is certain of what it did not read")
		}
	}},
	{"many-open-files", "60 processes of a user have up to 19,900 files open each, beside two builds", crowded(60, 19_900)},
}

// crowded is a scene with so many processes of a user, each of which has so many files open, beside what two builds
// wait for. They take no more than a quarter of what the kernel lets the whole machine open, for others use that too.
func crowded(processes, files int) func(*site) {
	return func(s *site) {
		data, err := os.ReadFile("/proc/sys/fs/file-max")
		if err != nil {
			s.fatal("%v", err)
		}
		// Where the kernel sets no limit worth the name, the number has more digits than an int.
		if all, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
			files = min(files, all/4/processes)
		}
		s.daemon()
		e := s.expr("slow-a", sleeper)
		first := s.build("first", "alice", e)
		s.builds(1, asleep)
		second := s.build("second", "bob", e)
		s.says("second", "waiting for lock")
		s.polls(s.worker(second))
		s.dir("/home/bob/noise")
		if err := os.Chown("/home/bob/noise", 1001, 1001); err != nil {
			s.fatal("%v", err)
		}
		for i := range processes {
			argv := [][]string{{"nix-build", "x.nix"}, {"nix-daemon", fmt.Sprint(second.Process.Pid)}, {
				"nix",
				"build",
			}, {"make"}}[i%4]
			s.standIn(fmt.Sprintf("noise%d", i), "bob", fmt.Sprintf("noise %d /home/bob/noise/%d", files, i), argv...)
		}
		s.until("the noise", func() bool { return len(glob("/home/bob/noise/*.ready")) == processes })
		// On a busy machine they still run then, and one that runs is rightly said to work.
		spent := s.ticks("noise")
		s.until("the noise to sleep", func() bool {
			time.Sleep(300 * time.Millisecond)
			before := spent
			spent = s.ticks("noise")
			return spent == before
		})
		began := s.processor()
		r := s.look("root")
		took := s.processor() - began
		s.seen = append(s.seen, fmt.Sprintf("%d processes with %d files each: %v", processes, files,
			took.Round(10*time.Millisecond)))
		if took > crowdTime {
			s.fail("it took %v of the processor's time", took)
		}
		s.limited(r, "open-files")
		s.expect(r, want{
			who: "root", subject: second.Process.Pid, id: "waits-for-output-lock",
			chain: "second worker [slow-a] worker builder", status: "ok",
		})
		s.expect(r, want{
			who: "root", subject: first.Process.Pid, id: "builder-silent",
			chain: "first worker builder", status: "ok",
		})
		for _, d := range r.Diagnoses {
			p := r.Process(d.Subject)
			if p != nil && strings.Contains(strings.Join(p.Command, " "), "stand-in") && d.Status == fix.OK {
				s.fail("what was not looked at is fine: %+v", d)
			}
			for _, a := range d.Actions {
				if !a.Named {
					s.fail("an action is offered: %+v", a)
				}
			}
		}
	}
}

// crowdTime is how much of the processor's time a look may take in the middle of that: the processes are made to slow it
// down. How long it is waited for depends on what else the machine does.
const crowdTime = 4 * time.Second

// ticks are those of the processor that programs with such a label have taken.
func (s *site) ticks(label string) (all uint64) {
	for _, cmd := range s.started {
		if !strings.HasPrefix(s.labels[cmd.Process.Pid], label) {
			continue
		}
		data, err := os.ReadFile(procfs.Dir(cmd.Process.Pid) + "/stat")
		if err != nil {
			s.fatal("%v", err)
		}
		f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		for _, word := range f[11:13] { // utime and stime
			n, err := strconv.ParseUint(word, 10, 64)
			if err != nil {
				s.fatal("%v", err)
			}
			all += n
		}
	}
	return all
}

// processor is how much of the processor's time this process has taken.
func (s *site) processor() time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		s.fatal("%v", err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// noise opens one file many times, locks it now and then, and stands in a queue for a lock in the end.
func noise(files int, name string) error {
	limit := &syscall.Rlimit{}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, limit); err != nil {
		return err
	}
	for i := range files {
		fd, err := syscall.Open(name+strings.Repeat("x", i%50)+".lock", syscall.O_RDWR|syscall.O_CREAT, 0o600)
		if err != nil {
			return fmt.Errorf("file %d: %w", i, err)
		}
		if i < 50 {
			if err := syscall.Flock(fd, syscall.LOCK_SH); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(name+".ready", nil, 0o600)
}

// list keeps open, and locked, what is called like a list of store paths of this process.
func list(state string, fifo bool) error {
	name := fmt.Sprintf("%s/temproots/%d", state, os.Getpid())
	flags := syscall.O_RDWR
	if fifo {
		flags = unix.O_PATH
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			return err
		}
	} else if err := os.WriteFile(name, []byte("/nix/store/00000000000000000000000000000000-x\x00"),
		0o600); err != nil {
		return err
	}
	fd, err := syscall.Open(name, flags, 0)
	if err != nil || fifo {
		return err
	}
	return syscall.Flock(fd, syscall.LOCK_EX)
}
