//go:build linux

package staged_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/diagnose"
	"github.com/lixfix/lixfix/fixes/stuck/draw"
	"github.com/lixfix/lixfix/fixes/stuck/observe"

	"github.com/lixfix/lixfix/fixes/stuck"
	"github.com/lixfix/lixfix/platform"
)

// enter makes a machine of its own out of namespaces: an empty /nix, its own users, and processes that all end with
// the shell, which is process 1 there. $1 is an empty directory, $2 the test's program, $3 the scene, $4 lixfix.
const enter = `set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$1"
cd "$1"
mkdir -p usr etc/nix proc dev tmp nix/store nix/var root home/alice home/bob var/empty run
chmod 1777 tmp
mount --rbind /usr usr
mount --rbind /dev dev
mount -t proc proc proc
for d in bin sbin lib lib64 lib32; do
	if [ -L "/$d" ]; then ln -s "usr/$d" "$d"; elif [ -d "/$d" ]; then mkdir "$d"; mount --rbind "/$d" "$d"; fi
done
cp /etc/ld.so.cache etc/
cat >etc/passwd <<-'EOF'
	root:x:0:0::/root:/bin/sh
	alice:x:1000:1000::/home/alice:/bin/sh
	bob:x:1001:1001::/home/bob:/bin/sh
	carol:x:1002:1002::/home/bob:/bin/sh
	nixbld1:x:30001:30000::/var/empty:/bin/sh
	nixbld2:x:30002:30000::/var/empty:/bin/sh
EOF
cat >etc/group <<-'EOF'
	root:x:0:
	alice:x:1000:
	bob:x:1001:
	carol:x:1002:
	nixbld:x:30000:nixbld1,nixbld2
EOF
cat >etc/nix/nix.conf <<-'EOF'
	build-users-group = nixbld
	sandbox = false
	substituters =
	experimental-features = nix-command
EOF
chown 1000:1000 home/alice
chown 1001:1001 home/bob
touch test lixfix
mount --bind "$2" test
mount --bind "$4" lixfix
ip link set lo up 2>/dev/null || true
mkdir old
pivot_root . old
cd /
umount -l old
status=0
/usr/bin/env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root LIXFIX_SCENE="$3" GORACE="$GORACE" /test || status=$?
exit $status
`

// uids of the people in the machine. Carol runs nothing and looks on.
var uids = map[string]int{"root": 0, "alice": 1000, "bob": 1001, "carol": 1002}

// site is the machine that a scene is played on.
type site struct {
	failures []string
	started  []*exec.Cmd
	found    map[*diagnose.Report][]fix.Finding
	witness  []string // findings that were expected, as JSON
	seen     []string // what was recognised
	labels   map[int]string
	listener *exec.Cmd
}

// write writes a file, and makes its directory.
func (s *site) write(name, text string, mode os.FileMode) {
	s.dir(filepath.Dir(name))
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		s.fatal("%v", err)
	}
}

func (s *site) dir(name string) {
	if err := os.MkdirAll(name, 0o755); err != nil {
		s.fatal("%v", err)
	}
}

// giveUp ends a scene that could not be set.
type giveUp struct{ why string }

func (s *site) fatal(format string, args ...any) { panic(giveUp{fmt.Sprintf(format, args...)}) }

func (s *site) fail(format string, args ...any) {
	s.failures = append(s.failures, fmt.Sprintf(format, args...))
}

// start runs a program as a user, in a session of its own.
func (s *site) start(label, who string, env []string, argv ...string) *exec.Cmd {
	cmd := exec.Command(argv[0], argv[1:]...)
	home := "/home/" + who
	if who == "root" {
		home = "/root"
	}
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "HOME=" + home, "USER=" + who, "TMPDIR=/tmp"}, env...)
	cmd.Dir = "/tmp"
	out, err := os.Create("/tmp/out." + label)
	if err != nil {
		s.fatal("%v", err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if uid := uids[who]; uid != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid), NoSetGroups: false}
	}
	if err := cmd.Start(); err != nil {
		s.fatal("start %s: %v", label, err)
	}
	out.Close()
	s.started = append(s.started, cmd)
	s.labels[cmd.Process.Pid] = label
	go cmd.Wait()
	return cmd
}

// daemon starts nix-daemon and waits until it takes connections: its socket has its name before that.
func (s *site) daemon() *exec.Cmd {
	os.Remove("/nix/var/nix/daemon-socket/socket")
	s.listener = s.start("daemon", "root", nil, "nix-daemon", "--daemon")
	s.until("the daemon's socket", s.listening)
	return s.listener
}

// listening reports whether a daemon takes connections. Nix lets everybody write to its socket before it listens.
func (s *site) listening() bool {
	data, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		s.fatal("%v", err)
	}
	return listens.Match(data)
}

// listens is a socket of the daemon's that has __SO_ACCEPTCON.
var listens = regexp.MustCompile(`(?m) 00010000 \S+ \S+ +\d+ /nix/var/nix/daemon-socket/socket$`)

// build has a user build an expression through the daemon.
func (s *site) build(label, who, expr string, more ...string) *exec.Cmd {
	argv := append([]string{"nix-build", "--no-out-link", expr}, more...)
	return s.start(label, who, []string{"NIX_REMOTE=daemon"}, argv...)
}

// expr writes an expression whose builder runs a shell script.
func (s *site) expr(name, script string) string {
	file := "/tmp/" + name + ".nix"
	text := fmt.Sprintf("derivation { name = %q; system = \"x86_64-linux\"; builder = \"/bin/sh\"; args = [ \"-c\" ''%s'' ]; }\n", name, script)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		s.fatal("%v", err)
	}
	return file
}

// until waits for something to become true.
func (s *site) until(what string, ok func() bool) {
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
		if ok() {
			return
		}
	}
	var said strings.Builder
	for _, name := range glob("/tmp/out.*") {
		data, _ := os.ReadFile(name)
		fmt.Fprintf(&said, "%s: %s\n", name, data)
	}
	s.fatal("waited in vain for %s; output:\n%s\n%s", what, said.String(), ps())
}

func ps() string {
	out, _ := exec.Command("ps", "axo", "pid,ppid,sid,user,stat,wchan:24,args").CombinedOutput()
	locks, _ := os.ReadFile("/proc/locks")
	return string(out) + string(locks)
}

func glob(pattern string) []string {
	names, _ := filepath.Glob(pattern)
	return names
}

// proc is a process by what /proc says.
type proc struct {
	pid, parent int
	state       byte
	args        string
}

func procs() []proc {
	var list []proc
	for _, dir := range glob("/proc/[0-9]*") {
		stat, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue
		}
		f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		args, _ := os.ReadFile(dir + "/cmdline")
		p := proc{state: f[0][0], args: strings.ReplaceAll(string(args), "\x00", " ")}
		p.pid, _ = strconv.Atoi(filepath.Base(dir))
		p.parent, _ = strconv.Atoi(f[1])
		list = append(list, p)
	}
	return list
}

// running returns the processes whose arguments match, apart from shells of the scene.
func running(pattern string) []int {
	re := regexp.MustCompile(pattern)
	var pids []int
	for _, p := range procs() {
		if p.state != 'Z' && re.MatchString(p.args) {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// worker returns the daemon's process for a client.
func (s *site) worker(client *exec.Cmd) int {
	pid := 0
	s.until("a worker", func() bool {
		if found := running(fmt.Sprintf(`^nix-daemon %d\b`, client.Process.Pid)); len(found) == 1 {
			pid = found[0]
		}
		return pid != 0
	})
	return pid
}

// builds waits until n builders sleep.
func (s *site) builds(n int, pattern string) []int {
	var pids []int
	s.until(fmt.Sprintf("%d builders like %s", n, pattern), func() bool {
		pids = running(pattern)
		return len(pids) >= n
	})
	return pids
}

// polls waits until a process retries every five seconds, with poll, epoll_wait or epoll_pwait. Only x86-64 is asked.
func (s *site) polls(pid int) {
	s.until(fmt.Sprintf("process %d to retry", pid), func() bool {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
		f := strings.Fields(string(data))
		return len(f) > 4 && (f[0] == "7" && f[3] == "0x1388" || (f[0] == "232" || f[0] == "281") && f[4] == "0x1388")
	})
}

// says waits until a client has printed something.
func (s *site) says(label, text string) {
	s.until(fmt.Sprintf("%q from %s", text, label), func() bool {
		data, _ := os.ReadFile("/tmp/out." + label)
		return bytes.Contains(data, []byte(text))
	})
}

func (s *site) signal(pid int, sig syscall.Signal) {
	if err := syscall.Kill(pid, sig); err != nil {
		s.fatal("signal %v to %d: %v", sig, pid, err)
	}
}

func (s *site) stop(pid int) {
	s.signal(pid, syscall.SIGSTOP)
	s.until("a stopped process", func() bool {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return bytes.Contains(data, []byte(") T "))
	})
}

// look explains what is there, as root in this process, as another user in a child.
func (s *site) look(who string) *diagnose.Report {
	if who == "root" {
		r, err := stuck.Look(context.Background(), platform.Local(), observe.Options{})
		if err != nil {
			s.fatal("look: %v", err)
		}
		s.found[r] = stuck.Findings(r)
		return r
	}
	uid := uint32(uids[who])
	return s.child(who, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}, "/test")
}

// lookWith looks in a child that another program starts.
func (s *site) lookWith(argv ...string) *diagnose.Report { return s.child("root", nil, argv...) }

func (s *site) child(who string, attr *syscall.SysProcAttr, argv ...string) *diagnose.Report {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "LIXFIX_LOOK=1")
	cmd.SysProcAttr = attr
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.fatal("look as %s: %v\n%s", who, err, stderr.String())
	}
	var seen looked
	if err := json.Unmarshal(out, &seen); err != nil {
		s.fatal("look as %s: %v", who, err)
	}
	s.found[seen.Report] = seen.Findings
	return seen.Report
}

// looked is what a look came to.
type looked struct {
	Report   *diagnose.Report
	Findings []fix.Finding
}

// limited expects a report to say that something could not be seen.
func (s *site) limited(r *diagnose.Report, id string) {
	if !slices.ContainsFunc(r.Limits, func(l observe.Limit) bool { return l.ID == id }) {
		s.fail("want the limit %s, got %+v", id, r.Limits)
	}
}

// chain writes a diagnosis down as the roles of its processes and the names of its locks.
func (s *site) chain(r *diagnose.Report, d diagnose.Diagnosis) string {
	var words []string
	for _, n := range d.Chain {
		if p := r.Process(n); p != nil {
			word := string(p.Role)
			if label := s.labels[p.PID]; label != "" {
				word = label
			}
			words = append(words, word)
			continue
		}
		base := strings.TrimSuffix(filepath.Base(strings.TrimPrefix(n, "lock:")), ".lock")
		if len(base) > 33 && base[32] == '-' {
			base = base[33:]
		}
		words = append(words, "["+base+"]")
	}
	return strings.Join(words, " ")
}

// want is what a scene expects of one diagnosis.
type want struct {
	who     string // looks: root, alice or carol
	subject int    // process at the start of the chain; 0 for any
	id      string
	chain   string // "" for any
	status  string // "" for any
	plan    string // kinds and processes of the plan; "" for any, "none" for an empty one
}

// expect compares.
func (s *site) expect(r *diagnose.Report, w want) *diagnose.Diagnosis {
	var said []string
	for i, d := range r.Diagnoses {
		chain := s.chain(r, d)
		said = append(said, fmt.Sprintf("%s (%s, %s) %s: %s", d.ID, d.Status, d.Certainty, chain, d.Sentence))
		if w.subject != 0 && d.Subject != fmt.Sprintf("process:%d", w.subject) {
			continue
		}
		if d.ID != "stuck/"+w.id || w.chain != "" && chain != w.chain || w.status != "" && string(d.Status) != w.status {
			continue
		}
		s.seen = append(s.seen, fmt.Sprintf("%s sees %s (%s): %s", w.who, d.ID, d.Certainty, chain))
		s.testify(r, i)
		for _, line := range draw.Tree(r, d) {
			if n := len([]rune(line)); n > 80 {
				s.fail("a line of the tree has %d characters: %s", n, line)
			}
		}
		return &r.Diagnoses[i]
	}
	var trees strings.Builder
	for _, d := range r.Diagnoses {
		trees.WriteString(strings.Join(draw.Tree(r, d), "\n") + "\n")
	}
	for _, l := range r.Limits {
		trees.WriteString("limit: " + l.What + "\n")
	}
	s.fail("%s: want stuck/%s for process %d, chain %q, status %q; got:\n%s\n%s%s", w.who, w.id, w.subject, w.chain, w.status,
		strings.Join(said, "\n"), trees.String(), ps())
	return nil
}

// witnessed begins a line with the finding of a diagnosis that a scene expects, as JSON.
const witnessed = "finding "

// testify tells the test that runs the scene which finding was expected and found.
func (s *site) testify(r *diagnose.Report, i int) {
	if s.found[r] == nil {
		return
	}
	f := s.found[r][i]
	data, err := json.Marshal(f)
	if err != nil || f.ID != r.Diagnoses[i].ID {
		s.fatal("the finding of %s: %+v, %v", r.Diagnoses[i].ID, f, err)
	}
	s.witness = append(s.witness, string(data))
}

// play runs a scene in the machine and reports as JSON.
func play(name string) int {
	s := &site{labels: map[int]string{}, found: map[*diagnose.Report][]fix.Finding{}}
	func() {
		defer func() {
			if why := recover(); why != nil {
				g, ok := why.(giveUp)
				if !ok {
					panic(why)
				}
				s.fail("%s", g.why)
			}
		}()
		i := slices.IndexFunc(scenes, func(sc scene) bool { return sc.name == name })
		if i < 0 {
			s.fatal("there is no scene %s", name)
		}
		scenes[i].play(s)
		if len(s.failures) == 0 {
			s.record("stuck")
		}
	}()
	for _, line := range s.seen {
		fmt.Println(line)
	}
	for _, finding := range s.witness {
		fmt.Println(witnessed + finding)
	}
	if len(s.failures) > 0 {
		fmt.Println(strings.Join(s.failures, "\n"))
		return 1
	}
	return 0
}

// recordedLine begins a line with a record in base64.
const recordedLine = "record "

// record records the machine as the scene has left it, for the test to look at outside.
func (s *site) record(fixes ...string) {
	const file = "/root/record.tar.gz"
	if out, err := exec.Command("/lixfix", append([]string{"record", "-o", file}, fixes...)...).CombinedOutput(); err != nil {
		s.fatal("record: %v\n%s", err, out)
	}
	packed, err := os.ReadFile(file)
	if err != nil {
		s.fatal("%v", err)
	}
	fmt.Println(recordedLine + base64.StdEncoding.EncodeToString(packed))
}

// lookOnly is what a child does that looks as another user.
func lookOnly() int {
	r, err := stuck.Look(context.Background(), platform.Local(), observe.Options{})
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(looked{r, stuck.Findings(r)})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

var errNoRoot = errors.New("these tests make namespaces and need root")
