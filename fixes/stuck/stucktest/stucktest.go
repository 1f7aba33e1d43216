// Package stucktest makes machines of what was captured of real ones that hung, for tests.
package stucktest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/lixfix/lixfix/platform"
)

// captured is a process of procs.txt.
type captured struct {
	pid     string
	comm    string
	cmdline string
	threads []string
	status  []string
	fds     map[string]string
	locks   map[string][]string // by file descriptor
	ns      string
}

// replay is a /proc made from a capture.
type replay struct {
	t        testing.TB
	dir      string // of the capture
	root     string
	injected []string
	again    map[string]string // files that read differently the second time
	procs    []*captured
}

// inject writes a value that is not in the capture.
func (r *replay) inject(name, value string) {
	r.injected = append(r.injected, name)
	r.write(name, value)
}

func (r *replay) write(name, value string) {
	file := filepath.Join(r.root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *replay) link(name, target string) {
	file := filepath.Join(r.root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Symlink(target, file); err != nil {
		r.t.Fatal(err)
	}
}

func (r *replay) read(name string) string {
	data, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}

var (
	fdLine   = regexp.MustCompile(` (\d+) -> (.*)$`)
	lockLine = regexp.MustCompile(`^/proc/\d+/fdinfo/(\d+):((?:lock|flags):.*)$`)
	devField = regexp.MustCompile(`^(\d+) .* dev=(\S+) `)
)

func (r *replay) parse() {
	var p *captured
	section := ""
	for line := range strings.SplitSeq(r.read("procs.txt"), "\n") {
		switch {
		case strings.HasPrefix(line, "### pid "):
			p = &captured{pid: line[8:], fds: map[string]string{}, locks: map[string][]string{}}
			r.procs = append(r.procs, p)
			section = ""
		case strings.HasPrefix(line, "--- "):
			section = strings.Fields(line)[1]
		case p == nil || line == "":
		case section == "" && strings.HasPrefix(line, "comm: "):
			p.comm = line[6:]
		case section == "" && strings.HasPrefix(line, "cmdline: "):
			p.cmdline = line[9:]
		case section == "threads":
			p.threads = append(p.threads, line)
		case section == "status":
			p.status = append(p.status, line)
		case section == "fd":
			if m := fdLine.FindStringSubmatch(line); m != nil {
				p.fds[m[1]] = m[2]
			}
		case section == "fdinfo":
			if m := lockLine.FindStringSubmatch(line); m != nil {
				p.locks[m[1]] = append(p.locks[m[1]], m[2])
			}
		case section == "ns" && strings.HasPrefix(line, "pid -> "):
			p.ns = line[7:]
		}
	}
}

func (p *captured) field(key string) string {
	for _, line := range p.status {
		if k, v, _ := strings.Cut(line, ":"); k == key {
			return strings.Fields(v)[0]
		}
	}
	return "0"
}

// initialUserNS is not in the captures, which are of processes of the machine itself (PROC_USER_INIT_INO).
const initialUserNS = "user:[4026531837]"

// inode returns that of a file that was written.
func (r *replay) inode(name string) uint64 {
	info, err := os.Stat(filepath.Join(r.root, name))
	if err != nil {
		r.t.Fatal(err)
	}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		return sys.Ino
	}
	return 0
}

// stat writes a stat file. Processor time and start are not in the capture; the order of the numbers is that of the
// starts.
func stat(pid, comm, state, parent, session, threads, rss, start string) string {
	n, _ := strconv.Atoi(rss)
	return fmt.Sprintf("%s (%s) %s %s %s %s 0 -1 0 0 0 0 0 0 0 0 0 20 0 %s 0 %s 0 %d 0\n", pid, comm, state, parent, session, session, threads, start, n/4)
}

// build makes the tree. Wakes are how often some processes wake up between the two looks.
func (r *replay) build(wakes map[string]int, states map[string]string) {
	r.parse()
	r.inject("proc/uptime", "100000.00 0.00\n")
	r.inject("proc/sys/kernel/random/boot_id", "00000000-0000-0000-0000-000000000000\n")
	r.inject("proc/self/mountinfo", "1 0 254:0 / / rw - ext4 /dev/root rw\n")
	r.inject("etc/passwd", "root:x:0:0::/:\nalice:x:1000:1000::/:\nbob:x:1001:1001::/:\n"+
		"nixbld1:x:30001:30000::/:\nnixbld2:x:30002:30000::/:\nnixbld3:x:30003:30000::/:\nnixbld4:x:30004:30000::/:\n")
	r.inject("etc/group", "nixbld:x:30000:nixbld1,nixbld2,nixbld3,nixbld4\n")
	var outputs, moved []string
	for line := range strings.Lines(r.read("lock-files.txt")) {
		name := line[strings.LastIndex(line, " ")+1:]
		name = strings.TrimSpace(name)
		if !strings.Contains(line, "regular") {
			continue
		}
		r.write(name, "")
		if m := devField.FindStringSubmatch(line); m != nil {
			// It has another inode here, on the one device of mountinfo.
			r.injected = append(r.injected, "proc/locks: inode of "+name)
			moved = append(moved, " "+m[2]+":"+m[1]+" ", fmt.Sprintf(" fe:00:%d ", r.inode(name)))
		}
		if strings.HasPrefix(name, "/nix/store/") && strings.HasSuffix(name, ".lock") {
			outputs = append(outputs, strings.TrimSuffix(name, ".lock"))
		}
	}
	files := strings.NewReplacer(moved...)
	r.write("proc/locks", files.Replace(r.read("proc-locks.txt")))
	for _, p := range r.procs {
		for _, lines := range p.locks {
			for i, line := range lines {
				lines[i] = files.Replace(line)
			}
		}
	}
	r.link("proc/self/ns/pid", r.procs[0].ns)
	r.link("proc/self/ns/user", initialUserNS)
	r.inject("proc/1/stat", stat("1", "init", "S", "0", "1", "1", "0", "1"))
	r.inject("proc/1/status", "Uid:\t0\t0\t0\t0\n")
	r.inject("proc/1/cmdline", "init\x00")
	r.again = map[string]string{}
	for _, p := range r.procs {
		dir := "proc/" + p.pid
		state := p.field("State")
		if s, ok := states[p.pid]; ok {
			r.injected = append(r.injected, dir+"/stat: state")
			state = s
		}
		start := p.pid + "0"
		r.injected = append(r.injected, dir+"/stat: processor time, start")
		r.write(dir+"/stat", stat(p.pid, p.comm, state, p.field("PPid"), p.field("NSsid"), p.field("Threads"), p.field("VmRSS"), start))
		uid, _ := strconv.Atoi(p.field("Uid"))
		if err := os.Chown(filepath.Join(r.root, dir), uid, -1); err != nil && uid != os.Geteuid() {
			r.t.Fatalf("%v: the tests give the processes of a capture their owners, which needs root", err)
		}
		r.write(dir+"/status", strings.Join(p.status, "\n")+"\n")
		r.write(dir+"/cmdline", strings.ReplaceAll(p.cmdline, "|", "\x00"))
		r.inject(dir+"/io", "rchar: 1\nwchar: 1\nread_bytes: 0\nwrite_bytes: 0\n")
		r.link(dir+"/ns/pid", p.ns)
		r.link(dir+"/ns/user", initialUserNS)
		if err := os.MkdirAll(filepath.Join(r.root, dir, "task"), 0o755); err != nil {
			r.t.Fatal(err)
		}
		for _, line := range p.threads {
			f := strings.Fields(line)
			n := len(f) - 9 // a system call, six arguments, two addresses
			call := ""
			if f[len(f)-1] == "running" {
				n, call = len(f)-1, "running"
			} else if n >= 2 {
				call = strings.Join(f[n:], " ")
			}
			if n < 2 {
				continue // a zombie has no call
			}
			task := dir + "/task/" + f[0]
			r.write(task+"/stat", stat(f[0], strings.Join(f[1:n-1], " "), state, p.field("PPid"), p.field("NSsid"), "1", "0", start))
			r.write(task+"/wchan", f[n-1])
			r.write(task+"/syscall", call)
			r.inject(task+"/status", "voluntary_ctxt_switches:\t0\n")
			if w := wakes[p.pid]; w > 0 && f[0] == p.pid {
				r.injected = append(r.injected, task+"/status: wakes up between the looks")
				r.again["/"+task+"/status"] = fmt.Sprintf("voluntary_ctxt_switches:\t%d\n", w)
			}
		}
		if err := os.MkdirAll(filepath.Join(r.root, dir, "fd"), 0o755); err != nil {
			r.t.Fatal(err)
		}
		for fd, target := range p.fds {
			r.link(dir+"/fd/"+fd, target)
			r.write(dir+"/fdinfo/"+fd, strings.Join(p.locks[fd], "\n")+"\n")
			if strings.HasPrefix(target, "/nix/var/nix/temproots/") {
				// The contents were not captured; their sizes fit the outputs that are locked in the same scene.
				var wanted, own []string
				for _, open := range p.fds {
					if strings.HasPrefix(open, "/nix/store/") && strings.HasSuffix(open, ".lock") {
						own = append(own, strings.TrimSuffix(open, ".lock"))
					}
				}
				switch {
				case len(own) > 0:
					wanted = own
				case !strings.Contains(p.cmdline, "--gc"):
					wanted = outputs
				}
				r.inject(target, strings.Join(wanted, "\x00")+"\x00")
				// The file has another inode here than where it was captured.
				r.inject(dir+"/fdinfo/"+fd, fmt.Sprintf("mnt_id:\t1\nino:\t%d\n%s\n", r.inode(target),
					strings.Join(p.locks[fd], "\n")))
			}
		}
	}
}

// sockets reads the output of ss.
func (r *replay) sockets(context.Context) ([]platform.Socket, error) {
	var list []platform.Socket
	for line := range strings.Lines(r.read("ss-unix.txt")) {
		f := strings.Fields(line)
		if len(f) < 8 || f[0] != "u_str" {
			continue
		}
		s := platform.Socket{State: platform.SocketEstablished, Path: f[4]}
		if f[1] == "LISTEN" {
			s.State = platform.SocketListening
		}
		if s.Path == "*" {
			s.Path = ""
		}
		received, _ := strconv.Atoi(f[2])
		s.Received = uint32(received)
		s.Inode, _ = strconv.ParseUint(f[5], 10, 64)
		s.Peer, _ = strconv.ParseUint(f[7], 10, 64)
		list = append(list, s)
	}
	return list, nil
}

// Machine is a captured machine. Some of its files read differently from the second look on.
type Machine struct {
	*platform.Machine
	Root     string   // where its files are
	Injected []string // values that are not from the capture
	again    map[string]string
	mu       sync.Mutex
	seen     map[string]bool
}

type twiceFiles struct {
	platform.Files
	again map[string]string
}

// Read implements platform.Files.
func (f twiceFiles) Read(name string) ([]byte, error) {
	if text, ok := f.again[name]; ok {
		return []byte(text), nil
	}
	return f.Files.Read(name)
}

// Burst implements platform.View.
func (m *Machine) Burst(ctx context.Context, what string, f func(platform.Files) error) error {
	m.mu.Lock()
	second := m.seen[what]
	m.seen[what] = true
	m.mu.Unlock()
	return m.Machine.Burst(ctx, what, func(files platform.Files) error {
		if second {
			files = twiceFiles{files, m.again}
		}
		return f(files)
	})
}

// Load makes a machine of a folder of captures. Wakes are how often some processes wake up between the two looks;
// states take the place of those in the capture.
func Load(t testing.TB, dir string, wakes map[string]int, states map[string]string) *Machine {
	t.Helper()
	r := &replay{t: t, dir: dir, root: t.TempDir()}
	r.build(wakes, states)
	m := platform.At(
		func(name string) (string, error) {
			name = filepath.Join(r.root, name)
			if target, err := os.Readlink(name); err == nil {
				// An open file, which leads to the captured one.
				name = filepath.Join(r.root, target)
			}
			return name, nil
		},
		func() platform.Facts { return platform.Facts{OS: platform.Linux, Arch: "amd64"} },
	)
	m.SetSockets(r.sockets)
	return &Machine{Machine: m, Root: r.root, Injected: r.injected, again: r.again, seen: map[string]bool{}}
}
