//go:build linux

// Package staged proves the Ansible collection on twenty hosts, which it makes itself: each has namespaces, an address
// and a real sshd of its own. Half of them are simulated Macs, on the others Linux is looked at as it is. The controller
// is one more such host, with Debian's ansible-core. Nothing of the machine's network, files or accounts is touched, and
// all of it ends with the test.
package staged

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/platform/platformtest"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
	"github.com/lixfix/lixfix/platform/platformtest/mac"
	"github.com/lixfix/lixfix/platform/platformtest/programs"
)

func TestMain(m *testing.M) {
	code := m.Run()
	linuxnet.Clean()
	os.Exit(code)
}

const (
	controller = "198.51.100.1"
	admin      = "fleet" // who comes by ssh
	installed  = "/usr/local/bin/lixfix"
	store      = "/nix/store/11111111111111111111111111111111-lix-2.95.3"
	units      = store + "/lib/systemd/system/"
	template   = "/etc/systemd/system/nix-daemon@.service"
)

// member is a host of the fleet.
type member struct {
	name, addr string
	host       *linuxnet.Host
	mac        *mac.Mac // nil where it is no Mac
}

// fleet is the hosts with their controller.
type fleet struct {
	dir     string // shared by the controller and this side
	ctl     *linuxnet.Host
	members []*member
	runs    int
}

// trouble says what is wrong with a host beside what all of them have.
type trouble int

const (
	usual trouble = iota
	fine
	unreachable
	refused // sudo
	killed
	full
	early // a Mac before the upgrade: nothing is broken yet
)

// troubles of the hosts in the test; the others are as broken as usual.
var troubles = map[string]trouble{
	"mac-01": fine, "mac-02": killed, "mac-03": full, "mac-04": refused, "linux-01": fine, "linux-02": full, "linux-10": unreachable,
}

// of returns a host by its name.
func (f *fleet) of(t testing.TB, name string) *member {
	t.Helper()
	i := slices.IndexFunc(f.members, func(m *member) bool { return m.name == name })
	if i < 0 {
		t.Fatalf("there is no host %s", name)
	}
	return f.members[i]
}

// stage makes a fleet, half of it Macs, and its controller.
func stage(t testing.TB, size int, is map[string]trouble) *fleet {
	t.Helper()
	began := time.Now()
	defer func() { t.Logf("staged in %.1f s", time.Since(began).Seconds()) }()
	// Of all directories, hosts share with this side only that for temporary files.
	dir, err := os.MkdirTemp("", "fleet-") //nolint:usetesting // which may be in another one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	f := &fleet{dir: dir, ctl: linuxnet.New(t, linuxnet.Options{Mode: linuxnet.None})}
	keys(t, f.dir)
	f.programs(t)
	for i := range size {
		m := &member{name: fmt.Sprintf("linux-%02d", i-size/2+1), addr: fmt.Sprintf("198.51.100.%d", 10+i)}
		if i < size/2 {
			m.name = fmt.Sprintf("mac-%02d", i+1)
		}
		m.host = linuxnet.New(t, linuxnet.Options{Mode: linuxnet.None})
		f.members = append(f.members, m)
		// What the machine of the test has of Nix and of lixfix is none of theirs, and a repair would try to build with it.
		m.host.Run(t, "sh", "-ec", "rm -rf /nix /usr/bin/nix /usr/bin/nix-* /etc/nix /etc/shells /usr/local/bin/lixfix*; sed -i 's,:/[a-z/]*/\\(bash\\|zsh\\|fish\\)$,:/bin/sh,' /etc/passwd")
		if i < size/2 {
			m.beMac(t, is[m.name])
		} else {
			m.beLinux(t, is[m.name])
		}
		m.serve(t, f.dir, is[m.name] != refused)
		f.ctl.Link(t, m.host, controller, m.addr)
		switch is[m.name] {
		case unreachable:
			m.host.Run(t, "ip", "link", "set", "link0", "down")
		case refused:
			// Somebody brought it there before.
			m.host.Copy(t, filepath.Join(f.dir, "release", "lixfix-darwin-arm64"), installed, 0o755)
		case full:
			state := "/var/lib/lixfix"
			if m.mac != nil {
				state = "/var/db/lixfix"
			}
			m.host.Run(t, "sh", "-ec", `mkdir -p "$1"; mount -t tmpfs -o size=8k,mode=0755 none "$1"; ! cat /dev/zero >"$1/full" 2>/dev/null`, "sh", state)
		}
	}
	f.control(t)
	f.ready(t, is)
	return f
}

// keys makes one for the hosts and one for the controller.
func keys(t testing.TB, dir string) {
	t.Helper()
	for _, name := range []string{"host", "id"} {
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", filepath.Join(dir, name)).CombinedOutput()
		if err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
}

func build(t testing.TB, to string, ldflags string) {
	t.Helper()
	program, err := programs.Build("github.com/lixfix/lixfix/cmd/lixfix", "-ldflags", "-s -w -X main.version=0.1.0 "+ldflags)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

// programs makes the directory that the role takes the Macs' program from, and the archive that it downloads for the
// others. What a simulated Mac runs takes sw_vers for its facts, and is otherwise the same.
func (f *fleet) programs(t testing.TB) {
	t.Helper()
	release, served := filepath.Join(f.dir, "release"), filepath.Join(f.dir, "served")
	top := "lixfix-0.1.0-linux-" + runtime.GOARCH
	for _, dir := range []string{release, filepath.Join(served, top)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	build(t, filepath.Join(release, "lixfix-darwin-arm64"), "-X github.com/lixfix/lixfix/platform.factsFrom=sw_vers")
	build(t, filepath.Join(served, top, "lixfix"), "")
	if out, err := exec.Command("tar", "-C", served, "-I", "gzip -1", "-cf", filepath.Join(served, top+".tar.gz"), top).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
}

// beMac makes a host a Mac that was upgraded to macOS 15, for all that a caller by ssh can see of it.
func (m *member) beMac(t testing.TB, is trouble) {
	t.Helper()
	const users = 4
	state := "upgraded-15"
	switch is {
	case fine:
		state = "healthy"
	case early:
		state = "before-15"
	}
	all := mac.Variants(users)
	v := all[slices.IndexFunc(all, func(v mac.Variant) bool { return v.Name == state })]
	var err error
	m.mac, err = mac.New(m.host.Path(""), mac.Options{Version: v.Version, Few: true})
	if err != nil {
		t.Fatal(err)
	}
	stand, err := platformtest.Binary()
	if err != nil {
		t.Fatal(err)
	}
	// Everybody may ask a Mac for its accounts; here only root can read the files that they are in.
	m.host.Copy(t, stand, "/usr/lib/mactools", 0o755)
	if err := os.Chmod(m.host.Path("/usr/lib/mactools"), 0o755|fs.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	if err := mac.Install(m.host.Path(""), m.host.Path("/usr/lib/mactools")); err != nil {
		t.Fatal(err)
	}
	if err := v.Seed(m.mac); err != nil {
		t.Fatal(err)
	}
	m.host.WriteFile(t, "/usr/bin/uname", "#!/bin/sh\ncase $1 in -s) echo Darwin ;; -m) echo arm64 ;; esac\n", 0o755)
	if is == killed {
		if err := m.mac.ResetCalls(); err != nil {
			t.Fatal(err)
		}
		if err := m.mac.Config(func(c *mac.Config) { c.Faults = []mac.Fault{mac.KillCaller(6, mac.Before, "")} }); err != nil {
			t.Fatal(err)
		}
	}
}

// beLinux gives a host a Lix 2.95 that was upgraded, so that its units lack the template, unless it is fine.
func (m *member) beLinux(t testing.TB, is trouble) {
	t.Helper()
	h := m.host
	for name, text := range map[string]string{
		units + "nix-daemon.socket":   "[Socket]\nListenStream=/nix/var/nix/daemon-socket/socket\nAccept=yes\n[Install]\nWantedBy=sockets.target\n",
		units + "nix-daemon.service":  "[Unit]\nConflicts=nix-daemon.socket\n[Service]\nExecStart=@" + store + "/bin/nix-daemon nix-daemon --daemon\n",
		units + "nix-daemon@.service": "[Service]\nExecStart=@" + store + "/bin/nix-daemon nix-daemon --for-socket-activation\n",
		store + "/bin/nix-daemon":     "x\n",
	} {
		h.WriteFile(t, name, text, 0o755)
	}
	h.Run(t, "sh", "-ec", `
		rm -rf /etc/systemd/system; mkdir -p /nix/var/nix/profiles /etc/systemd/system
		ln -s `+store+` /nix/var/nix/profiles/default
		for unit in nix-daemon.socket nix-daemon.service; do
			ln -s /nix/var/nix/profiles/default/lib/systemd/system/$unit /etc/systemd/system/$unit
		done`)
	if is == fine {
		h.Symlink(t, "/nix/var/nix/profiles/default/lib/systemd/system/nix-daemon@.service", template)
	}
}

// serve starts the sshd of a host.
func (m *member) serve(t testing.TB, keys string, sudo bool) {
	t.Helper()
	h := m.host
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(keys, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	h.WriteFile(t, "/etc/ssh/fleet/host", read("host"), 0o600)
	h.WriteFile(t, "/etc/ssh/fleet/authorized", read("id.pub"), 0o644)
	h.WriteFile(t, "/etc/ssh/fleet/config", "ListenAddress "+m.addr+"\nHostKey /etc/ssh/fleet/host\nAuthorizedKeysFile /etc/ssh/fleet/authorized\n"+
		"UsePAM no\nPasswordAuthentication no\nPidFile none\nMaxStartups 100\n"+
		// What processors have instructions for, or is computed fastest.
		"Ciphers aes128-gcm@openssh.com\nKexAlgorithms curve25519-sha256\n", 0o644)
	h.WriteFile(t, "/etc/pam.d/sudo", "auth required pam_deny.so\naccount required pam_permit.so\nsession required pam_permit.so\n", 0o644)
	rules := "root ALL=(ALL:ALL) ALL\n"
	if sudo {
		rules += admin + " ALL=(ALL:ALL) NOPASSWD: ALL\n"
	}
	h.WriteFile(t, "/etc/sudoers", rules, 0o440)
	h.WriteFile(t, "/etc/hosts", "127.0.0.1 localhost\n", 0o644)
	h.Run(t, "sh", "-ec", `
		echo '`+admin+`:x:1000:1000::/home/`+admin+`:/bin/sh' >>/etc/passwd
		echo '`+admin+`:*:19000:0:99999:7:::' >>/etc/shadow
		echo '`+admin+`:x:1000:' >>/etc/group
		grep -q '^sshd:' /etc/passwd || echo 'sshd:x:107:65534::/run/sshd:/usr/sbin/nologin' >>/etc/passwd
		rm -rf /root/.ansible
		mkdir -p /run/sshd /home/`+admin+`; chmod 755 /run/sshd; chown 1000:1000 /home/`+admin+`
		hostname `+m.name)
	// A Python that runs anywhere would show here: Macs have none.
	h.Run(t, "sh", "-c", "rm -f /usr/bin/python3* /usr/local/bin/python* && ! command -v python3")
	// The address comes with the cable.
	h.Start(t, h.Command("sh", "-c", "until ip -o addr show link0 2>/dev/null | grep -q "+m.addr+"; do sleep 0.05; done; exec /usr/sbin/sshd -D -e -f /etc/ssh/fleet/config"))
}

// control prepares the controller: the collection where Ansible looks for it, and the inventory.
func (f *fleet) control(t testing.TB) {
	t.Helper()
	to := filepath.Join(f.dir, "collections/ansible_collections/lixfix/lixfix")
	if err := os.CopyFS(to, os.DirFS("..")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(to, "staged")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(f.dir, "testdata"), os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	pub, err := os.ReadFile(filepath.Join(f.dir, "host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	f.ctl.WriteFile(t, "/etc/ssh/ssh_known_hosts", "198.51.100.* "+string(pub), 0o644)
	f.ctl.Run(t, "sh", "-c", "rm -rf /root/.ansible /root/.ssh; mkdir -p /root/.ansible")
	f.ctl.Start(t, f.ctl.Command("python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", filepath.Join(f.dir, "served"), "8000"))
	archive := "lixfix-0.1.0-linux-" + runtime.GOARCH + ".tar.gz"
	sum, err := exec.Command("sha256sum", filepath.Join(f.dir, "served", archive)).Output()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "all:\n  vars:\n    ansible_user: %s\n  children:\n", admin)
	for _, group := range []struct{ name, prefix, vars string }{
		{"macs", "mac-", "lixfix_fix: sequoia\n      lixfix_src: " + filepath.Join(f.dir, "release")},
		{"builders", "linux-", fmt.Sprintf("lixfix_fix: lix-units\n      lixfix_url: http://127.0.0.1:8000/lixfix-0.1.0-{system}.tar.gz\n"+
			"      lixfix_checksums:\n        linux-%s: %s", runtime.GOARCH, strings.Fields(string(sum))[0])},
	} {
		fmt.Fprintf(&b, "    %s:\n      vars:\n        %s\n      hosts:\n", group.name, strings.ReplaceAll(group.vars, "\n", "\n  "))
		for _, m := range f.members {
			if strings.HasPrefix(m.name, group.prefix) {
				fmt.Fprintf(&b, "        %s:\n          ansible_host: %s\n", m.name, m.addr)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(f.dir, "hosts.yml"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ready waits until everything listens that should.
func (f *fleet) ready(t testing.TB, is map[string]trouble) {
	t.Helper()
	wait := func(what string, ok func() bool) {
		for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not within two minutes", what)
			}
		}
	}
	listens := func(h *linuxnet.Host, port string) bool {
		out, err := h.Command("ss", "-Hltn", "sport", "=", ":"+port).Output()
		return err == nil && len(bytes.TrimSpace(out)) > 0
	}
	wait("the web server", func() bool { return listens(f.ctl, "8000") })
	for _, m := range f.members {
		if is[m.name] != unreachable {
			wait("the sshd of "+m.name, func() bool { return listens(m.host, "22") })
		}
	}
}

// result is what a task came to on a host.
type result struct {
	Host        string `json:"host"`
	Task        string `json:"task"`
	Failed      bool   `json:"failed"`
	Unreachable bool   `json:"unreachable"`
	Skipped     bool   `json:"skipped"`
	Result      struct {
		Changed  bool            `json:"changed"`
		Msg      json.RawMessage `json:"msg"`
		Exit     *int            `json:"exit"`
		Status   string          `json:"status"`
		Settled  []string        `json:"settled"`
		Uploaded *int            `json:"uploaded"`
		Diff     json.RawMessage `json:"diff"`
	} `json:"result"`
}

// play is what a run of a playbook came to.
type play struct {
	code    int
	out     string
	results []result
}

// play runs a playbook on the controller.
func (f *fleet) play(t testing.TB, args ...string) play {
	t.Helper()
	f.runs++
	defer func(began time.Time) { t.Logf("%s: %.1f s", strings.Join(args, " "), time.Since(began).Seconds()) }(time.Now())
	file := filepath.Join(f.dir, fmt.Sprintf("results-%d.jsonl", f.runs))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := f.ctl.CommandContext(ctx, "ansible-playbook", append([]string{"-i", filepath.Join(f.dir, "hosts.yml"), "--forks", strconv.Itoa(len(f.members))}, args...)...)
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "ANSIBLE_NOCOLOR=1", "ANSIBLE_TIMEOUT=60",
		"ANSIBLE_COLLECTIONS_PATH=" + filepath.Join(f.dir, "collections"), "ANSIBLE_PRIVATE_KEY_FILE=" + filepath.Join(f.dir, "id"),
		"ANSIBLE_CALLBACK_PLUGINS=" + filepath.Join(f.dir, "testdata/callback"), "ANSIBLE_CALLBACKS_ENABLED=results",
		"ANSIBLE_RETRY_FILES_ENABLED=0", "ANSIBLE_LOCALHOST_WARNING=0", "LIXFIX_RESULTS=" + file,
	}
	if _, ok := t.(*testing.B); !ok {
		// Ansible's own arguments but -C, with which ssh compresses the program once more for each host.
		cmd.Env = append(cmd.Env, "ANSIBLE_SSH_ARGS=-o ControlMaster=auto -o ControlPersist=60s")
	}
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil || cmd.ProcessState == nil {
		t.Fatalf("ansible-playbook %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	p := play{code: cmd.ProcessState.ExitCode(), out: string(out)}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("ansible-playbook %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		p.results = append(p.results, r)
	}
	return p
}

// hangUp ends the connections that ssh keeps for a while.
func (f *fleet) hangUp(t testing.TB) {
	t.Helper()
	f.ctl.Run(t, "sh", "-c", `for socket in /root/.ansible/cp/*; do [ ! -S "$socket" ] || ssh -q -O exit -o ControlPath="$socket" any; done`)
}

// is reports whether a result is of a task, of a playbook or of the role.
func is(r result, task string) bool { return r.Task == task || strings.HasSuffix(r.Task, " : "+task) }

// of returns what a task came to on a host; nil where it was not run there.
func (p play) of(host, task string) *result {
	i := slices.IndexFunc(p.results, func(r result) bool { return r.Host == host && is(r, task) })
	if i < 0 {
		return nil
	}
	return &p.results[i]
}

// changed are the hosts on which something was changed, and failed those that failed or were not reached.
func (p play) changed() (hosts []string) {
	for _, r := range p.results {
		if r.Result.Changed && !slices.Contains(hosts, r.Host) {
			hosts = append(hosts, r.Host)
		}
	}
	slices.Sort(hosts)
	return hosts
}

// matches fails the test where no line of a text fits.
func matches(t *testing.T, text, line string) {
	t.Helper()
	if !regexp.MustCompile("(?m)" + line).MatchString(text) {
		t.Errorf("no line is %s:\n%s", line, text)
	}
}

// table is what a playbook printed as one.
func (p play) table() string {
	_, rest, _ := strings.Cut(p.out, `"lixfix_rows": [`)
	rest, _, _ = strings.Cut(rest, "]")
	var b strings.Builder
	for line := range strings.Lines(rest) {
		if row := strings.Trim(strings.TrimSpace(line), `",`); row != "" {
			b.WriteString(row + "\n")
		}
	}
	return b.String()
}
