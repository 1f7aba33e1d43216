package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/fixes/stuck/stucktest"
	"github.com/lixfix/lixfix/platform"
)

// scene is a captured machine whose stopped processes can be continued.
type scene struct {
	*stucktest.Machine
	t    *testing.T
	stop time.Duration // until Ctrl-C; 0 for never
	// refuse makes every signal fail.
	refuse bool
}

func captured(t *testing.T, name string) *scene {
	t.Helper()
	s := &scene{Machine: stucktest.Load(t, "../../../fixes/stuck/testdata/captures/"+name, nil, nil), t: t}
	if err := os.MkdirAll(filepath.Join(s.Root, "var/lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

// state gives a process and its threads another state.
func (s *scene) state(pid, from, to string) { s.replace(pid, ") "+from+" ", ") "+to+" ") }

// replace changes what the stat files of a process and its threads say.
func (s *scene) replace(pid, from, to string) {
	files, _ := filepath.Glob(filepath.Join(s.Root, "proc", pid, "task/*/stat"))
	for _, name := range append(files, filepath.Join(s.Root, "proc", pid, "stat")) {
		data, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(name, bytes.Replace(data, []byte(from), []byte(to), 1), 0o644)
		}
		if err != nil {
			s.t.Error(err)
		}
	}
}

func (s *scene) Signal(_ context.Context, p platform.ProcessID, sig syscall.Signal) error {
	if p.PID != 9763 || sig != syscall.SIGCONT {
		s.t.Errorf("process %d is sent %s", p.PID, sig)
	}
	if s.refuse {
		return syscall.EPERM
	}
	s.state("9763", "T", "S")
	return nil
}

func (s *scene) run(args ...string) result {
	s.t.Helper()
	var out, stderr bytes.Buffer
	return s.onto(&out, &stderr, nil, args...)
}

func (s *scene) onto(out, stderr *bytes.Buffer, stdout io.Writer, args ...string) result {
	s.t.Helper()
	if stdout == nil {
		stdout = out
	}
	code := Run(s.t.Context(), Config{
		Host: s, Fixes: fixes.All(), Stdin: strings.NewReader(""), Stdout: stdout, Stderr: stderr, Args: args,
		Getenv:  func(string) string { return "" },
		OpenTTY: func() (io.ReadWriteCloser, error) { return nil, errors.New("no such device") },
		Notify: func(c chan<- os.Signal) func() {
			if s.stop == 0 {
				return func() {}
			}
			t := time.AfterFunc(s.stop, func() { c <- os.Interrupt })
			return func() { t.Stop() }
		},
		Name: "lixfix", Version: "0.1.0",
	})
	return result{t: s.t, code: Code(code), out: out.String(), err: stderr.String()}
}

func TestCheckDraws(t *testing.T) {
	s := captured(t, "lix-2.95.3/s2-second-client-same-output")
	r := s.run("check", "stuck", "--pid", "3774").ends(Healthy)
	r.says("stuck/waits-for-output-lock", "► ", "3774", ".lock").not("stuck/builder-silent")
	for line := range strings.Lines(r.out) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > helpWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if !strings.Contains(r.out, "└─ ") {
		t.Errorf("no tree in\n%s", r.out)
	}
}

func TestCheckNobodyThere(t *testing.T) {
	s := captured(t, "lix-2.95.3/s2-second-client-same-output")
	s.run("check", "stuck", "--pid", "2").ends(Healthy).says("there is no process 2")
	s.run("check", "stuck", "--pid", "x").ends(Usage).says("is not the number of a process")
}

func TestCheckGraph(t *testing.T) {
	s := captured(t, "lix-2.95.3/s13-gc-stopped-holding-lock")
	r := s.run("check", "stuck", "--format", "json").ends(Problems)
	r.valid()
	var doc struct {
		Graph struct {
			Diagnoses, Processes, Locks, Edges []json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
		t.Fatal(err)
	}
	g := doc.Graph
	if len(g.Diagnoses) == 0 || len(g.Processes) == 0 || len(g.Locks) == 0 || len(g.Edges) == 0 {
		t.Errorf("the graph is not whole: %s", r.out)
	}
	r = s.run("check", "stuck", "--format", "dot").ends(Problems)
	if !strings.HasPrefix(r.out, "digraph stuck {\n") || !strings.HasSuffix(r.out, "}\n") || !strings.Contains(r.out, `"process:9763"`) {
		t.Errorf("%s", r.out)
	}
}

func TestDrawingIsRefused(t *testing.T) {
	s := captured(t, "lix-2.95.3/s1-one-build")
	for _, args := range []string{
		"check --format dot", "check sequoia --format dot", "check stuck sequoia --format dot", "repair stuck --format dot",
		"list --format dot", "check --watch", "check sequoia --watch", "check --pid 5", "check sequoia --pid 5",
		"check stuck --watch --format dot", "check stuck --watch --format json", "report sequoia stuck", "report stuck --format dot", "report --pid 5", "check stuck --end 5",
	} {
		if r := s.run(strings.Fields(args)...); r.code != Usage || r.out != "" {
			t.Errorf("%s: exit %d, %s%s", args, r.code, r.out, r.err)
		}
	}
}

// Who puts the flag of a fix behind a bare check is told where it belongs.
func TestFlagOfAFix(t *testing.T) {
	s := captured(t, "lix-2.95.3/s1-one-build")
	s.run("check", "--pid", "5").ends(Usage).says("--pid is an option of stuck", "lixfix check stuck --pid")
	s.run("report", "--pid", "5").ends(Usage).says("lixfix report stuck --pid")
	s.run("check", "resolv-conf", "--pid", "5").ends(Usage).says("lixfix check stuck --pid")
	s.run("check", "stuck", "--nope").ends(Usage).says("unknown flag: --nope", "lixfix check stuck --help")
	if r := s.run("check", "resolv-conf", "--help").ends(Healthy); strings.Contains(r.out, "--pid") || !strings.Contains(r.out, "--nameserver") && !strings.Contains(r.out, "--name ") {
		t.Errorf("the flags of check resolv-conf: %s", r.out)
	}
}

func TestRepairMovesTheChain(t *testing.T) {
	s := captured(t, "lix-2.95.3/s13-gc-stopped-holding-lock")
	r := s.run("repair", "stuck", "--yes").ends(Problems)
	r.says("--accept stuck/gc-stopped", "continues nix-store 9763", "sudo lixfix repair stuck --yes --accept stuck/gc-stopped",
		"nothing was changed: a risky remedy waits for --accept stuck/gc-stopped").not("nothing to do", "lixfix can do nothing")
	s.run("repair", "stuck", "--yes", "--format", "json").ends(Problems).valid()
	s.run("repair", "stuck", "--dry-run").ends(Problems).says("continue process 9763", "Nobody can take this back", "not stopped again")
	s.run("repair", "stuck", "--yes", "--accept", "stuck/gc-stopped").ends(Healthy).
		says("the chain has moved").not("take it back with", "waits for --accept")
	s.run("undo", "--yes").ends(Unsafe).says("Nobody can take this back", "a process that goes on is not stopped again")
}

// TestResumeMovesTheChain looks again after a repair that was cut short as well.
func TestResumeMovesTheChain(t *testing.T) {
	s := captured(t, "lix-2.95.3/s13-gc-stopped-holding-lock")
	s.refuse = true
	s.run("repair", "stuck", "--yes", "--pid", "9828", "--accept", "stuck/gc-stopped").ends(Waiting).says("sudo lixfix resume finishes it")
	s.refuse = false
	s.run("resume", "--yes").ends(Healthy).says("the chain has moved; nix-store 9828").not("nix-build 9840")
}

// TestNothingToMend says of what ends by itself what it is, and asks nobody to do anything.
func TestNothingToMend(t *testing.T) {
	s := captured(t, "lix-2.95.3/s2-second-client-same-output")
	s.run("check", "stuck", "--pid", "3774").says("note    nothing is wrong with the command")
	for _, args := range []string{"check stuck --pid 3774", "repair stuck --pid 3774 --yes", "repair stuck --pid 3774 --dry-run"} {
		s.run(strings.Fields(args)...).ends(Healthy).says("another build of the same output is running").not("for you to do", "remedy")
	}
}

func TestRepairOnlyWhatIsAllowed(t *testing.T) {
	s := captured(t, "lix-2.95.3/s10-gc-lock-held-by-flock")
	s.run("repair", "stuck", "--yes", "--end", "1").ends(Usage)
	s.run("repair", "stuck", "--yes", "--end", "4242").ends(Unsafe).says("process 4242 is not one that lixfix ends")
}

// woken is written to while somebody watches.
type woken struct {
	mu   sync.Mutex
	b    bytes.Buffer
	once sync.Once
	wake func()
}

func (w *woken) Write(p []byte) (int, error) {
	w.once.Do(func() { go func() { time.Sleep(2 * time.Second); w.wake() }() })
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func TestWatch(t *testing.T) {
	s := captured(t, "lix-2.95.3/s13-gc-stopped-holding-lock")
	var out, stderr bytes.Buffer
	w := &woken{wake: func() { s.state("9763", "T", "S") }}
	// Others still wait for the collection, but they were not asked for.
	s.onto(&out, &stderr, w, "check", "stuck", "--watch", "--pid", "9763").ends(Healthy)
	if got := w.b.String(); strings.Count(got, "lixfix 0.1.0:") != 2 || !strings.Contains(got, "gc-stopped") ||
		!strings.Contains(got, "collecting-garbage") || !strings.Contains(got, "the chain has moved") || strings.Contains(got, "\x1b") {
		t.Errorf("%s", got)
	}
}

// TestWatchOn goes on watching a command whose turn has not come, although what it waits for moves.
func TestWatchOn(t *testing.T) {
	s := captured(t, "lix-2.95.3/s13-gc-stopped-holding-lock")
	s.stop = 8 * time.Second
	var out, stderr bytes.Buffer
	w := &woken{wake: func() { s.state("9763", "T", "S") }}
	s.onto(&out, &stderr, w, "check", "stuck", "--watch", "--pid", "9828").ends(Interrupt)
	if got := w.b.String(); strings.Count(got, "lixfix 0.1.0:") != 2 || !strings.Contains(got, "stuck/waits-for-gc\n") {
		t.Errorf("%s", got)
	}
}

// TestWatchAnother ends when the command that is watched has ended, although its number was given out again.
func TestWatchAnother(t *testing.T) {
	s := captured(t, "lix-2.95.3/s13-gc-stopped-holding-lock")
	var out, stderr bytes.Buffer
	w := &woken{wake: func() { s.replace("9763", " 97630 ", " 999990 ") }}
	s.onto(&out, &stderr, w, "check", "stuck", "--watch", "--pid", "9763").ends(Healthy)
	got := w.b.String()
	if _, last, _ := strings.Cut(got, "lixfix 0.1.0:"); !strings.Contains(got, "gc-stopped") ||
		!strings.Contains(last, "process 9763 has ended, and another one has its number now") || strings.Contains(last, "gc-stopped") {
		t.Errorf("%s", got)
	}
	// Who asks anew means the process that has the number now.
	s.run("check", "stuck", "--pid", "9763").ends(Problems).says("gc-stopped")
}

// TestWatchLines prints a line of JSON for each change.
func TestWatchLines(t *testing.T) {
	s := captured(t, "lix-2.95.3/s13-gc-stopped-holding-lock")
	var out, stderr bytes.Buffer
	w := &woken{wake: func() { s.state("9763", "T", "S") }}
	s.onto(&out, &stderr, w, "check", "stuck", "--watch", "--pid", "9763", "--format", "jsonl").ends(Healthy)
	lines := strings.Split(strings.TrimSpace(w.b.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %s", len(lines), w.b.String())
	}
	for i, id := range []string{"stuck/gc-stopped", "stuck/collecting-garbage"} {
		var e struct {
			Event  string
			Report struct {
				Graph struct{ Diagnoses []struct{ ID string } }
			}
		}
		if err := json.Unmarshal([]byte(lines[i]), &e); err != nil || e.Event != "verdict" {
			t.Fatalf("%v: %s", err, lines[i])
		}
		found := false
		for _, d := range e.Report.Graph.Diagnoses {
			found = found || d.ID == id
		}
		if !found {
			t.Errorf("no %s in %s", id, lines[i])
		}
	}
}

func TestReport(t *testing.T) {
	s := captured(t, "lix-2.95.3/s13-gc-stopped-holding-lock")
	const conf = "max-jobs = 3\nsubstituters = https://me:pw@cache.example.com?key=hunter2 https://cache.nixos.org\n" +
		"builders = ssh://alice@secret.example.com x86_64-linux /home/alice/.ssh/key\naccess-tokens = github.com=ghp_abc\n" +
		"post-build-hook = /home/alice/hook\n"
	for name, text := range map[string]string{"etc/nix/nix.conf": conf, "etc/hostname": "bigbox\n", "proc/sys/kernel/osrelease": "6.18.0-bigbox\n"} {
		file := filepath.Join(s.Root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	status := filepath.Join(s.Root, "var/lib/dpkg/status")
	for _, dir := range []string{filepath.Dir(status), filepath.Join(s.Root, "usr/bin")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		status: "Package: nix-setup-systemd\nStatus: install ok installed\nVersion: 9\n\n" +
			"Package: nix-bin\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.8.0-1.1+b1\nDescription: x\n y\n\n",
		filepath.Join(s.Root, "usr/bin/nix"): "",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const exe = "/nix/store/00000000000000000000000000000000-lix-2.95.3/bin/nix"
	if err := os.Symlink(exe, filepath.Join(s.Root, "proc/9763/exe")); err != nil {
		t.Fatal(err)
	}
	s.run("report", "stuck").ends(Healthy).not("Log of the daemon")
	const journal = "#!/bin/sh\n[ \"$*\" = '-q --no-pager -b -o cat -n 20 _PID=9831 _PID=9843' ] || exit 2\n" +
		"printf '\\033[31;1merror:\\033[0m alice may not fetch https://me:pw@secret.example.com/x\\n```\\n'\n"
	if err := os.WriteFile(filepath.Join(s.Root, "usr/bin/journalctl"), []byte(journal), 0o755); err != nil {
		t.Fatal(err)
	}
	s.run("report", "stuck").ends(Healthy).
		says("### Log of the daemon", "\nerror: user1 may not fetch https://[redacted]@host1/[path]\n'''\n```\n\n### Host").
		says("stuck/gc-stopped", "max-jobs = 3", "https://cache.nixos.org", "[1 machine]", "running: lix-2.95.3", "/usr/bin/nix: nix-bin 2.8.0-1.1+b1", "### Processes", "version 0.1.0", "```",
			"- `store on ext4`", "- `4 build users`", "- kernel `6.18.0-this-host`", "socket 5: unix, 0 bytes not read", "listens, 1 connection not accepted").
		not("alice", "hunter2", "secret", "ghp_", "example.com", "bigbox", ":pw")
	s.run("report", "stuck", "--format", "json").ends(Healthy).valid()
}
