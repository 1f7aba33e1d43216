//go:build linux

package staged_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/lixfix/lixfix/fixes/stuck/diagnose"

	"golang.org/x/sys/unix"
)

const (
	// chatty prints more than a socket and a pipe hold.
	chatty = "i=0; while [ $i -lt 3000000 ]; do echo line $i of a very chatty build; i=$((i+1)); done; echo done > $out"
	lines  = `^sh -c i=0`
)

// sandboxed turns the sandbox on, in which a builder has a PID namespace of its own.
func (s *site) sandboxed(more ...string) {
	s.write("/etc/nix/nix.conf", "build-users-group = nixbld\nsandbox = true\nsubstituters =\nexperimental-features = nix-command\n"+
		"sandbox-paths = /bin /usr /lib /lib64 /etc/ld.so.cache\n"+strings.Join(more, "\n")+"\n", 0o644)
}

// culprit expects every diagnosis of a command to name the same process to be ended, whoever looks.
func (s *site) culprit(pid int, subjects ...int) {
	for _, who := range []string{"root", "alice", "bob", "carol"} {
		r := s.look(who)
		for _, d := range r.Diagnoses {
			for _, subject := range subjects {
				if d.Subject == fmt.Sprintf("process:%d", subject) && d.End != pid {
					s.fail("%s is to end %d and not %d: %s, %+v", who, d.End, pid, d.ID, d.Actions)
				}
			}
		}
	}
	s.seen = append(s.seen, fmt.Sprintf("root, alice, bob and carol: end %s", s.labels[pid]))
}

// output is the path that an expression builds.
func (s *site) output(expr string) string {
	out, err := exec.Command("sh", "-c", "nix-store -q --outputs $(nix-instantiate "+expr+" 2>/dev/null)").Output()
	if err != nil {
		s.fatal("the output of %s: %v", expr, err)
	}
	return strings.TrimSpace(string(out))
}

// blocks waits until a process waits in write(2).
func (s *site) blocks(pid int) {
	n := 0
	s.until(fmt.Sprintf("process %d to wait in write", pid), func() bool {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
		if !bytes.HasPrefix(data, []byte("1 ")) {
			n = 0
		}
		n++
		return n > 5
	})
}

// stops stops every process of a pattern.
func (s *site) stops(pids []int) {
	for _, pid := range pids {
		s.stop(pid)
	}
}

var causes = []scene{
	{"long-silence", "two builds after a minute: one has slept all the time, one starts a process now and then", func(s *site) {
		s.daemon()
		silent := s.build("silent", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		ticks := s.build("ticks", "bob", s.expr("ticks", "while :; do /bin/sleep 7; done"))
		s.builds(1, "^/bin/sleep 7")
		time.Sleep(62 * time.Second)
		for _, who := range []string{"root", "alice", "carol"} {
			r := s.look(who)
			s.expect(r, want{who: who, subject: silent.Process.Pid, id: "builder-silent", chain: "silent worker builder", status: "at-risk"})
			if d := s.of(r, ticks.Process.Pid); d == nil || d.Status != "ok" {
				s.fail("%s: the other one: %+v", who, d)
			}
		}
		r := s.look("root")
		d := s.of(r, silent.Process.Pid)
		if d == nil || !strings.Contains(d.Sentence, "started ") || !strings.Contains(d.Sentence, "its log written ") {
			s.fail("no time: %+v", d)
		}
	}},
	{"output-lock-stranger", "the lock of an output is held by flock(1), which hands it to its child", func(s *site) {
		s.daemon()
		e := s.expr("slow-a", sleeper)
		out := s.output(e)
		f := s.start("flock", "root", nil, "flock", "-x", out+".lock", "sleep", "300")
		s.builds(1, `^sleep 300`)
		c := s.build("nix-build", "alice", e)
		s.says("nix-build", "waiting for lock")
		s.polls(s.worker(c))
		for _, who := range []string{"root", "alice", "carol"} {
			s.expect(s.look(who), want{
				who: who, subject: c.Process.Pid, id: "foreign-lock-holder",
				chain: "nix-build worker [slow-a] flock", status: "broken",
			})
		}
		s.culprit(f.Process.Pid, c.Process.Pid)
		s.repair("", "")
		s.repair(fmt.Sprint(f.Process.Pid), "end-process end-process")
		s.builds(1, asleep)
	}},
	{"user-locks-stranger", "the locks of all build users are held by flock(1)", func(s *site) {
		s.daemon()
		s.dir("/nix/var/nix/userpool")
		for _, uid := range []string{"30001", "30002"} {
			s.start("flock"+uid, "root", nil, "flock", "-x", "/nix/var/nix/userpool/"+uid, "sleep", "300")
		}
		s.builds(2, `^sleep 300`)
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.says("nix-build", "waiting for UID")
		s.polls(s.worker(c))
		for _, who := range []string{"root", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "foreign-lock-holder", status: "broken"})
		}
	}},
	{"between-polls", "the holder of an output has gone, and who waits has not tried again yet", func(s *site) {
		s.daemon()
		e := s.expr("slow-a", sleeper)
		first := s.build("first", "alice", e)
		s.builds(1, asleep)
		second := s.build("second", "bob", e)
		s.says("second", "waiting for lock")
		s.polls(s.worker(second))
		s.signal(first.Process.Pid, syscall.SIGKILL)
		s.until("the first to end", func() bool { return len(running(fmt.Sprintf(`^nix-daemon %d`, first.Process.Pid))) == 0 })
		r := s.look("carol")
		if s.has(r, second.Process.Pid, "unknown") {
			s.fail("carol does not know:\n%+v", r.Diagnoses)
		}
		s.seen = append(s.seen, "carol sees "+r.Diagnoses[0].ID)
	}},
	{"client-stopped-log", "a client is stopped while its build prints much, and another command waits for the output", func(s *site) {
		s.daemon()
		e := s.expr("chatty", chatty)
		first := s.build("first", "alice", e)
		s.builds(1, lines)
		s.stop(first.Process.Pid)
		s.blocks(s.worker(first))
		second := s.build("second", "bob", e)
		s.says("second", "waiting for lock")
		s.polls(s.worker(second))
		for _, who := range []string{"root", "bob", "carol"} {
			r := s.look(who)
			s.expect(r, want{who: who, subject: first.Process.Pid, id: "client-stopped", chain: "first", status: "broken"})
			s.expect(r, want{
				who: who, subject: second.Process.Pid, id: "client-stopped",
				chain: "second worker [chatty] worker first", status: "broken",
			})
		}
		s.repair("", "continue-process")
		s.until("the build to go on", func() bool {
			d := s.of(s.look("root"), second.Process.Pid)
			return d != nil && d.Status == "ok"
		})
		d := s.expect(s.lookAtBusy("root", first.Process.Pid), want{who: "root", subject: first.Process.Pid, id: "builder-busy", chain: "first worker builder", status: "ok"})
		if d == nil {
			s.fail("a client that prints its log is not said to do so")
		}
	}},
	{"pager", "nix-build | less: a person reads the first page, and another command waits for the output", func(s *site) {
		s.daemon()
		e := s.expr("chatty", chatty)
		s.start("terminal", "alice", []string{"NIX_REMOTE=daemon", "TERM=xterm"}, "sh", "-c",
			"sleep 300 | script -qec 'stty rows 24 cols 80; nix-build --no-out-link "+e+" 2>&1 | less' /dev/null")
		first := s.builds(1, "^nix-build ")[0]
		s.labels[first] = "first"
		s.blocks(first)
		s.blocks(running(fmt.Sprintf(`^nix-daemon %d\b`, first))[0])
		pager := running("^less")[0]
		s.labels[pager] = "less"
		second := s.build("second", "bob", e)
		s.says("second", "waiting for lock")
		s.polls(s.worker(second))
		for _, who := range []string{"root", "alice"} {
			r := s.look(who)
			d := s.expect(r, want{who: who, subject: first, id: "output-not-read", chain: "first less", status: "at-risk"})
			if d != nil && !strings.Contains(d.Sentence, "waits for a key") {
				s.fail("%s: %s", who, d.Sentence)
			}
		}
		s.expect(s.look("root"), want{
			who: "root", subject: second.Process.Pid, id: "output-not-read",
			chain: "second worker [chatty] worker first less", status: "at-risk",
		})
		// Bob may not look into either, and is not told that nothing is wrong.
		d := s.of(s.look("bob"), second.Process.Pid)
		if d == nil || d.Status == "ok" {
			s.fail("bob is told that all is well: %+v", d)
		}
		s.repair(fmt.Sprint(pager), "end-process")
	}},
	{"stopped-tee", "nix-build | tee: tee is stopped", func(s *site) {
		s.daemon()
		s.start("pipe", "alice", []string{"NIX_REMOTE=daemon"}, "sh", "-c",
			"nix-build --no-out-link "+s.expr("chatty", chatty)+" 2>&1 | tee /tmp/log >/dev/null")
		tee := s.builds(1, "^tee ")[0]
		s.builds(1, lines)
		s.labels[tee] = "tee"
		s.stop(tee)
		first := s.builds(1, "^nix-build ")[0]
		s.blocks(first)
		for _, who := range []string{"root", "alice"} {
			s.expect(s.look(who), want{who: who, subject: first, id: "reader-stopped", chain: "client tee", status: "broken"})
		}
		s.repair("", "continue-process")
		s.expect(s.look("root"), want{who: "root", subject: first, id: "builder-busy", status: "ok"})
	}},
	{"slow-reader", "nix-build into a program that reads a line a second", func(s *site) {
		s.daemon()
		s.start("pipe", "alice", []string{"NIX_REMOTE=daemon"}, "sh", "-c",
			"nix-build --no-out-link "+s.expr("chatty", chatty)+" 2>&1 | while read -r l; do sleep 1; done")
		first := s.builds(1, "^nix-build ")[0]
		s.blocks(first)
		for _, who := range []string{"root", "alice"} {
			if d := s.of(s.look(who), first); d == nil || d.Status != "ok" {
				s.fail("%s: want ok, got %+v", who, d)
			}
		}
		s.seen = append(s.seen, "root and alice see nothing wrong")
	}},
	{"terminal-stopped", "the terminal of a client was stopped with Ctrl-S", func(s *site) {
		s.daemon()
		master, slave := s.terminal()
		cmd := exec.Command("nix-build", "--no-out-link", s.expr("chatty", chatty))
		cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/root", "NIX_REMOTE=daemon", "TERM=dumb"}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if err := cmd.Start(); err != nil {
			s.fatal("%v", err)
		}
		go cmd.Wait()
		s.labels[cmd.Process.Pid] = "first"
		go func() {
			for b := make([]byte, 4096); ; {
				if _, err := master.Read(b); err != nil {
					return
				}
			}
		}()
		s.builds(1, lines)
		if _, err := master.Write([]byte{0x13}); err != nil {
			s.fatal("%v", err)
		}
		s.blocks(cmd.Process.Pid)
		d := s.expect(s.look("root"), want{who: "root", subject: cmd.Process.Pid, id: "output-not-read", chain: "first", status: "at-risk"})
		if d != nil && !strings.Contains(d.Sentence, "its terminal") {
			s.fail("no terminal: %s", d.Sentence)
		}
		if _, err := master.Write([]byte{0x11}); err != nil {
			s.fatal("%v", err)
		}
		s.until("it to go on", func() bool { return s.has(s.look("root"), cmd.Process.Pid, "builder-busy") })
	}},
	{"fifo", "nix-build into a FIFO whose reader has other things to do", func(s *site) {
		s.daemon()
		if err := syscall.Mkfifo("/tmp/fifo", 0o666); err != nil {
			s.fatal("%v", err)
		}
		s.start("pipe", "root", []string{"NIX_REMOTE=daemon"}, "sh", "-c",
			"exec nix-build --no-out-link "+s.expr("chatty", chatty)+" >/tmp/fifo 2>&1")
		reader := s.start("reader", "root", nil, "sh", "-c", "exec sleep 300 </tmp/fifo")
		first := s.builds(1, "^nix-build ")[0]
		s.blocks(first)
		s.expect(s.look("root"), want{who: "root", subject: first, id: "output-not-read", chain: "pipe reader", status: "at-risk"})
		s.culpritOf("root", first, reader.Process.Pid)
	}},
	{"printing-client", "a client prints what its build says as fast as it can", func(s *site) {
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("chatty", chatty))
		s.builds(1, lines)
		for _, who := range []string{"root", "alice", "carol"} {
			// Where two cores have more to do, the client is caught on its way to read, which is no less well.
			r := s.lookAtBusy(who, c.Process.Pid)
			if s.has(r, c.Process.Pid, "working") {
				s.expect(r, want{who: who, subject: c.Process.Pid, id: "working", chain: "nix-build", status: "ok"})
				continue
			}
			s.expect(r, want{who: who, subject: c.Process.Pid, id: "builder-busy", chain: "nix-build worker builder", status: "ok"})
		}
	}},
	{"stopped-builder-sandbox", "the processes of a build in a sandbox are stopped, and others wait for its output", func(s *site) {
		s.sandboxed()
		s.daemon()
		e := s.expr("slow-a", sleeper)
		first := s.build("first", "alice", e)
		s.stops(append(s.builds(1, asleep), running(`^sh -c echo started`)...))
		second := s.build("second", "bob", e)
		s.says("second", "waiting for lock")
		s.polls(s.worker(second))
		for _, who := range []string{"root", "alice", "carol"} {
			r := s.look(who)
			d := s.expect(r, want{who: who, subject: first.Process.Pid, id: "builder-stopped", chain: "first worker builder", status: "broken"})
			if d != nil && !strings.Contains(d.Advice, "kill -CONT ") {
				s.fail("%s: no numbers: %s", who, d.Advice)
			}
			s.expect(r, want{who: who, subject: second.Process.Pid, id: "builder-stopped", chain: "second worker [slow-a] worker builder", status: "broken"})
		}
		s.culprit(0, first.Process.Pid, second.Process.Pid)
		s.repair("", "continue-process continue-process")
		s.well("root", first.Process.Pid)
	}},
	{"stopped-in-container", "a builder of a container is stopped", func(s *site) {
		s.start("container", "root", nil, "unshare", "-pf", "--kill-child", "--mount-proc", "sh", "-c",
			"nix-daemon --daemon & sleep 1; NIX_REMOTE=daemon nix-build --no-out-link "+s.expr("slow-a", sleeper)+" & wait")
		s.stops(append(s.builds(1, asleep), running(`^sh -c echo started`)...))
		s.expect(s.look("root"), want{who: "root", id: "builder-stopped", chain: "client worker builder", status: "broken"})
		s.repair("", "")
	}},
	{"debugger", "gdb holds a builder in a sandbox", func(s *site) {
		s.sandboxed()
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		b := s.builds(1, asleep)[0]
		g := s.start("gdb", "root", nil, "sh", "-c", fmt.Sprintf("sleep 300 | exec gdb -nx -q -iex 'set debuginfod enabled off' -p %d", b))
		_ = g
		s.until("gdb to hold it", func() bool {
			data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b))
			return bytes.Contains(data, []byte(") t "))
		})
		debugger := s.builds(1, "^gdb ")[0]
		s.labels[debugger] = "gdb"
		for _, who := range []string{"root", "alice", "carol"} {
			d := s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "held-by-debugger", status: "broken"})
			if d != nil && !strings.Contains(d.Sentence, fmt.Sprintf("gdb %d (root)", debugger)) {
				s.fail("%s: %s", who, d.Sentence)
			}
		}
		s.repair("", "")
		s.repair(fmt.Sprint(debugger), "end-process")
		s.well("root", c.Process.Pid)
	}},
	{"traced", "strace looks on at a build, which goes on", func(s *site) {
		s.sandboxed()
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		b := s.builds(1, asleep)[0]
		s.start("strace", "root", nil, "strace", "-f", "-p", fmt.Sprint(b), "-o", "/tmp/trace")
		s.until("strace to trace it", func() bool {
			data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", b))
			return bytes.Contains(data, []byte("TracerPid:")) && !bytes.Contains(data, []byte("TracerPid:\t0\n"))
		})
		for _, who := range []string{"root", "alice"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "builder-silent", chain: "nix-build worker builder", status: "ok"})
		}
	}},
	{"builder-lock-stranger", "a build waits for a lock of a cache that a stranger holds", func(s *site) {
		s.cache()
		s.daemon()
		f := s.start("flock", "root", nil, "flock", "-x", "/home/cache/l", "sleep", "300")
		s.builds(1, `^sleep 300`)
		e := s.expr("locks", "/usr/bin/flock -x /home/cache/l /bin/echo got; echo done > $out")
		c := s.build("nix-build", "alice", e)
		s.builds(1, `^/usr/bin/flock`)
		s.until("a queue", func() bool { data, _ := os.ReadFile("/proc/locks"); return containsArrow(data) })
		s.expect(s.look("root"), want{
			who: "root", subject: c.Process.Pid, id: "foreign-lock-holder",
			chain: "nix-build worker builder builder [l] flock", status: "broken",
		})
		for _, who := range []string{"alice", "carol"} { // who may not see the name of the file
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "foreign-lock-holder", status: "broken"})
		}
		s.culprit(f.Process.Pid, c.Process.Pid)
		s.repair(fmt.Sprint(f.Process.Pid), "end-process end-process")
		s.until("the build to complete", func() bool { return len(running("^nix-build")) == 0 })
	}},
	{"builder-lock-build", "a build waits for a lock of a cache that another build holds", func(s *site) {
		s.cache()
		s.daemon()
		first := s.build("first", "alice", s.expr("holds", "/usr/bin/flock -x /home/cache/l /bin/sleep 300; echo done > $out"))
		s.builds(1, asleep)
		second := s.build("second", "bob", s.expr("waits", "/usr/bin/flock -x /home/cache/l /bin/echo got; echo done > $out"))
		s.until("a queue", func() bool { data, _ := os.ReadFile("/proc/locks"); return containsArrow(data) })
		for _, who := range []string{"root", "bob"} {
			r := s.look(who)
			s.expect(r, want{who: who, subject: second.Process.Pid, id: "builder-waits-for-lock", status: "ok"})
			s.expect(r, want{who: who, subject: first.Process.Pid, id: "builder-silent", status: "ok"})
		}
	}},
	{"builder-lock-own", "two jobs of one build take turns at a lock", func(s *site) {
		s.cache()
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("jobs",
			"/usr/bin/flock -x /home/cache/l /bin/sleep 300 & /bin/sleep 1; /usr/bin/flock -x /home/cache/l /bin/echo got & wait; echo done > $out"))
		s.until("a queue", func() bool { data, _ := os.ReadFile("/proc/locks"); return containsArrow(data) })
		for _, who := range []string{"root", "alice"} {
			if d := s.of(s.look(who), c.Process.Pid); d == nil || d.Status != "ok" {
				s.fail("%s: want ok, got %+v", who, d)
			}
		}
		s.seen = append(s.seen, "root and alice see nothing wrong")
	}},
	{"builder-lock-self", "a build waits for a lock that it holds itself", func(s *site) {
		s.cache()
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("self",
			"/usr/bin/flock -x /home/cache/l /usr/bin/flock -x /home/cache/l /bin/echo got; echo done > $out"))
		s.until("a queue", func() bool { data, _ := os.ReadFile("/proc/locks"); return containsArrow(data) })
		for _, who := range []string{"root", "alice", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "deadlock-cycle", status: "broken"})
		}
		s.culprit(c.Process.Pid, c.Process.Pid)
		s.repair(fmt.Sprint(c.Process.Pid), "end-process")
	}},
	{"builder-lock-fcntl", "a build waits for a fcntl lock that a stranger holds", func(s *site) {
		s.cache()
		s.daemon()
		s.standIn("holder", "root", "fcntl /home/cache/l", "backup")
		s.until("the lock", func() bool {
			data, _ := os.ReadFile("/proc/locks")
			return bytes.Contains(data, []byte("POSIX  ADVISORY  WRITE"))
		})
		c := s.build("nix-build", "alice", s.expr("locks", "LIXFIX_STAND_IN='fcntl /home/cache/l' /test; echo done > $out"))
		s.until("a queue", func() bool { data, _ := os.ReadFile("/proc/locks"); return containsArrow(data) })
		s.expect(s.look("root"), want{
			who: "root", subject: c.Process.Pid, id: "foreign-lock-holder",
			chain: "nix-build worker builder builder [l] holder", status: "broken",
		})
		s.expect(s.look("carol"), want{who: "carol", subject: c.Process.Pid, id: "foreign-lock-holder", status: "broken"})
	}},
	{"lock-ring", "two builds each hold a lock of a cache that the other waits for", func(s *site) {
		s.cache()
		s.daemon()
		script := func(mine, other string) string {
			return "/usr/bin/flock -x /home/cache/" + mine + " /bin/sh -c \"/bin/sleep 2; /usr/bin/flock -x /home/cache/" + other + " /bin/echo got\"; echo done > $out"
		}
		first := s.build("first", "alice", s.expr("ring-a", script("l", "m")))
		s.worker(first)
		second := s.build("second", "bob", s.expr("ring-b", script("m", "l")))
		s.until("two queues", func() bool { data, _ := os.ReadFile("/proc/locks"); return bytes.Count(data, []byte("->")) == 2 })
		for _, who := range []string{"root", "alice", "bob", "carol"} {
			r := s.look(who)
			for _, c := range []*exec.Cmd{first, second} {
				d := s.expect(r, want{who: who, subject: c.Process.Pid, id: "deadlock-cycle", status: "broken"})
				if d != nil && len(d.Cycle) != 4 {
					s.fail("the ring has %v", d.Cycle)
				}
			}
		}
		s.culprit(second.Process.Pid, first.Process.Pid, second.Process.Pid)
		s.repair("", "")
		s.repair(fmt.Sprint(second.Process.Pid), "end-process")
		s.until("the other to complete", func() bool { return len(glob("/nix/store/*-ring-a")) == 1 && len(running("^nix-build")) == 0 })
	}},
	{"pre-build-hook", "a program that runs before each build does not end", func(s *site) {
		s.write("/tmp/hook", "#!/bin/sh\nexec /bin/sleep 300\n", 0o755)
		s.write("/tmp/hook2", "#!/bin/sh\n/bin/sleep 300\n", 0o755)
		s.sandboxed("pre-build-hook = /tmp/hook2")
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("quick", "echo done > $out"))
		s.builds(1, asleep)
		s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "pre-build-hook", chain: "nix-build worker helper", status: "ok"})
		s.expect(s.look("carol"), want{who: "carol", subject: c.Process.Pid, id: "pre-build-hook", status: "ok"})
	}},
	{"diff-hook", "a program that compares the outputs of a build does not end", func(s *site) {
		s.write("/tmp/hook", "#!/bin/sh\n/bin/sleep 300\n", 0o755)
		s.write("/etc/nix/nix.conf", "build-users-group = nixbld\nsandbox = false\nsubstituters =\nrun-diff-hook = true\ndiff-hook = /tmp/hook\n", 0o644)
		s.daemon()
		e := s.expr("differs", "read -r x y </proc/uptime; echo $x > $out")
		s.build("first", "alice", e)
		s.until("the output", func() bool { return len(glob("/nix/store/*-differs")) == 1 && len(running("^nix-build")) == 0 })
		c := s.build("nix-build", "alice", e, "--check")
		s.builds(1, asleep)
		s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "diff-hook", chain: "nix-build worker helper", status: "ok"})
		s.expect(s.look("carol"), want{who: "carol", subject: c.Process.Pid, id: "diff-hook", status: "ok"})
	}},
	{"pasta-hangs", "what is configured as pasta (a stand-in) does not set up the network of a build", func(s *site) {
		c := s.standIn("nix-build", "alice", "idle", "nix-build", "/tmp/x.nix")
		s.standIn("worker", "root", "launch", "nix-daemon", "--for", fmt.Sprint(c.Process.Pid), "--log-level", "3")
		s.builds(1, "^/bin/sleep 1000")
		r := s.look("root")
		if d := s.of(r, c.Process.Pid); d == nil || d.Status != "ok" {
			s.fail("one that has just begun is called broken: %+v", d)
		}
		time.Sleep(5 * time.Second)
		for _, who := range []string{"root", "alice", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "sandbox-network", chain: "nix-build worker pasta", status: "broken"})
		}
	}},
	{"evaluation-ends", "an evaluation is ended by its number", func(s *site) {
		s.write("/tmp/spin.nix", "builtins.foldl' (a: b: builtins.foldl' (x: y: x + y) a (builtins.genList (i: i) 1000000)) 0 (builtins.genList (i: i) 100000)", 0o644)
		c := s.start("eval", "alice", []string{"NIX_REMOTE=daemon"}, "nix-instantiate", "--eval", "/tmp/spin.nix")
		s.until("the evaluation", func() bool { return s.has(s.look("root"), c.Process.Pid, "evaluating") })
		s.repair(fmt.Sprint(c.Process.Pid), "end-process")
		s.until("it to end", func() bool { return len(running("^nix-instantiate")) == 0 })
	}},
	{"deaf-client", "a client of Lix (a stand-in) waits for a stopped daemon, and takes up no signal but KILL", func(s *site) {
		d := s.daemon()
		s.stop(d.Process.Pid)
		c := s.standIn("nix-build", "alice", "deaf", "nix-build", "/tmp/x.nix")
		s.until("its connection", func() bool { return s.has(s.look("root"), c.Process.Pid, "daemon-stopped") })
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
			s.signal(c.Process.Pid, sig)
		}
		time.Sleep(300 * time.Millisecond)
		r := s.look("root")
		dia := s.expect(r, want{who: "root", subject: c.Process.Pid, id: "daemon-stopped", chain: "nix-build daemon", status: "broken"})
		if dia != nil {
			for _, a := range dia.Actions {
				if a.PID == c.Process.Pid && (!a.Kill || !strings.Contains(a.How, "SIGKILL alone")) {
					s.fail("it is not said what it takes: %+v", a)
				}
			}
		}
		s.repair(fmt.Sprint(c.Process.Pid), "end-process")
		s.until("it to end", func() bool { return len(running("^/tmp/stand-in-nix-build")) == 0 })
	}},
	{"stopped-client-ends", "a stopped client is ended by its number", func(s *site) {
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		s.stop(c.Process.Pid)
		s.repair(fmt.Sprint(c.Process.Pid), "end-process")
		s.until("everything to end", func() bool { return len(running("^nix-build")) == 0 && len(running(asleep)) == 0 })
	}},
	{"standard-input", "an expression is to come through a pipe into which nobody writes", func(s *site) {
		s.start("pipe", "alice", []string{"NIX_REMOTE=daemon"}, "sh", "-c", "sleep 300 | nix-instantiate --eval -")
		pid := s.builds(1, "^nix-instantiate")[0]
		time.Sleep(500 * time.Millisecond)
		for _, who := range []string{"root", "alice"} {
			d := s.expect(s.look(who), want{who: who, subject: pid, id: "waits-for-input", status: "at-risk"})
			if d != nil && !strings.Contains(d.Sentence, "standard input") {
				s.fail("%s: %s", who, d.Sentence)
			}
		}
	}},
	{"lix-worker-orphan", "a worker of Lix (a stand-in) whose client is gone", func(s *site) {
		gone := s.start("gone", "alice", nil, "true")
		s.until("a process to end", func() bool { return len(running("^true")) == 0 })
		w := s.standIn("worker", "root", "idle", "nix-daemon", "--for", fmt.Sprint(gone.Process.Pid), "--log-level", "3")
		time.Sleep(300 * time.Millisecond)
		d := s.expect(s.look("root"), want{who: "root", subject: w.Process.Pid, id: "worker-orphaned", status: "broken"})
		if d != nil && (len(d.Actions) == 0 || !strings.Contains(d.Actions[0].How, "a bug in Lix")) {
			s.fail("it is not said what Lix prints: %+v", d.Actions)
		}
	}},
	{"slow-download", "a substituter sends a little every second", func(s *site) {
		port := s.drips()
		s.write("/tmp/fetch.nix", fmt.Sprintf("builtins.fetchurl \"http://127.0.0.1:%d/x\"", port), 0o644)
		s.daemon()
		c := s.start("fetch", "alice", []string{"NIX_REMOTE=daemon"}, "nix-instantiate", "--eval", "/tmp/fetch.nix")
		time.Sleep(12 * time.Second)
		for _, who := range []string{"root", "alice"} {
			if d := s.of(s.look(who), c.Process.Pid); d == nil || d.Status != "ok" {
				s.fail("%s: want ok, got %+v", who, d)
			}
		}
		s.seen = append(s.seen, "root and alice see nothing wrong")
	}},
	{"stopped-editor", "a process that has nothing to do with Nix is stopped beside a build", func(s *site) {
		s.daemon()
		e := s.start("editor", "alice", nil, "sleep", "299")
		s.stop(e.Process.Pid)
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		for _, who := range []string{"root", "alice"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "builder-silent", chain: "nix-build worker builder", status: "ok"})
		}
		s.repair("", "")
	}},
	{"shared-stranger", "a backup holds the store's lock and the database as every reader does", func(s *site) {
		s.daemon()
		s.start("warm", "root", nil, "nix-store", "--gc", "--print-roots")
		s.until("big-lock", func() bool { return len(glob("/nix/var/nix/db/big-lock")) == 1 && len(running("^nix-store")) == 0 })
		s.start("backup", "root", nil, "flock", "-s", "/nix/var/nix/db/big-lock", "sleep", "300")
		s.start("sqlite", "root", nil, "sh", "-c", "(echo 'begin; select count(*) from ValidPaths;'; sleep 300) | exec sqlite3 /nix/var/nix/db/db.sqlite")
		s.builds(2, `^sleep 300`)
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		for _, who := range []string{"root", "alice", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "builder-silent", chain: "nix-build worker builder", status: "ok"})
		}
	}},
	{"left-lock-files", "lock files that a killed build left are no locks", func(s *site) {
		s.daemon()
		e := s.expr("slow-a", sleeper)
		s.write(s.output(e)+".lock", "", 0o600)
		s.write("/nix/var/nix/temproots/4711", "/nix/store/00000000000000000000000000000000-x\x00", 0o600)
		c := s.build("nix-build", "alice", e)
		s.builds(1, asleep)
		for _, who := range []string{"root", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "builder-silent", chain: "nix-build worker builder", status: "ok"})
		}
	}},
	{"busy-beside-stopped", "a process of a build is stopped, and the others work", func(s *site) {
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("half", "/bin/sleep 300 & while :; do :; done"))
		s.stop(s.builds(1, asleep)[0])
		for _, who := range []string{"root", "alice"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "builder-busy", status: "ok"})
		}
	}},
	{"repl", "a person has not typed anything yet", func(s *site) {
		s.start("terminal", "alice", []string{"TERM=xterm", "NIX_REMOTE=daemon"}, "sh", "-c", "sleep 300 | script -qec 'nix repl' /dev/null")
		s.daemon()
		pid := s.builds(1, "^nix repl")[0]
		time.Sleep(time.Second)
		s.expect(s.look("root"), want{who: "root", subject: pid, id: "working", status: "ok"})
		for _, who := range []string{"root", "alice", "carol"} {
			if d := s.of(s.look(who), pid); d == nil || d.Status != "ok" {
				s.fail("%s: want ok, got %+v", who, d)
			}
		}
		s.seen = append(s.seen, "root, alice and carol see nothing wrong")
	}},
}

// further are the situations that no report told of, and what of them is healthy or only slow.
var further = map[string]bool{
	"long-silence": true, "user-locks-stranger": false, "stopped-tee": false, "slow-reader": true, "terminal-stopped": false,
	"fifo": false, "stopped-in-container": false, "traced": true, "builder-lock-build": true, "builder-lock-own": true,
	"builder-lock-self": false, "builder-lock-fcntl": false, "stopped-client-ends": false, "standard-input": false,
	"lix-worker-orphan": false, "slow-download": true, "stopped-editor": true, "shared-stranger": true,
	"left-lock-files": true, "busy-beside-stopped": true, "repl": true,
}

// drips serves a file of which a little comes every second.
func (s *site) drips() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.fatal("%v", err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100000")
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 100))
			w.(http.Flusher).Flush()
			time.Sleep(time.Second)
		}
	})
	go http.Serve(l, handler) //nolint:errcheck // ends with the scene
	return l.Addr().(*net.TCPAddr).Port
}

// of returns the diagnosis of a command, nil for none.
func (s *site) of(r *diagnose.Report, subject int) *diagnose.Diagnosis {
	for i, d := range r.Diagnoses {
		if d.Subject == fmt.Sprintf("process:%d", subject) {
			return &r.Diagnoses[i]
		}
	}
	return nil
}

// well expects nothing to be wrong with a command: what has just been continued may work or sleep.
func (s *site) well(who string, subject int) {
	d := s.of(s.look(who), subject)
	if d == nil || d.Status != "ok" {
		s.fail("%s: want ok, got %+v", who, d)
		return
	}
	s.seen = append(s.seen, who+" sees "+d.ID)
}

func (s *site) culpritOf(who string, subject, pid int) {
	if d := s.of(s.look(who), subject); d == nil || d.End != pid {
		s.fail("%s is not to end %d: %+v", who, pid, d)
	}
}

// cache turns the sandbox on with a directory that builds share, and that they may all write to.
func (s *site) cache() {
	s.dir("/home/cache")
	if err := os.Chmod("/home/cache", 0o777); err != nil {
		s.fatal("%v", err)
	}
	for _, name := range []string{"l", "m"} {
		s.write("/home/cache/"+name, "", 0o666)
		if err := os.Chmod("/home/cache/"+name, 0o666); err != nil {
			s.fatal("%v", err)
		}
	}
	s.sandboxed("extra-sandbox-paths = /home/cache /test")
}

// terminal opens a pseudo-terminal.
func (s *site) terminal() (master, slave *os.File) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		s.fatal("%v", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		s.fatal("%v", err)
	}
	if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		s.fatal("%v", err)
	}
	return master, slave
}
