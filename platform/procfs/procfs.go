// Package procfs reads what Linux tells of its processes below /proc. Every process can end while it is read; what
// could be read until then is kept. Files that only root may read are reported as such and not taken for empty.
package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/lixfix/lixfix/platform"
)

// TicksPerSecond is the unit of processor times and starts. It is 100 on every architecture that Linux shows it to.
const TicksPerSecond = 100

// InitialPIDNamespace is the inode of the PID namespace that the machine itself runs in (PROC_PID_INIT_INO).
const InitialPIDNamespace = "pid:[4026531836]"

// Stat is a process or a thread, as its stat file has it.
type Stat struct {
	PID     int
	Name    string // of the thread, at most 15 bytes; anything can be in it
	State   byte   // R, S, D, T, t, Z, X, I
	Parent  int
	Session int
	TTY     int
	CPU     uint64 // ticks, user and system
	Threads int
	Start   uint64 // ticks since boot
	RSS     int64  // pages
}

var errStat = errors.New("not of the form of a stat file")

// ParseStat reads a stat file.
func ParseStat(data []byte) (Stat, error) {
	// The name is in parentheses and may hold spaces, parentheses and newlines, so it ends at the last one.
	from, to := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if from < 0 || to < from {
		return Stat{}, errStat
	}
	s := Stat{Name: string(data[from+1 : to])}
	var err error
	if s.PID, err = strconv.Atoi(string(bytes.TrimSpace(data[:from]))); err != nil || s.PID < 1 {
		return Stat{}, errStat
	}
	var f [22][]byte
	n := 0
	for word := range bytes.FieldsSeq(data[to+1:]) {
		if n == len(f) {
			break
		}
		f[n] = word
		n++
	}
	if n < len(f) || len(f[0]) != 1 {
		return Stat{}, errStat
	}
	s.State = f[0][0]
	bad := false
	number := func(i int) int64 {
		v, err := strconv.ParseInt(string(f[i]), 10, 64)
		bad = bad || err != nil
		return v
	}
	// Indexes are the numbers of proc_pid_stat(5) less 3.
	s.Parent, s.Session, s.TTY = int(number(1)), int(number(3)), int(number(4))
	s.CPU = uint64(number(11)) + uint64(number(12))
	s.Threads = int(number(17))
	start := number(19)
	s.Start, s.RSS = uint64(start), number(21)
	if bad || start < 0 {
		return Stat{}, errStat
	}
	return s, nil
}

// Status is what is taken from a status file.
type Status struct {
	UID      int   // effective
	UIDs     []int // real, effective, saved, of the file system; nil where they could not be read
	FDSize   int   // places in the table of open files: no fewer than are open
	Tracer   int   // who traces it
	NSPID    []int // its number in each PID namespace, from the reader's inwards
	Blocked  uint64
	Pending  uint64 // signals sent to the process and not delivered
	Switches uint64 // times that it gave up the processor by itself
	RSSKiB   int64
}

// ParseStatus reads a status file; lines that are missing leave zeros.
func ParseStatus(data []byte) Status {
	s := Status{UID: -1}
	for line := range bytes.Lines(data) {
		key, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		f := strings.Fields(string(value))
		if len(f) == 0 {
			continue
		}
		switch string(key) {
		case "Uid":
			if len(f) > 1 {
				s.UID = number(f[1], -1)
			}
			for _, word := range f {
				s.UIDs = append(s.UIDs, number(word, -1))
			}
		case "FDSize":
			s.FDSize = number(f[0], 0)
		case "TracerPid":
			s.Tracer = number(f[0], 0)
		case "NSpid":
			for _, word := range f {
				s.NSPID = append(s.NSPID, number(word, 0))
			}
		case "SigBlk":
			s.Blocked, _ = strconv.ParseUint(f[0], 16, 64)
		case "ShdPnd":
			s.Pending, _ = strconv.ParseUint(f[0], 16, 64)
		case "voluntary_ctxt_switches":
			s.Switches, _ = strconv.ParseUint(f[0], 10, 64)
		case "VmRSS":
			s.RSSKiB = int64(number(f[0], 0))
		}
	}
	return s
}

// Runs reports whether a process is wholly a user's: a program with the set-user-ID bit has the real ID of who started
// it, so that an effective ID of 0 alone says nothing.
func (s Status) Runs(uid int) bool {
	return len(s.UIDs) == 4 && !slices.ContainsFunc(s.UIDs, func(id int) bool { return id != uid })
}

// Opened is what an fdinfo file says of the file itself.
type Opened struct {
	Mount int    // its ID in mountinfo
	Inode uint64 // 0 before Linux 5.14, which does not tell it
	Flags int64  // of open(2); -1 where they are not told
}

// Reads reports whether the file was opened for reading.
func (o Opened) Reads() bool { return o.Flags >= 0 && o.Flags&syscall.O_ACCMODE != syscall.O_WRONLY }

// ParseOpened reads an fdinfo file; lines that are missing leave zeros.
func ParseOpened(data []byte) Opened {
	o := Opened{Flags: -1}
	for line := range bytes.Lines(data) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		switch string(key) {
		case "flags": // in octal
			if n, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 8, 64); err == nil {
				o.Flags = n
			}
		case "mnt_id":
			o.Mount = number(string(bytes.TrimSpace(value)), 0)
		case "ino":
			o.Inode, _ = strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 64)
		}
	}
	return o
}

func number(word string, otherwise int) int {
	if n, err := strconv.Atoi(word); err == nil {
		return n
	}
	return otherwise
}

// ParseArguments reads a cmdline file: arguments that end in NUL. A process that wrote its title over them may have
// left them padded.
func ParseArguments(data []byte) []string {
	data = bytes.TrimRight(data, "\x00")
	if len(data) == 0 {
		return nil
	}
	return strings.Split(string(data), "\x00")
}

// Call is the system call that a thread is in.
type Call struct {
	// Known is false while the thread runs, and where it could not be read.
	Known bool
	N     int64 // -1: asleep, but in no system call
	Args  [6]uint64
}

// ParseCall reads a syscall file.
func ParseCall(data []byte) Call {
	f := strings.Fields(string(data))
	if len(f) == 0 {
		return Call{}
	}
	n, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil { // "running"
		return Call{}
	}
	c := Call{Known: true, N: n}
	for i, word := range f[1:] {
		if i == len(c.Args) {
			break
		}
		v, err := strconv.ParseUint(strings.TrimPrefix(word, "0x"), 16, 64)
		if err != nil {
			return Call{}
		}
		c.Args[i] = v
	}
	return c
}

// IO counts bytes. Read and Written are those of the disk; ReadCalls and WrittenCalls those of all system calls.
type IO struct {
	ReadCalls, WrittenCalls, Read, Written uint64
}

// ParseIO reads an io file.
func ParseIO(data []byte) IO {
	var io IO
	for line := range bytes.Lines(data) {
		key, value, _ := strings.Cut(string(bytes.TrimSpace(line)), ": ")
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			continue
		}
		switch key {
		case "rchar":
			io.ReadCalls = n
		case "wchar":
			io.WrittenCalls = n
		case "read_bytes":
			io.Read = n
		case "write_bytes":
			io.Written = n
		}
	}
	return io
}

// Mount is what is needed of a line of mountinfo.
type Mount struct {
	ID           int
	Major, Minor uint64
	Point        string
	Type         string
}

// ParseMounts reads a mountinfo file. Lines that it cannot read are left out.
func ParseMounts(data []byte) []Mount {
	var mounts []Mount
	for line := range bytes.Lines(data) {
		before, after, ok := strings.Cut(string(bytes.TrimSpace(line)), " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) < 1 {
			continue
		}
		major, minor, ok := strings.Cut(f[2], ":")
		if !ok {
			continue
		}
		m := Mount{ID: number(f[0], 0)}
		var err1, err2 error
		m.Major, err1 = strconv.ParseUint(major, 10, 32)
		m.Minor, err2 = strconv.ParseUint(minor, 10, 32)
		if err1 != nil || err2 != nil {
			continue
		}
		m.Point, m.Type = unescape(f[4]), g[0]
		mounts = append(mounts, m)
	}
	return mounts
}

// unescape decodes the octal escapes that mountinfo uses for spaces, tabs, newlines and backslashes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Gone reports whether err says that a process ended while it was read.
func Gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// Dir returns the directory of a process.
func Dir(pid int) string { return "/proc/" + strconv.Itoa(pid) }

// PIDs lists the processes.
func PIDs(f platform.Files) ([]int, error) {
	names, err := f.Names("/proc")
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if name[0] < '1' || name[0] > '9' {
			continue
		}
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
