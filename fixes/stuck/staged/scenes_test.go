//go:build linux

package staged_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/lixfix/lixfix/fixes/stuck/diagnose"
	"github.com/lixfix/lixfix/fixes/stuck/draw"
	"github.com/lixfix/lixfix/fixes/stuck/observe"

	"github.com/lixfix/lixfix/fixes/stuck"
	"github.com/lixfix/lixfix/platform"
)

// scene is a situation to recognise.
type scene struct {
	name string
	doc  string
	play func(s *site)
}

const (
	sleeper = "echo started; /bin/sleep 300; echo done > $out"
	spinner = "echo started; while :; do :; done"
	asleep  = `^/bin/sleep 300`
)

var scenes = slices.Concat(causes, hostile, []scene{
	{"nothing", "no Nix is running", func(s *site) {
		s.expect(s.look("root"), want{who: "root", id: "nothing-running", status: "ok"})
		s.daemon()
		s.expect(s.look("alice"), want{who: "alice", id: "nothing-running", status: "ok"})
	}},
	{"silent-builder", "a build that sleeps", func(s *site) {
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		for _, who := range []string{"root", "alice", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "builder-silent", chain: "nix-build worker builder", status: "ok"})
		}
		if d := s.look("root").Diagnoses[0]; !strings.Contains(d.Sentence, "quiet for ") {
			s.fail("no time: %s", d.Sentence)
		}
	}},
	{"busy-builder", "a build that spins", func(s *site) {
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("spin", spinner))
		s.builds(1, `while :; do`)
		for _, who := range []string{"root", "alice"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "builder-busy", chain: "nix-build worker builder", status: "ok"})
		}
	}},
	{"same-output", "three clients for one output", func(s *site) {
		s.daemon()
		e := s.expr("slow-a", sleeper)
		s.build("first", "alice", e)
		s.builds(1, asleep)
		second := s.build("second", "bob", e)
		s.says("second", "waiting for lock")
		third := s.build("third", "bob", e)
		s.says("third", "waiting for lock")
		for _, c := range []int{second.Process.Pid, third.Process.Pid} {
			for _, who := range []string{"root", "bob", "carol"} {
				s.expect(s.look(who), want{who: who, subject: c, id: "waits-for-output-lock", chain: "", status: "ok"})
			}
			s.expect(s.look("root"), want{who: "root", subject: c, id: "waits-for-output-lock", chain: s.labels[c] + " worker [slow-a] worker builder", status: "ok"})
		}
	}},
	{"chain-of-three", "a build waits for a build whose builder waits for a build", func(s *site) {
		local := []string{"NIX_REMOTE=local", "NIX_CONFIG=build-users-group ="}
		a := s.expr("slow-a", sleeper)
		s.start("first", "root", local, "nix-build", "--no-out-link", a)
		s.builds(1, asleep)
		inner := `echo started; export HOME=/root NIX_REMOTE=local; /usr/bin/nix-build --option build-users-group "" --no-out-link /tmp/slow-a.nix; echo done > $out`
		b := s.expr("outer-b", inner)
		s.start("second", "root", local, "nix-build", "--no-out-link", b)
		s.builds(1, `^/usr/bin/nix-build`)
		s.until("the inner command to wait", func() bool {
			data, _ := os.ReadFile("/tmp/out.second")
			return len(data) > 0 && len(running(`^/usr/bin/nix-build`)) == 1
		})
		s.polls(running(`^/usr/bin/nix-build`)[0])
		third := s.start("third", "root", local, "nix-build", "--no-out-link", b)
		s.says("third", "waiting for lock")
		s.polls(third.Process.Pid)
		s.expect(s.look("root"), want{
			who: "root", subject: third.Process.Pid, id: "waits-for-output-lock",
			chain: "third [outer-b] second builder client [slow-a] first builder", status: "ok",
		})
	}},
	{"evaluating", "an evaluation that spins", func(s *site) {
		s.daemon()
		e := "/tmp/spin.nix"
		if err := os.WriteFile(e, []byte("builtins.foldl' (a: b: builtins.foldl' (x: y: x + y) a (builtins.genList (i: i) 1000000)) 0 (builtins.genList (i: i) 100000)"), 0o644); err != nil {
			s.fatal("%v", err)
		}
		c := s.start("eval", "alice", []string{"NIX_REMOTE=daemon"}, "nix-instantiate", "--eval", e)
		s.until("the evaluation", func() bool { return len(running(`^nix-instantiate`)) == 1 })
		time.Sleep(500 * time.Millisecond)
		for _, who := range []string{"root", "alice", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "evaluating", chain: "eval", status: "ok"})
		}
	}},
	{"gc-lock-stranger", "gc.lock is held by flock(1)", func(s *site) {
		s.daemon()
		s.start("flock", "root", nil, "flock", "-x", "/nix/var/nix/gc.lock", "sleep", "300")
		s.builds(1, `^sleep 300`)
		c := s.start("gc", "alice", []string{"NIX_REMOTE=daemon"}, "nix-store", "--gc")
		s.says("gc", "waiting for the big garbage collector lock")
		for _, who := range []string{"root", "alice", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "foreign-lock-holder", chain: "gc worker [gc] flock", status: "broken", plan: "none"})
		}
	}},
	{"gc-behind-gc", "a garbage collection waits for another, builds do not", func(s *site) {
		s.daemon()
		if err := syscall.Mkfifo("/tmp/sync", 0o600); err != nil {
			s.fatal("%v", err)
		}
		first := s.start("first", "root", []string{"_NIX_TEST_GC_SYNC=/tmp/sync"}, "nix-store", "--gc")
		s.until("the first collection to hold its lock", func() bool {
			data, _ := os.ReadFile("/proc/locks")
			return len(glob("/nix/var/nix/gc.lock")) == 1 && holds(data, first.Process.Pid, "/nix/var/nix/gc.lock")
		})
		second := s.start("second", "alice", []string{"NIX_REMOTE=daemon"}, "nix-store", "--gc")
		s.says("second", "waiting for the big garbage collector lock")
		b := s.build("build", "bob", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		for _, who := range []string{"root", "alice"} {
			r := s.look(who)
			s.expect(r, want{who: who, subject: second.Process.Pid, id: "waits-for-gc", chain: "second worker [gc] first", status: "ok"})
			s.expect(r, want{who: who, subject: b.Process.Pid, id: "builder-silent"})
		}
		s.stop(first.Process.Pid)
		for _, who := range []string{"root", "alice"} {
			s.expect(s.look(who), want{who: who, subject: second.Process.Pid, id: "gc-stopped", chain: "second worker [gc] first", status: "broken"})
		}
	}},
	{"big-lock-stranger", "the store's lock is held by flock(1)", func(s *site) {
		s.daemon()
		s.start("warm", "root", nil, "nix-store", "--gc", "--print-roots")
		s.until("big-lock", func() bool {
			_, err := os.Stat("/nix/var/nix/db/big-lock")
			return err == nil && len(running("^nix-store")) == 0
		})
		s.start("flock", "root", nil, "flock", "-x", "/nix/var/nix/db/big-lock", "sleep", "300")
		s.builds(1, `^sleep 300`)
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.worker(c)
		s.says("daemon", "waiting for the big Nix store lock")
		for _, who := range []string{"root", "alice", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "foreign-lock-holder", chain: "nix-build worker [big-lock] flock", status: "broken"})
		}
	}},
	{"profile-lock-stranger", "a profile's lock is held by flock(1)", func(s *site) {
		s.dir("/nix/var/nix/profiles")
		s.start("flock", "root", nil, "flock", "-x", "/nix/var/nix/profiles/p.lock", "sleep", "300")
		s.builds(1, `^sleep 300`)
		c := s.start("env", "root", nil, "nix-env", "-p", "/nix/var/nix/profiles/p", "--delete-generations", "old")
		s.says("env", "waiting for lock on profile")
		for _, who := range []string{"root", "alice"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "foreign-lock-holder", chain: "env [p] flock", status: "broken"})
		}
	}},
	{"store-path-lock", "a store path is added while its lock is held, which prints nothing", func(s *site) {
		s.daemon()
		if err := os.WriteFile("/tmp/thing", []byte("thing"), 0o644); err != nil {
			s.fatal("%v", err)
		}
		s.start("warm", "root", nil, "nix-store", "--add", "/tmp/thing")
		s.until("the path", func() bool { return len(glob("/nix/store/*-thing")) == 1 && len(running("^nix-store")) == 0 })
		path := glob("/nix/store/*-thing")[0]
		s.start("delete", "root", nil, "nix-store", "--delete", path)
		s.until("the path to go", func() bool { return len(glob(path)) == 0 && len(running("^nix-store")) == 0 })
		s.start("flock", "root", nil, "flock", "-x", path+".lock", "sleep", "300")
		s.builds(1, `^sleep 300`)
		c := s.start("add", "root", nil, "nix-store", "--add", "/tmp/thing")
		s.until("a queue", func() bool { data, _ := os.ReadFile("/proc/locks"); return containsArrow(data) })
		for _, who := range []string{"root", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "foreign-lock-holder", chain: "add [thing] flock"})
		}
	}},
	{"sqlite-writer", "a stranger holds the write lock of the database", func(s *site) {
		s.daemon()
		s.start("warm", "root", nil, "nix-store", "--gc", "--print-roots")
		s.until("the database", func() bool {
			_, err := os.Stat("/nix/var/nix/db/db.sqlite")
			return err == nil && len(running("^nix-store")) == 0
		})
		s.start("sqlite", "root", nil, "sh", "-c", "(echo 'begin immediate;'; sleep 300) | exec sqlite3 /nix/var/nix/db/db.sqlite")
		s.builds(1, `^sleep 300`)
		pid := s.builds(1, `^sqlite3`)[0]
		s.labels[pid] = "sqlite3"
		s.until("the write lock", func() bool { data, _ := os.ReadFile("/proc/locks"); return writes(data, pid) })
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.worker(c)
		time.Sleep(time.Second)
		for _, who := range []string{"root", "alice", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "foreign-lock-holder", status: "broken", chain: "nix-build worker [db.sqlite-shm] sqlite3"})
		}
	}},
	{"stopped-worker", "a worker is stopped, and another client waits for its output", func(s *site) {
		s.daemon()
		e := s.expr("slow-a", sleeper)
		first := s.build("first", "alice", e)
		s.builds(1, asleep)
		w := s.worker(first)
		s.stop(w)
		second := s.build("second", "bob", e)
		s.says("second", "waiting for lock")
		for _, who := range []string{"root", "bob", "carol"} {
			r := s.look(who)
			s.expect(r, want{who: who, subject: first.Process.Pid, id: "worker-stopped", chain: "first worker", status: "broken"})
			s.expect(r, want{who: who, subject: second.Process.Pid, id: "worker-stopped", chain: "second worker [slow-a] worker", status: "broken"})
		}
		s.repair("", "continue-process")
		s.expect(s.look("root"), want{who: "root", subject: second.Process.Pid, id: "waits-for-output-lock"})
	}},
	{"orphaned-worker", "a stopped worker whose client is gone holds an output", func(s *site) {
		s.daemon()
		e := s.expr("slow-a", sleeper)
		first := s.build("first", "alice", e)
		s.builds(1, asleep)
		w := s.worker(first)
		s.stop(w)
		second := s.build("second", "bob", e)
		s.says("second", "waiting for lock")
		s.signal(first.Process.Pid, syscall.SIGKILL)
		s.until("the client to end", func() bool { return len(running(`^nix-build .*`)) == 1 })
		for _, who := range []string{"root", "bob", "carol"} {
			s.expect(s.look(who), want{who: who, subject: second.Process.Pid, id: "output-lock-holder-orphaned", chain: "second worker [slow-a] worker", status: "broken"})
		}
		s.repair("", "continue-process end-process")
		// The second one tries again within five seconds, and what is said afterwards waits for that.
		if r := s.look("root"); s.has(r, second.Process.Pid, "unknown") || !s.shows(r, second.Process.Pid) {
			s.fail("the chain is not said to move: %s\n%s", strings.Join(draw.Tree(r, r.Diagnoses[0]), "\n"), ps())
		}
		s.until("the second client to build", func() bool {
			return len(running(asleep)) > 0 && len(running(fmt.Sprintf(`^nix-daemon %d`, first.Process.Pid))) == 0
		})
		s.until("the chain to move", func() bool {
			return s.has(s.look("root"), second.Process.Pid, "builder-silent")
		})
	}},
	{"killed-client", "a client is killed: its worker ends by itself", func(s *site) {
		s.daemon()
		e := s.expr("slow-a", sleeper)
		first := s.build("first", "alice", e)
		s.builds(1, asleep)
		second := s.build("second", "bob", e)
		s.says("second", "waiting for lock")
		s.signal(first.Process.Pid, syscall.SIGKILL)
		s.until("the second client to build", func() bool {
			return s.has(s.look("root"), second.Process.Pid, "builder-silent")
		})
		s.expect(s.look("bob"), want{who: "bob", subject: second.Process.Pid, id: "builder-silent", chain: "second worker builder"})
	}},
	{"killed-daemon", "the listening daemon is killed: its worker goes on", func(s *site) {
		d := s.daemon()
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		w := s.worker(c)
		s.signal(d.Process.Pid, syscall.SIGKILL)
		s.until("the worker to be left", func() bool {
			for _, p := range procs() {
				if p.pid == w {
					return p.parent == 1
				}
			}
			return false
		})
		for _, who := range []string{"root", "alice"} {
			r := s.look(who)
			s.expect(r, want{who: who, subject: c.Process.Pid, id: "builder-silent", chain: "nix-build worker builder"})
			s.expect(r, want{who: who, subject: w, id: "worker-without-listener", status: "ok"})
		}
	}},
	{"stopped-daemon", "the listening daemon is stopped", func(s *site) {
		d := s.daemon()
		s.stop(d.Process.Pid)
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		time.Sleep(500 * time.Millisecond)
		for _, who := range []string{"root", "alice", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "daemon-stopped", chain: "nix-build daemon", status: "broken"})
		}
		s.repair("", "continue-process")
		s.builds(1, asleep)
	}},
	{"stopped-client", "a client is stopped", func(s *site) {
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		s.stop(c.Process.Pid)
		for _, who := range []string{"root", "alice", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "client-stopped", chain: "nix-build", status: "broken"})
		}
	}},
	{"stopped-builder", "the processes of a build are stopped", func(s *site) {
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		for _, pid := range append(s.builds(1, asleep), running(`^sh -c echo started`)...) {
			s.stop(pid)
		}
		for _, who := range []string{"root", "alice"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "builder-stopped", chain: "nix-build worker builder", status: "broken"})
		}
		s.repair("", "continue-process continue-process")
		s.well("root", c.Process.Pid)
	}},
	{"too-few-users", "more builds than build users", func(s *site) {
		s.daemon()
		for i, who := range []string{"alice", "bob"} {
			s.build(fmt.Sprintf("busy%d", i), who, s.expr(fmt.Sprintf("slow-%d", i), sleeper))
			s.builds(i+1, asleep)
		}
		c := s.build("third", "alice", s.expr("slow-c", sleeper))
		s.says("third", "waiting for UID")
		for _, who := range []string{"root", "alice", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "no-free-build-user", status: "ok"})
		}
	}},
	{"killed-worker", "a worker is killed, and its builder lives on", func(s *site) {
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		s.signal(s.worker(c), syscall.SIGKILL)
		s.until("the client to end", func() bool { return len(running("^nix-build")) == 0 })
		for _, who := range []string{"root", "alice"} {
			s.expect(s.look(who), want{who: who, id: "build-user-leaked", status: "broken"})
		}
		s.repair("", "end-process end-process")
		s.expect(s.look("root"), want{who: "root", id: "nothing-running"})
	}},
	{"leftover", "a build leaves a process behind that keeps its log open", func(s *site) {
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("left", "/usr/bin/setsid /bin/sleep 300 & echo done > $out"))
		s.builds(1, asleep)
		s.until("the builder to end", func() bool {
			for _, p := range procs() {
				if p.state == 'Z' && p.parent == s.worker(c) {
					return true
				}
			}
			return false
		})
		for _, who := range []string{"root", "alice"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "builder-leftover", chain: "nix-build worker builder", status: "broken"})
		}
		s.repair("", "end-process")
		s.until("the build to complete", func() bool { return len(running("^nix-build")) == 0 && len(glob("/nix/store/*-left")) == 1 })
	}},
	{"ring", "a builder builds what it is itself a part of", func(s *site) {
		inner := `echo started; export HOME=/root NIX_REMOTE=local; /usr/bin/nix-build --option build-users-group "" --no-out-link /tmp/ring.nix; echo done > $out`
		e := s.expr("ring", inner)
		c := s.start("outer", "root", []string{"NIX_REMOTE=local", "NIX_CONFIG=build-users-group ="}, "nix-build", "--no-out-link", e)
		pid := s.builds(1, `^/usr/bin/nix-build`)[0]
		s.polls(pid)
		d := s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "deadlock-cycle", status: "broken"})
		if d != nil && len(d.Cycle) != 3 {
			s.fail("the ring has %v", d.Cycle)
		}
		s.repair("", "")
		s.repair(fmt.Sprint(c.Process.Pid), "end-process")
		s.until("everything to end", func() bool { return len(running("nix-build")) == 0 })
	}},
	{"orphan-alone", "a stopped worker whose client is gone, and nobody waits", func(s *site) {
		s.daemon()
		first := s.build("first", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		w := s.worker(first)
		s.stop(w)
		s.signal(first.Process.Pid, syscall.SIGKILL)
		s.until("the client to end", func() bool { return len(running("^nix-build")) == 0 })
		for _, who := range []string{"root", "carol"} {
			s.expect(s.look(who), want{who: who, subject: w, id: "worker-orphaned", chain: "worker", status: "broken"})
		}
		s.refuses("carol")
	}},
	{"plain-daemon", "the daemon was started without arguments, so that its workers do not name their clients", func(s *site) {
		s.listener = s.start("daemon", "root", nil, "nix-daemon")
		s.until("the daemon's socket", s.listening)
		e := s.expr("slow-a", sleeper)
		s.build("first", "alice", e)
		s.builds(1, asleep)
		second := s.build("second", "bob", e)
		s.says("second", "waiting for lock")
		s.expect(s.look("root"), want{who: "root", subject: second.Process.Pid, id: "waits-for-output-lock", chain: "second worker [slow-a] worker builder"})
		// Without root, the order in which they came tells whose worker is whose.
		for _, who := range []string{"bob", "carol"} {
			r := s.look(who)
			d := s.expect(r, want{who: who, subject: second.Process.Pid, id: "waits-for-output-lock", chain: "second worker [slow-a] worker builder"})
			if d != nil && (d.Certainty == diagnose.Certain || !strings.Contains(strings.Join(draw.Tree(r, *d), "\n"), "└┄ worker")) {
				s.fail("%s is as sure as root: %+v", who, d)
			}
		}
	}},
	{"plain-daemon-two", "the same, where two commands could be the client of either worker", func(s *site) {
		s.listener = s.start("daemon", "root", nil, "nix-daemon")
		s.until("the daemon's socket", s.listening)
		// Both commands are there before the daemon accepts either.
		s.stop(s.listener.Process.Pid)
		first, second := s.build("first", "alice", s.expr("slow-a", sleeper)), s.build("second", "bob", s.expr("slow-b", sleeper))
		s.until("both commands", func() bool { return len(running("^nix-build ")) == 2 })
		s.signal(s.listener.Process.Pid, syscall.SIGCONT)
		s.builds(2, asleep)
		s.expect(s.look("root"), want{who: "root", subject: first.Process.Pid, id: "builder-silent", chain: "first worker builder"})
		r := s.look("carol")
		for _, c := range []*exec.Cmd{first, second} {
			if s.has(r, c.Process.Pid, "builder-silent") {
				s.fail("carol is told whose worker it is, which nobody can know: %+v", r.Diagnoses)
			}
		}
		// Alice sees the sockets of her own command, which do not tell either.
		s.expect(s.look("alice"), want{who: "alice", id: "builder-silent", chain: "worker builder"})
	}},
	{"inherited-lock", "flock(1) has ended, and its child keeps the lock, which the kernel does not list in a PID namespace", func(s *site) {
		s.dir("/nix/var/nix")
		// As long as flock(1) leads a session, its number lives on with that, and the table still names it.
		s.start("shell", "root", nil, "sh", "-c", "flock -x /nix/var/nix/gc.lock sleep 300; while :; do wait; sleep 1; done")
		keeper := s.builds(1, `^sleep 300`)[0]
		flock := running("^flock")[0]
		s.labels[keeper] = "keeper"
		c := s.start("gc", "root", nil, "nix-store", "--gc")
		s.says("gc", "waiting for the big garbage collector lock")
		s.signal(flock, syscall.SIGKILL)
		s.until("the lock to leave the table", func() bool { data, _ := os.ReadFile("/proc/locks"); return !containsArrow(data) })
		s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "foreign-lock-holder", chain: "gc [gc] keeper", status: "broken"})
		// Who may not look into it does not guess.
		if d := s.expect(s.look("carol"), want{who: "carol", subject: c.Process.Pid, id: "unknown", status: "unknown"}); d != nil && len(d.Chain) > 1 {
			s.fail("carol sees %v", d.Chain)
		}
		s.repair(fmt.Sprint(keeper), "end-process")
		s.seen = append(s.seen, "the collection goes on")
		s.until("the collection to end", func() bool { return len(running("^nix-store --gc")) == 0 })
	}},
	{"gone-holder", "flock(1) has ended, and its child keeps the lock, which the kernel lists under the number of flock(1)", func(s *site) {
		s.dir("/nix/var/nix")
		f := s.start("flock", "root", nil, "flock", "-x", "/nix/var/nix/gc.lock", "sleep", "300")
		s.labels[s.builds(1, `^sleep 300`)[0]] = "keeper"
		c := s.start("gc", "root", nil, "nix-store", "--gc")
		s.says("gc", "waiting for the big garbage collector lock")
		s.signal(f.Process.Pid, syscall.SIGKILL)
		s.until("flock to end", func() bool { return len(running("^flock")) == 0 })
		s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "foreign-lock-holder", chain: "gc [gc] keeper", status: "broken"})
		d := s.expect(s.look("carol"), want{who: "carol", subject: c.Process.Pid, id: "foreign-lock-holder", chain: "gc [gc]", status: "broken"})
		if d != nil && d.Certainty != diagnose.Likely {
			s.fail("carol is sure of somebody whom she cannot see: %+v", d)
		}
	}},
	{"eval-cache", "a command writes to the cache of its evaluation while another one opens it", func(s *site) {
		s.dir("/tmp/flake")
		s.write("/tmp/flake/flake.nix", "{ outputs = _: { x = 1; }; }", 0o644)
		eval := func(label string) int {
			return s.start(label, "root", []string{"NIX_REMOTE=local"}, "nix", "--extra-experimental-features",
				"nix-command flakes", "eval", "path:/tmp/flake#x").Process.Pid
		}
		eval("first")
		s.until("the first to end", func() bool {
			return len(glob("/root/.cache/nix/eval-cache-*/*.sqlite")) == 1 && len(running("^nix --extra")) == 0
		})
		// It writes for microseconds. One that is caught at it is played by sqlite3, under the name of nix.
		cache := glob("/root/.cache/nix/eval-cache-*/*.sqlite")[0]
		s.dir("/tmp/writer")
		if out, err := exec.Command("cp", "/usr/bin/sqlite3", "/tmp/writer/nix").CombinedOutput(); err != nil {
			s.fatal("%v: %s", err, out)
		}
		s.start("writer", "root", nil, "/tmp/writer/nix", cache,
			"begin exclusive; with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c;")
		s.until("the lock", func() bool {
			data, _ := os.ReadFile("/proc/locks")
			list := running("^/tmp/writer/nix")
			return len(list) == 1 && holds(data, list[0], cache)
		})
		second := eval("second")
		s.until("the second to sleep in front of it", func() bool {
			data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", second))
			return strings.Contains(string(data), "nanosleep")
		})
		for _, who := range []string{"root"} {
			s.expect(s.look(who), want{who: who, subject: second, id: "eval-cache-locked", status: "ok"})
		}
	}},
	{"silent-substituter", "a substituter accepts the connection and says nothing", func(s *site) {
		port := s.listen()
		c := s.start("fetch", "root", []string{"NIX_REMOTE=local"}, "nix-store", "-r", "/nix/store/00000000000000000000000000000000-x",
			"--option", "substituters", fmt.Sprintf("http://127.0.0.1:%d", port), "--option", "require-sigs", "false")
		time.Sleep(3 * time.Second)
		s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "downloading", chain: "fetch", status: "ok"})
		time.Sleep(8 * time.Second)
		s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "download-stalled", chain: "fetch", status: "at-risk"})
	}},
	{"silent-substituter-own", "the same as an ordinary user who looks at the own command", func(s *site) {
		port := s.listen()
		e := "/tmp/fetch.nix"
		s.write(e, fmt.Sprintf("builtins.fetchurl \"http://127.0.0.1:%d/x\"", port), 0o644)
		s.daemon()
		c := s.start("fetch", "alice", []string{"NIX_REMOTE=daemon"}, "nix-instantiate", "--eval", e)
		time.Sleep(11 * time.Second)
		for _, who := range []string{"root", "alice"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "download-stalled", chain: "fetch", status: "at-risk"})
		}
	}},
	{"lost-network", "nobody answers a connection", func(s *site) {
		port := s.deaf()
		c := s.start("fetch", "root", []string{"NIX_REMOTE=local"}, "nix-store", "-r", "/nix/store/00000000000000000000000000000000-x",
			"--option", "substituters", fmt.Sprintf("http://127.0.0.1:%d", port), "--option", "connect-timeout", "60")
		s.until("a connection", func() bool { data, _ := os.ReadFile("/proc/net/tcp"); return bytes.Contains(data, []byte(" 02 ")) })
		s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "network-lost", chain: "fetch", status: "at-risk"})
	}},
	{"remote-builder", "a build is on another machine, whose ssh says nothing", func(s *site) {
		s.write("/tmp/bin/ssh", "#!/bin/sh\nexec sleep 300\n", 0o755)
		c := s.start("remote", "root", []string{"NIX_REMOTE=local", "PATH=/tmp/bin:/usr/bin:/bin"}, "nix-build", "--no-out-link", s.expr("slow-a", sleeper),
			"--max-jobs", "0", "--builders", "ssh://slow x86_64-linux")
		s.builds(1, "^sleep 300")
		for _, who := range []string{"root", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "remote-builder", chain: "remote hook helper", status: "at-risk"})
		}
	}},
	{"post-build-hook", "a program that runs after each build does not end", func(s *site) {
		s.write("/tmp/hook", "#!/bin/sh\nexec /bin/sleep 300\n", 0o755)
		c := s.start("build", "root", []string{"NIX_REMOTE=local"}, "nix-build", "--no-out-link", s.expr("quick", "echo done > $out"), "--option", "post-build-hook", "/tmp/hook")
		s.builds(1, asleep)
		s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "post-build-hook", chain: "build helper", status: "ok"})
	}},
	{"fetch-lock", "two commands fetch the same repository", func(s *site) {
		s.write("/tmp/bin/git", "#!/bin/sh\nexec sleep 300\n", 0o755)
		e := "/tmp/git.nix"
		s.write(e, "builtins.fetchGit { url = \"https://127.0.0.1:1/x\"; ref = \"main\"; }", 0o644)
		env := []string{"NIX_REMOTE=local", "PATH=/tmp/bin:/usr/bin:/bin"}
		first := s.start("first", "root", env, "nix-instantiate", "--eval", e)
		s.builds(1, "^sleep 300")
		c := s.start("second", "root", env, "nix-instantiate", "--eval", e)
		s.until("a queue", func() bool { data, _ := os.ReadFile("/proc/locks"); return containsArrow(data) })
		for _, who := range []string{"root"} {
			r := s.look(who)
			s.expect(r, want{who: who, subject: c.Process.Pid, id: "fetch-locked", status: "ok"})
			s.expect(r, want{who: who, subject: first.Process.Pid, id: "runs-a-program", chain: "first helper", status: "ok"})
		}
	}},
	{"left-lock-directory", "the lock directory of a database without a WAL is left over", func(s *site) {
		s.dir("/nix/var/nix/db/db.sqlite.lock")
		for _, who := range []string{"root", "carol"} {
			s.expect(s.look(who), want{who: who, id: "sqlite-dotfile", status: "broken"})
		}
	}},
	{"full-disk", "no space is left for the store", func(s *site) {
		s.mount("tmpfs", "size=4m", "/nix/store")
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		if data := make([]byte, 4<<20); os.WriteFile("/nix/store/fill", data, 0o644) == nil {
			s.fail("the disk is not full")
		}
		for _, who := range []string{"root", "carol"} {
			r := s.look(who)
			s.expect(r, want{who: who, id: "disk-full", status: "broken"})
			s.expect(r, want{who: who, subject: c.Process.Pid, id: "builder-silent"})
		}
	}},
	{"copying", "a large file is added to the store", func(s *site) {
		f, err := os.Create("/tmp/large")
		if err != nil || f.Truncate(700<<20) != nil {
			s.fatal("cannot make a large file")
		}
		f.Close()
		c := s.start("add", "root", nil, "nix-store", "--add", "/tmp/large")
		s.until("the command", func() bool { return len(running("^nix-store --add")) == 1 })
		s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "copying-to-store", chain: "add", status: "ok"})
	}},
	{"one-invocation", "one of several is asked for", func(s *site) {
		s.daemon()
		s.build("first", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		c := s.build("second", "bob", s.expr("slow-b", sleeper))
		s.builds(2, asleep)
		r, err := stuck.Look(context.Background(), platform.Local(), observe.Options{PID: s.worker(c)})
		if err != nil || len(r.Diagnoses) != 1 {
			s.fatal("want one diagnosis, got %v, %v", r, err)
		}
		s.expect(r, want{who: "root", subject: c.Process.Pid, id: "builder-silent", chain: "second worker builder"})
		// What people know is often the number of sudo or of a script.
		script := s.start("script", "alice", []string{"NIX_REMOTE=daemon"}, "sh", "-c", "nix-build --no-out-link "+s.expr("slow-a", sleeper)+"; true")
		s.says("script", "waiting for lock")
		r, err = stuck.Look(context.Background(), platform.Local(), observe.Options{PID: script.Process.Pid})
		if err != nil || len(r.Diagnoses) != 1 {
			s.fatal("want one diagnosis, got %v, %v", r, err)
		}
		s.expect(r, want{who: "root", id: "waits-for-output-lock", chain: "client worker [slow-a] worker builder"})
	}},
	{"short-lived", "thousands of processes come and go beside a build", func(s *site) {
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		// Half of them are named like Nix, and so are read deeply.
		if err := os.Symlink("/bin/true", "/tmp/nix-true"); err != nil {
			s.fatal("%v", err)
		}
		s.start("churn", "bob", nil, "sh", "-c", "i=0; while [ $i -lt 4000 ]; do /bin/true & /tmp/nix-true & wait; i=$((i+1)); done")
		for range 6 {
			for _, who := range []string{"root", "alice"} {
				s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "builder-silent", chain: "nix-build worker builder"})
			}
		}
	}},
	{"frozen-disk", "a file system does not answer", func(s *site) {
		s.mount("tmpfs", "size=64m", "/frozen")
		for _, argv := range [][]string{
			{"truncate", "-s", "32M", "/frozen/image"},
			{"mkfs.ext4", "-q", "/frozen/image"},
			{"mount", "-o", "loop", "/frozen/image", "/home/bob"},
		} {
			if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
				s.fatal("%v: %v %s", argv, err, out)
			}
		}
		if err := exec.Command("fsfreeze", "-f", "/home/bob").Run(); err != nil {
			s.fatal("fsfreeze: %v", err)
		}
		defer exec.Command("umount", "-l", "/home/bob").Run()   //nolint:errcheck // the namespace ends anyhow
		defer exec.Command("fsfreeze", "-u", "/home/bob").Run() //nolint:errcheck // as above
		c := s.start("build", "root", []string{"NIX_REMOTE=local"}, "nix-build", "-o", "/home/bob/result", s.expr("quick", "echo done > $out"))
		s.until("the build to hang", func() bool {
			for _, p := range procs() {
				if p.pid == c.Process.Pid {
					return p.state == 'D'
				}
			}
			return false
		})
		time.Sleep(200 * time.Millisecond)
		for _, who := range []string{"root", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "io-wait", chain: "build", status: "at-risk"})
		}
	}},
	{"password", "ssh asks for a password, behind the progress bar", func(s *site) {
		s.write("/tmp/bin/git", "#!/bin/sh\nread answer </dev/tty\n", 0o755)
		e := "/tmp/git.nix"
		s.write(e, "builtins.fetchGit { url = \"https://127.0.0.1:1/x\"; ref = \"main\"; }", 0o644)
		s.start("terminal", "root", []string{"NIX_REMOTE=local", "PATH=/tmp/bin:/usr/bin:/bin"}, "sh", "-c", "sleep 300 | script -qec 'nix-instantiate --eval "+e+"' /dev/null")
		s.until("the question", func() bool {
			for _, p := range running("^/bin/sh /tmp/bin/git") {
				data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", p))
				return strings.Contains(string(data), "wait_woken") || strings.Contains(string(data), "tty")
			}
			return false
		})
		client := s.builds(1, "^nix-instantiate")[0]
		s.expect(s.look("root"), want{who: "root", subject: client, id: "asks-for-password", status: "at-risk"})
	}},
	{"other-database", "another process keeps the cache of an evaluation", func(s *site) {
		s.dir("/root/.cache/nix")
		s.start("sqlite", "root", nil, "sh", "-c", "(echo 'create table if not exists x (y); begin exclusive;'; sleep 300) | exec sqlite3 /root/.cache/nix/binary-cache-v6.sqlite")
		pid := s.builds(1, "^sqlite3")[0]
		s.labels[pid] = "sqlite3"
		s.until("the lock", func() bool {
			data, _ := os.ReadFile("/proc/locks")
			return bytes.Contains(data, []byte(fmt.Sprintf("WRITE %d ", pid)))
		})
		port := s.listen()
		c := s.start("fetch", "root", []string{"NIX_REMOTE=local"}, "nix-store", "-r", "/nix/store/00000000000000000000000000000000-x",
			"--option", "substituters", fmt.Sprintf("http://127.0.0.1:%d", port))
		time.Sleep(time.Second)
		s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "foreign-lock-holder", chain: "fetch [binary-cache-v6.sqlite] sqlite3", status: "broken"})
	}},
	{"same-download", "two commands download the same path", func(s *site) {
		const path = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-thing"
		port := s.slowCache(path)
		fetch := func(label string) int {
			return s.start(label, "root", []string{"NIX_REMOTE=local"}, "nix-store", "-r", path,
				"--option", "substituters", fmt.Sprintf("http://127.0.0.1:%d", port), "--option", "require-sigs", "false").Process.Pid
		}
		first := fetch("first")
		s.until("the first to hold the path", func() bool {
			data, _ := os.ReadFile("/proc/locks")
			return holds(data, first, path+".lock")
		})
		second := fetch("second")
		s.until("a queue", func() bool { data, _ := os.ReadFile("/proc/locks"); return containsArrow(data) })
		for _, who := range []string{"root"} {
			s.expect(s.look(who), want{who: who, subject: second, id: "waits-for-store-path", chain: "second [thing] first", status: "ok"})
		}
		time.Sleep(10 * time.Second)
		s.expect(s.look("root"), want{who: "root", subject: second, id: "download-stalled", chain: "second [thing] first", status: "at-risk"})
	}},
	{"no-slot", "every slot of the remote machine is taken", func(s *site) {
		s.write("/tmp/bin/ssh", "#!/bin/sh\nexec sleep 300\n", 0o755)
		remote := func(label, name string) int {
			return s.start(label, "root", []string{"NIX_REMOTE=local", "PATH=/tmp/bin:/usr/bin:/bin"}, "nix-build", "--no-out-link", s.expr(name, sleeper),
				"--max-jobs", "0", "--builders", "ssh://slow x86_64-linux - 1").Process.Pid
		}
		remote("first", "slow-a")
		s.builds(1, "^sleep 300")
		pid := remote("second", "slow-b")
		s.polls(pid)
		for _, who := range []string{"root", "carol"} {
			s.expect(s.look(who), want{who: who, subject: pid, id: "no-machine-slot", status: "ok"})
		}
	}},
	{"deaf-daemon", "a daemon (a stand-in) listens and accepts nobody", func(s *site) {
		s.dir("/nix/var/nix/daemon-socket")
		s.standIn("daemon", "root", "listen", "nix-daemon", "--daemon")
		s.until("the daemon's socket", s.listening)
		if err := os.Chmod("/nix/var/nix/daemon-socket/socket", 0o666); err != nil {
			s.fatal("%v", err)
		}
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		time.Sleep(500 * time.Millisecond)
		for _, who := range []string{"root", "alice", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "daemon-not-accepting", chain: "nix-build daemon", status: "broken"})
		}
	}},
	{"file-limit", "a daemon (a stand-in) has as many files open as it may", func(s *site) {
		s.dir("/nix/var/nix/daemon-socket")
		s.standIn("daemon", "root", "exhaust", "nix-daemon", "--daemon")
		s.until("the daemon's socket", s.listening)
		if err := os.Chmod("/nix/var/nix/daemon-socket/socket", 0o666); err != nil {
			s.fatal("%v", err)
		}
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.until("a connection", func() bool { return s.has(s.look("root"), c.Process.Pid, "daemon-not-accepting") })
		r := s.look("root")
		d := s.expect(r, want{who: "root", subject: c.Process.Pid, id: "daemon-not-accepting", chain: "nix-build daemon", status: "broken"})
		if d != nil && !strings.Contains(strings.Join(draw.Tree(r, *d), "\n"), "the daemon's 64 files are all open") {
			s.fail("the limit is not named:\n%s", strings.Join(draw.Tree(r, *d), "\n"))
		}
		// Who cannot count them does not speak of it.
		r = s.look("carol")
		d = s.expect(r, want{who: "carol", subject: c.Process.Pid, id: "daemon-not-accepting"})
		if d != nil && strings.Contains(strings.Join(draw.Tree(r, *d), "\n"), "files open") {
			s.fail("carol sees:\n%s", strings.Join(draw.Tree(r, *d), "\n"))
		}
	}},
	{"growing", "an evaluation takes more and more memory", func(s *site) {
		s.write("/tmp/grow.nix", "let step = a: i: builtins.seq (builtins.length (builtins.genList (x: x) 60000)) { inherit a; l = builtins.filter (x: true) (builtins.genList (x: x) 60000); };\n"+
			"    force = a: i: let n = step a i; in builtins.seq (builtins.length n.l) n;\n"+
			"in builtins.typeOf (builtins.foldl' force null (builtins.genList (i: i) 3000))", 0o644)
		c := s.start("eval", "alice", []string{"NIX_REMOTE=daemon"}, "nix-instantiate", "--eval", "/tmp/grow.nix")
		grows := func(who string) bool {
			r := s.look(who)
			p := r.Process(fmt.Sprintf("process:%d", c.Process.Pid))
			return p != nil && s.has(r, c.Process.Pid, "evaluating") && strings.Contains(p.Text, ", memory +")
		}
		for _, who := range []string{"root", "carol"} {
			s.until("memory to grow, as "+who+" sees it", func() bool { return grows(who) })
			s.seen = append(s.seen, who+" sees memory grow")
		}
		// One that is stopped takes none.
		s.stop(c.Process.Pid)
		if grows("root") {
			s.fail("memory grows while the command is stopped")
		}
	}},
	{"silent-client", "a command (a stand-in) connects and says nothing", func(s *site) {
		s.daemon()
		c := s.standIn("nix-build", "alice", "dial", "nix-build", "/tmp/x.nix")
		s.worker(c)
		time.Sleep(200 * time.Millisecond)
		s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "waits-for-client", chain: "nix-build", status: "at-risk"})
	}},
	{"profile-lock", "another command (a stand-in) changes the same profile", func(s *site) {
		s.dir("/nix/var/nix/profiles")
		s.write("/nix/var/nix/profiles/p.lock", "", 0o600)
		s.standIn("holder", "root", "flock", "nix-env", "-p", "/nix/var/nix/profiles/p", "-i", "x")
		s.until("the lock", func() bool { data, _ := os.ReadFile("/proc/locks"); return bytes.Contains(data, []byte("FLOCK")) })
		c := s.start("env", "root", nil, "nix-env", "-p", "/nix/var/nix/profiles/p", "--delete-generations", "old")
		s.says("env", "waiting for lock on profile")
		s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "profile-locked", chain: "env [p] holder", status: "ok"})
	}},
	{"gc-behind-verify", "a garbage collection waits for a check of the whole store", func(s *site) {
		f, err := os.Create("/tmp/large")
		if err != nil || f.Truncate(900<<20) != nil {
			s.fatal("cannot make a large file")
		}
		f.Close()
		s.start("add", "root", nil, "nix-store", "--add", "/tmp/large")
		s.until("the path", func() bool { return len(glob("/nix/store/*-large")) == 1 && len(running("^nix-store")) == 0 })
		v := s.start("verify", "root", nil, "nix-store", "--verify", "--check-contents")
		s.until("the check to hold gc.lock", func() bool {
			data, _ := os.ReadFile("/proc/locks")
			return shares(data, v.Process.Pid, "/nix/var/nix/gc.lock")
		})
		c := s.start("gc", "root", nil, "nix-store", "--gc")
		s.until("a queue", func() bool { data, _ := os.ReadFile("/proc/locks"); return containsArrow(data) })
		s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "gc-waits-for-client", chain: "gc [gc] verify", status: "ok"})
	}},
	{"store-upgrade", "the database is to be upgraded while a build has the store open", func(s *site) {
		local := []string{"NIX_REMOTE=local", "NIX_CONFIG=build-users-group ="}
		s.start("first", "root", local, "nix-build", "--no-out-link", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		s.write("/nix/var/nix/db/schema", "9", 0o644)
		c := s.start("second", "root", local, "nix-build", "--no-out-link", s.expr("slow-b", sleeper))
		s.says("second", "waiting for exclusive access to the Nix store")
		s.until("a queue", func() bool { data, _ := os.ReadFile("/proc/locks"); return containsArrow(data) })
		for _, who := range []string{"root", "carol"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "store-upgrade", chain: "second [big-lock] first builder", status: "ok"})
		}
	}},
	{"unknown", "a command (a stand-in) is idle for no reason that shows", func(s *site) {
		c := s.standIn("nix-build", "root", "idle", "nix-build", "/tmp/x.nix")
		time.Sleep(200 * time.Millisecond)
		s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "unknown", chain: "nix-build", status: "unknown"})
	}},
	{"hold-and-wait", "two commands (stand-ins) each hold an output that the other waits for", func(s *site) {
		const a, b = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-a", "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-b"
		for _, dir := range []string{"/nix/var/nix/temproots", "/nix/var/nix/db"} {
			s.dir(dir)
		}
		first := s.standIn("first", "root", "hold "+a+" "+b, "nix-build", "/tmp/a.nix")
		second := s.standIn("second", "root", "hold "+b+" "+a, "nix-build", "/tmp/b.nix")
		s.polls(first.Process.Pid)
		s.polls(second.Process.Pid)
		// For a moment it is nothing to worry about.
		s.expect(s.look("root"), want{who: "root", subject: first.Process.Pid, id: "waits-for-output-lock", status: "ok"})
		minute := time.Now().Add(-time.Minute)
		for _, name := range []string{a, b} {
			if err := os.Chtimes(name+".lock", minute, minute); err != nil {
				s.fatal("%v", err)
			}
		}
		d := s.expect(s.look("root"), want{who: "root", subject: first.Process.Pid, id: "hold-and-wait", status: "broken"})
		if d != nil && (len(d.Actions) == 0 || d.Actions[0].PID != second.Process.Pid) {
			s.fail("the younger command is not the one to be ended: %+v", d.Actions)
		}
		s.repair("", "")
		s.repair(fmt.Sprint(second.Process.Pid), "end-process")
	}},
	{"builder-defunct", "a worker (a stand-in) does not notice that its builder has ended", func(s *site) {
		c := s.standIn("nix-build", "alice", "idle", "nix-build", "/tmp/x.nix")
		s.standIn("worker", "root", "defunct", "nix-daemon", fmt.Sprint(c.Process.Pid))
		s.until("a builder to end", func() bool {
			for _, p := range procs() {
				if p.state == 'Z' && p.parent != 1 {
					return true
				}
			}
			return false
		})
		for _, who := range []string{"root", "alice"} {
			s.expect(s.look(who), want{who: who, subject: c.Process.Pid, id: "builder-defunct", chain: "nix-build worker", status: "broken"})
		}
	}},
	{"upload-lock", "two builds copy to the same machine, which has stopped to answer", func(s *site) {
		// The greeting of "nix-store --serve", and then nothing.
		s.write("/tmp/bin/ssh", "#!/bin/sh\nprintf '\\313\\356\\122\\124\\000\\000\\000\\000\\006\\002\\000\\000\\000\\000\\000\\000'\nexec sleep 300\n", 0o755)
		remote := func(label, name string) int {
			return s.start(label, "root", []string{"NIX_REMOTE=local", "PATH=/tmp/bin:/usr/bin:/bin"}, "nix-build", "--no-out-link", s.expr(name, sleeper),
				"--max-jobs", "0", "--builders", "ssh://slow x86_64-linux - 4").Process.Pid
		}
		remote("first", "slow-a")
		s.until("the first to copy", func() bool { return len(glob("/nix/var/nix/current-load/*.upload-lock")) == 1 })
		second := remote("second", "slow-b")
		s.until("a queue", func() bool { data, _ := os.ReadFile("/proc/locks"); return containsArrow(data) })
		for _, who := range []string{"root", "carol"} {
			s.expect(s.look(who), want{who: who, subject: second, id: "upload-lock", status: "ok"})
		}
	}},
	{"hostile-names", "processes call themselves what a terminal or a parser would act on", func(s *site) {
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		for i, name := range []string{"nix \x1b[2J\x1b]0;x\a", "nix) S 1 (", "nix\nPid:\t1\n", "nix-build\u202e"} {
			s.standIn(fmt.Sprintf("hostile%d", i), "bob", "idle", name, "a\x1b[31mb", "--option", "access-tokens", "github.com=hunter2")
		}
		s.until("them all", func() bool { return len(running("hunter2")) == 4 })
		for _, who := range []string{"root", "alice", "carol"} {
			r := s.look(who)
			s.expect(r, want{who: who, subject: c.Process.Pid, id: "builder-silent", chain: "nix-build worker builder"})
			text, err := json.Marshal(r)
			for _, d := range r.Diagnoses {
				text = append(text, strings.Join(draw.Tree(r, d), "\n")...)
			}
			if err != nil || bytes.ContainsAny(text, "\x1b\a\u202e") || bytes.Contains(text, []byte(`\u001b`)) || bytes.Contains(text, []byte("hunter2")) {
				s.fail("%s: %v %s", who, err, text)
			}
		}
	}},
	{"hidden-processes", "/proc hides the processes of others", func(s *site) {
		s.daemon()
		s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		if out, err := exec.Command("mount", "-o", "remount,hidepid=2", "/proc").CombinedOutput(); err != nil {
			s.fatal("hidepid: %v %s", err, out)
		}
		r := s.look("carol")
		s.limited(r, "other-users")
		s.expect(r, want{who: "carol", id: "nothing-running", status: "unknown"})
		r = s.look("alice")
		s.limited(r, "other-users")
		for _, d := range r.Diagnoses {
			if d.ID == "stuck/worker-orphaned" || d.ID == "stuck/daemon-not-accepting" {
				s.fail("what is hidden is taken for gone: %s", d.Sentence)
			}
		}
	}},
	{"container", "Nix runs in a container: a PID namespace below the one that is looked from", func(s *site) {
		s.start("container", "root", nil, "unshare", "-pf", "--kill-child", "--mount-proc", "sh", "-c",
			"nix-daemon --daemon & sleep 1; NIX_REMOTE=daemon nix-build --no-out-link "+s.expr("slow-a", sleeper)+" & wait")
		s.builds(1, asleep)
		client := 0
		for _, pid := range running("^nix-build ") {
			client = pid
		}
		s.expect(s.look("root"), want{who: "root", subject: client, id: "builder-silent", chain: "client worker builder", status: "ok"})
		// From the outside, it is not lixfix's to end anything there.
		s.repair("", "")
	}},
	{"caged-root", "root without the right to look into other processes, as in a container", func(s *site) {
		s.daemon()
		c := s.build("nix-build", "alice", s.expr("slow-a", sleeper))
		s.builds(1, asleep)
		r := s.lookWith("setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace", "/test")
		s.expect(r, want{who: "caged root", subject: c.Process.Pid, id: "builder-silent", chain: "nix-build worker builder"})
		s.limited(r, "caged")
	}},
	{"build-network", "a build in a network of its own gets no answer", func(s *site) {
		c := s.start("build", "root", []string{"NIX_REMOTE=local", "NIX_CONFIG=build-users-group ="}, "nix-build", "--no-out-link",
			s.expr("fetch", "exec /usr/bin/unshare -n /bin/sh -c '/usr/bin/ip link set lo up; /usr/bin/ip route add 192.0.2.0/24 dev lo; /usr/bin/curl -s http://192.0.2.1/' "))
		s.builds(1, "^/usr/bin/curl")
		s.until("a connection", func() bool {
			pid := s.builds(1, "^/usr/bin/curl")[0]
			data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
			return bytes.Contains(data, []byte(":0050 02 "))
		})
		d := s.expect(s.look("root"), want{who: "root", subject: c.Process.Pid, id: "network-lost", chain: "build builder", status: "at-risk"})
		if d != nil && !strings.Contains(d.Sentence, "192.0.2.1:80") {
			s.fail("no peer: %s", d.Sentence)
		}
	}},
})
