package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lixfix/lixfix/platform"
)

// Process is one in the control group of a unit. Builds are in that of the Nix daemon as well, and whoever builds decides
// what their processes are called and which programs they have: nothing but numbers is told of processes that are not
// root's.
type Process struct {
	platform.ProcessID
	Root    bool   // by all four of its user IDs
	State   byte   // one letter, as ps(1) shows it
	Program string // of root's processes, as the kernel has it; "" where lixfix may not know
	Removed bool   // the program is no longer on the disk
}

// groups are where control groups are found: version 2, and version 2 or 1 beside it.
var groups = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"}

const (
	processesAtMost = 256 // in one unit: no more are looked at
	settleTime      = 2 * time.Second
	settlePause     = 50 * time.Millisecond
)

// Processes lists the processes of a service that systemd runs, by their numbers. One that systemd does not run has none.
// Lix since 2.94 has systemd leave subgroups to the daemon (DelegateSubgroup=).
func Processes(ctx context.Context, v platform.View, unit string) ([]Process, error) {
	if !ValidUnit(unit) {
		return nil, fmt.Errorf("%q is not the name of a unit", unit)
	}
	var list []Process
	err := v.Burst(ctx, "the processes of "+unit, func(f platform.Files) error {
		var pids []int
		for _, root := range groups {
			dir := path.Join(root, "system.slice", unit)
			for _, group := range []string{dir + "/supervisor", dir} {
				data, err := f.Read(group + "/cgroup.procs")
				if err != nil {
					continue // no such group; a group that is there can be read by all
				}
				for line := range strings.Lines(string(data)) {
					if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid > 0 && len(pids) < processesAtMost {
						pids = append(pids, pid)
					}
				}
			}
		}
		slices.Sort(pids)
		boot := ""
		if data, err := f.Read("/proc/sys/kernel/random/boot_id"); err == nil {
			boot = strings.TrimSpace(string(data))
		}
		for _, pid := range slices.Compact(pids) {
			p := Process{ProcessID: platform.ProcessID{PID: pid, Boot: boot}}
			if p.read(f) {
				list = append(list, p)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at the processes of %s: %w", unit, err)
	}
	return list, nil
}

// read reports whether the process is still there.
func (p *Process) read(f platform.Files) bool {
	dir := "/proc/" + strconv.Itoa(p.PID)
	data, err := f.Read(dir + "/stat")
	if err != nil {
		return false
	}
	if p.State, p.Start, err = parseStat(data); err != nil || p.State == 'Z' || p.State == 'X' {
		return false
	}
	if data, err := f.Read(dir + "/status"); err == nil {
		p.Root = rootsOwn(string(data))
	}
	if !p.Root {
		return true
	}
	link, err := f.Link(dir + "/exe")
	if errors.Is(err, fs.ErrNotExist) {
		return false // it is ending: it has given its program up already
	}
	if err == nil {
		p.Program, p.Removed = strings.CutSuffix(link, " (deleted)")
	}
	return true
}

// parseStat takes the state and the start out of /proc/PID/stat. The name, in parentheses, may hold anything.
func parseStat(data []byte) (state byte, start string, err error) {
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 || !strings.Contains(text, ")") {
		return 0, "", fmt.Errorf("the stat of a process has %d fields after the name", len(fields))
	}
	return fields[0][0], fields[19], nil
}

// rootsOwn reports whether a process is root's, by all four of its user IDs (proc_pid_status(5)).
func rootsOwn(status string) bool {
	for line := range strings.Lines(status) {
		if ids, ok := strings.CutPrefix(line, "Uid:"); ok {
			w := strings.Fields(ids)
			return len(w) == 4 && !slices.ContainsFunc(w, func(id string) bool { return id != "0" })
		}
	}
	return false
}

// Clients says in words what a service is at work on for others: who is connected to its socket, and which processes it
// has beside its own. "" where nobody would notice a restart. A client that has just gone, as lixfix itself, is given
// time to be forgotten.
//
// The kernel lists the connections of lixfix's own network namespace alone; the worker of a client from another one is in
// the unit all the same.
func Clients(ctx context.Context, v platform.View, unit, socket string) (string, error) {
	for deadline := v.Now().Add(settleTime); ; {
		busy, err := clients(ctx, v, unit, socket)
		if err != nil || busy == "" || v.Now().After(deadline) {
			return busy, err
		}
		if err := v.Pause(ctx, "for a client to be gone", settlePause); err != nil {
			return busy, err
		}
	}
}

func clients(ctx context.Context, v platform.View, unit, socket string) (string, error) {
	sockets, err := v.Sockets(ctx)
	if err != nil {
		return "", fmt.Errorf("look who is connected to %s: %w", socket, err)
	}
	connected := 0
	for _, s := range sockets {
		if !s.TCP && s.State != platform.SocketListening && s.Path == socket {
			connected++
		}
	}
	list, err := Processes(ctx, v, unit)
	if err != nil {
		return "", err
	}
	var words []string
	switch connected {
	case 0:
	case 1:
		words = append(words, "1 client is connected to "+socket)
	default:
		words = append(words, fmt.Sprintf("%d clients are connected to %s", connected, socket))
	}
	if more := len(list) - 1; more > 0 {
		noun := "processes"
		if more == 1 {
			noun = "process"
		}
		words = append(words, fmt.Sprintf("%s has %d %s beside the daemon itself", unit, more, noun))
	}
	return strings.Join(words, ", and "), nil
}
