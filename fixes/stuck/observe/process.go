package observe

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/pattern"
	"github.com/lixfix/lixfix/platform/procfs"
)

// Digits reads a number as a process has it in its arguments.
func Digits(s string) (int, bool) {
	// The place for the number is padded, with NUL or with spaces.
	n, err := strconv.Atoi(strings.Trim(s, " \x00"))
	return n, err == nil && n > 0
}

// readDeep reads what does not change, and the first sample with so many threads at most.
func readDeep(f platform.Files, p *Process, most int) {
	dir := procfs.Dir(p.PID)
	data, err := f.Read(dir + "/cmdline")
	if procfs.Gone(err) {
		p.Gone = true
		return
	}
	p.Argv = procfs.ParseArguments(data)
	if p.NS, err = f.Link(dir + "/ns/pid"); errors.Is(err, fs.ErrPermission) {
		p.Hidden["ns"] = true
	}
	p.Exe, _ = f.Link(dir + "/exe")
	p.net, _ = f.Link(dir + "/ns/net")
	p.mountNS, _ = f.Link(dir + "/ns/mnt")
	p.userNS, _ = f.Link(dir + "/ns/user")
	if NixName(p.Name) {
		if data, err = f.Read(dir + "/cgroup"); err == nil {
			p.Peer = unitPeer(data)
		}
	}
	p.First = readSample(f, p, most)
	if data, err = f.Read(dir + "/limits"); err == nil {
		p.Files = fileLimit(data)
	}
}

// unit is what systemd calls the service of one connection: its number, and the process and user ID of who connected.
// Newer versions add to the process the ID of its pidfd. https://www.freedesktop.org/software/systemd/man/systemd.socket.html
var unit = pattern.New(`(?m)/nix-daemon@\d+-(\d+)(?:_\d+)?-\d+\.service$`)

// unitPeer returns the process that a unit was started for, 0 where the control group names none.
func unitPeer(cgroup []byte) int {
	m := unit.FindSubmatch(cgroup)
	if m == nil {
		return 0
	}
	n, _ := Digits(string(m[1]))
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
func readSample(f platform.Files, p *Process, most int) Sample {
	dir := procfs.Dir(p.PID)
	var s Sample
	data, err := f.Read(dir + "/stat")
	if err != nil {
		p.Gone = p.Gone || procfs.Gone(err)
		return s
	}
	st, err := procfs.ParseStat(data)
	if err != nil || st.Start != p.Start {
		p.Gone = true
		return s
	}
	s.State, s.cpu, s.rss = st.State, st.CPU, st.RSS
	p.Parent, p.Name = st.Parent, st.Name
	if data, err = f.Read(dir + "/status"); err == nil {
		p.Status = procfs.ParseStatus(data)
		if p.Status.UID >= 0 {
			p.UID = p.Status.UID
		}
	}
	if data, err = f.Read(dir + "/io"); err == nil {
		s.IO = procfs.ParseIO(data)
	} else if errors.Is(err, fs.ErrPermission) {
		p.Hidden["io"] = true
	}
	tasks, more, err := f.Some(dir+"/task", most) // the first is the one that the process began with
	if err != nil {
		p.Gone = p.Gone || procfs.Gone(err)
		return s
	}
	if more {
		p.Hidden[someThreads], p.Cut = true, true
	}
	for _, name := range tasks {
		task := dir + "/task/" + name
		t := Thread{}
		if t.ID, err = strconv.Atoi(name); err != nil {
			continue
		}
		if data, err = f.Read(task + "/stat"); err != nil {
			continue
		}
		if st, err := procfs.ParseStat(data); err == nil {
			t.Name, t.State = st.Name, st.State
		}
		if data, err = f.Read(task + "/status"); err == nil {
			s.switches += procfs.ParseStatus(data).Switches
		}
		if data, err = f.Read(task + "/syscall"); err == nil {
			t.Call = procfs.ParseCall(data)
		} else if errors.Is(err, fs.ErrPermission) {
			// What wchan says to strangers is "0", so it is not asked.
			p.Hidden["syscall"] = true
		}
		if !p.Hidden["syscall"] {
			if data, err = f.Read(task + "/wchan"); err == nil && string(data) != "0" {
				t.Wchan = string(bytes.TrimSpace(data))
			}
		}
		s.Threads = append(s.Threads, t)
	}
	slices.SortFunc(s.Threads, func(a, b Thread) int { return a.ID - b.ID })
	s.OK = true
	return s
}
