// Package proclocks reads /proc/locks, the table of all file locks that Linux holds, and the lines that
// /proc/PID/fdinfo has of them.
package proclocks

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Kinds of locks.
const (
	Flock = "FLOCK"  // flock(2): belongs to an open file, which children inherit
	Posix = "POSIX"  // fcntl(2): belongs to a process
	OFD   = "OFDLCK" // fcntl(2) of an open file; the kernel names no process
)

// File is what the table says of a file: the device of its file system, as in the third column of mountinfo, and its
// inode number.
type File struct {
	Major, Minor uint64
	Inode        uint64
}

func (f File) String() string { return fmt.Sprintf("%02x:%02x:%d", f.Major, f.Minor, f.Inode) }

// Lock is one line.
type Lock struct {
	ID      int  // lines with the same one wait for each other
	Waiting bool // the line has an arrow
	Kind    string
	Write   bool // exclusive
	// PID is the process that took the lock, which need not be the one that keeps it; -1 for OFD locks.
	PID        int
	File       File
	Start, End int64 // End is -1 for the end of the file
}

// Parse reads /proc/locks. Lines of a form that it does not know, as other kinds of locks have in other kernels, are
// counted in skipped.
func Parse(data []byte) (locks []Lock, skipped int) {
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if l, ok := parse(string(line)); ok {
			locks = append(locks, l)
		} else {
			skipped++
		}
	}
	return locks, skipped
}

// ParseInfo reads the locks from a /proc/PID/fdinfo file.
func ParseInfo(data []byte) []Lock {
	var locks []Lock
	for line := range bytes.Lines(data) {
		rest, ok := bytes.CutPrefix(line, []byte("lock:"))
		if !ok {
			continue
		}
		if l, ok := parse(string(bytes.TrimSpace(rest))); ok {
			locks = append(locks, l)
		}
	}
	return locks
}

func parse(line string) (Lock, bool) {
	var l Lock
	f := strings.Fields(line)
	if len(f) == 0 {
		return l, false
	}
	id, err := strconv.Atoi(strings.TrimSuffix(f[0], ":"))
	if err != nil || id < 0 || !strings.HasSuffix(f[0], ":") {
		return l, false
	}
	l.ID = id
	f = f[1:]
	if len(f) > 0 && f[0] == "->" {
		l.Waiting = true
		f = f[1:]
	}
	if len(f) != 7 {
		return l, false
	}
	l.Kind = f[0]
	switch f[2] {
	case "READ":
	case "WRITE":
		l.Write = true
	default:
		return l, false
	}
	if l.PID, err = strconv.Atoi(f[3]); err != nil {
		return l, false
	}
	dev := strings.Split(f[4], ":")
	if len(dev) != 3 {
		return l, false
	}
	// The device is in hexadecimal and the inode in decimal.
	var e [5]error
	l.File.Major, e[0] = strconv.ParseUint(dev[0], 16, 32)
	l.File.Minor, e[1] = strconv.ParseUint(dev[1], 16, 32)
	l.File.Inode, e[2] = strconv.ParseUint(dev[2], 10, 64)
	l.Start, e[3] = strconv.ParseInt(f[5], 10, 64)
	l.End = -1
	if f[6] != "EOF" {
		l.End, e[4] = strconv.ParseInt(f[6], 10, 64)
	}
	for _, err := range e {
		if err != nil {
			return l, false
		}
	}
	return l, true
}
