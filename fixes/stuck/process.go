package stuck

import (
	"bytes"
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/procfs"
)

// readDeep reads what does not change, and the first sample.
func readDeep(f platform.Files, p *proc, threads *budget) {
	dir := procfs.Dir(p.PID)
	data, err := f.Read(dir + "/cmdline")
	if procfs.Gone(err) {
		p.gone = true
		return
	}
	p.argv = procfs.ParseArguments(data)
	if p.ns, err = f.Link(dir + "/ns/pid"); errors.Is(err, fs.ErrPermission) {
		p.hidden["ns"] = true
	}
	p.exe, _ = f.Link(dir + "/exe")
	p.net, _ = f.Link(dir + "/ns/net")
	p.mountNS, _ = f.Link(dir + "/ns/mnt")
	p.userNS, _ = f.Link(dir + "/ns/user")
	if nixName(p.Name) {
		if data, err = f.Read(dir + "/cgroup"); err == nil {
			p.peer = unitPeer(data)
		}
	}
	p.first = readSample(f, p, threads.left(p))
	threads.spend(p, len(p.first.threads))
	if data, err = f.Read(dir + "/limits"); err == nil {
		p.files = fileLimit(data)
	}
}

// unit is what systemd calls the service of one connection: its number, and the process and user ID of who connected.
// Newer versions add to the process the ID of its pidfd. https://www.freedesktop.org/software/systemd/man/systemd.socket.html
var unit = regexp.MustCompile(`(?m)/nix-daemon@\d+-(\d+)(?:_\d+)?-\d+\.service$`)

// unitPeer returns the process that a unit was started for, 0 where the control group names none.
func unitPeer(cgroup []byte) int {
	m := unit.FindSubmatch(cgroup)
	if m == nil {
		return 0
	}
	n, _ := digits(string(m[1]))
	return n
}

// fileLimit returns how many files a process may have open, 0 where limits does not tell.
func fileLimit(limits []byte) int {
	for line := range strings.Lines(string(limits)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				n, _ := strconv.Atoi(f[0]) // "unlimited" is no number
				return n
			}
		}
	}
	return 0
}

// readSample reads what changes.
func readSample(f platform.Files, p *proc, most int) sample {
	dir := procfs.Dir(p.PID)
	var s sample
	data, err := f.Read(dir + "/stat")
	if err != nil {
		p.gone = p.gone || procfs.Gone(err)
		return s
	}
	st, err := procfs.ParseStat(data)
	if err != nil || st.Start != p.Start {
		p.gone = true
		return s
	}
	s.state, s.cpu, s.rss = st.State, st.CPU, st.RSS
	p.Parent, p.Name = st.Parent, st.Name
	if data, err = f.Read(dir + "/status"); err == nil {
		p.status = procfs.ParseStatus(data)
		if p.status.UID >= 0 {
			p.uid = p.status.UID
		}
	}
	if data, err = f.Read(dir + "/io"); err == nil {
		s.io = procfs.ParseIO(data)
	} else if errors.Is(err, fs.ErrPermission) {
		p.hidden["io"] = true
	}
	tasks, more, err := f.Some(dir+"/task", most) // the first is the one that the process began with
	if err != nil {
		p.gone = p.gone || procfs.Gone(err)
		return s
	}
	if more {
		p.hidden["some threads"], p.cut = true, true
	}
	for _, name := range tasks {
		task := dir + "/task/" + name
		t := thread{}
		if t.id, err = strconv.Atoi(name); err != nil {
			continue
		}
		if data, err = f.Read(task + "/stat"); err != nil {
			continue
		}
		if st, err := procfs.ParseStat(data); err == nil {
			t.name, t.state = st.Name, st.State
		}
		if data, err = f.Read(task + "/status"); err == nil {
			s.switches += procfs.ParseStatus(data).Switches
		}
		if data, err = f.Read(task + "/syscall"); err == nil {
			t.call = procfs.ParseCall(data)
		} else if errors.Is(err, fs.ErrPermission) {
			// What wchan says to strangers is "0", so it is not asked.
			p.hidden["syscall"] = true
		}
		if !p.hidden["syscall"] {
			if data, err = f.Read(task + "/wchan"); err == nil && string(data) != "0" {
				t.wchan = string(bytes.TrimSpace(data))
			}
		}
		s.threads = append(s.threads, t)
	}
	slices.SortFunc(s.threads, func(a, b thread) int { return a.id - b.id })
	s.ok = true
	return s
}
