// Package memory holds hosts as values: names, links, modes and owners, for tests of what only reads files. It has no
// processes and no network, and of tools and daemons what a test has them answer.
package memory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixdaemon"
)

// File is an entry of a host.
type File struct {
	Data   string
	Target string // of a link
	Mode   fs.FileMode
	UID    int
	GID    int
}

// Host is a platform.View of entries by their names. Directories that are missing on the way are root's, 0755.
type Host struct {
	platform.View // nil: what is not said here panics

	System platform.Facts
	Files  map[string]File
	// Daemon is what answers at a socket that is there; nil where nobody listens.
	Daemon *nixdaemon.Answer
	// Tools are what tools print, by their names; those that are not there cannot be run.
	Tools map[string]string
	// Room is what Free answers; a gigabyte unless given.
	Room uint64
	// Asked are the names that were looked at, in order.
	Asked []string
	mu    sync.Mutex // of Asked
}

func (h *Host) ask(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Asked = append(h.Asked, name)
}

// New makes a host of lines, each with a name and what it is:
//
//	/a/b -> target          a link
//	/a/b = text\n           a file, its text in Go's escapes
//	/a/b/                   a directory
//	/a/b socket             a socket
//
// "0700 1000 NAME…" in front gives it a mode and an owner.
func New(system platform.Facts, lines string) *Host {
	h := &Host{System: system, Files: map[string]File{}}
	for line := range strings.Lines(lines) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			h.add(line)
		}
	}
	return h
}

func (h *Host) add(line string) {
	f := File{Mode: 0o644}
	given := false
	if line[0] != '/' {
		var mode uint32
		if _, err := fmt.Sscanf(line, "%o %d ", &mode, &f.UID); err != nil {
			panic(line)
		}
		f.Mode, given = fs.FileMode(mode&0o777), true
		line = line[strings.IndexByte(line, '/'):]
	}
	name, rest, _ := strings.Cut(line, " ")
	kind, text, _ := strings.Cut(rest, " ")
	if !given && strings.Contains(name, "/bin/") {
		f.Mode = 0o755
	}
	switch {
	case strings.HasSuffix(name, "/") || name == "/":
		f.Mode |= fs.ModeDir
		if !given {
			f.Mode |= 0o755
		}
		name = path.Clean(name)
	case kind == "->":
		f.Mode, f.Target = fs.ModeSymlink|0o777, text
	case kind == "socket":
		f.Mode = fs.ModeSocket | 0o666
	case kind == "=":
		f.Data = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r").Replace(text)
	case kind != "":
		panic(line)
	}
	h.Put(name, f)
}

// Put adds an entry.
func (h *Host) Put(name string, f File) {
	h.Files[name] = f
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if _, ok := h.Files[dir]; !ok {
			h.Files[dir] = File{Mode: fs.ModeDir | 0o755}
		}
		if dir == "/" {
			return
		}
	}
}

// Facts implements platform.View.
func (h *Host) Facts() platform.Facts { return h.System }

func fail(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// may reports whether lixfix may do something with an entry: 4 for reading, 1 for passing.
func (h *Host) may(f File, what fs.FileMode) bool {
	if h.System.Root() {
		return true
	}
	if f.UID == h.System.UID {
		what <<= 6
	}
	return f.Mode&what == what
}

// walk follows a name, its last component too where it is to. weak is the first directory on the way, or entry, that is
// not root's.
func (h *Host) walk(op, name string, end bool) (to string, f File, weak *platform.Untrusted, err error) {
	at, links := "/", 0
	rest := strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
	for len(rest) > 0 {
		dir := h.Files[at]
		if dir.Mode&fs.ModeDir == 0 {
			return "", File{}, nil, fail(op, name, syscall.ENOTDIR)
		}
		if !h.may(dir, 1) {
			return "", File{}, nil, fail(op, name, fs.ErrPermission)
		}
		if weak == nil && (dir.UID != 0 && dir.UID != h.System.UID || dir.Mode&0o002 != 0) {
			weak = &platform.Untrusted{Name: name, Dir: at, UID: dir.UID}
		}
		base := rest[0]
		rest = rest[1:]
		if base == ".." {
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, base)
		entry, ok := h.Files[next]
		if !ok {
			return "", File{}, nil, fail(op, name, fs.ErrNotExist)
		}
		if entry.Mode&fs.ModeSymlink == 0 || len(rest) == 0 && !end {
			at = next
			continue
		}
		if links++; links > 40 {
			return "", File{}, nil, fail(op, name, syscall.ELOOP)
		}
		if path.IsAbs(entry.Target) {
			at = "/"
		}
		rest = append(strings.FieldsFunc(entry.Target, func(r rune) bool { return r == '/' }), rest...)
	}
	return at, h.Files[at], weak, nil
}

// Now implements platform.View.
func (h *Host) Now() time.Time { return time.Now() }

// Pause implements platform.View. Nothing happens on a host of entries, so it does not wait.
func (h *Host) Pause(ctx context.Context, _ string, _ time.Duration) error { return ctx.Err() }

// Stat implements platform.View.
func (h *Host) Stat(_ context.Context, name string) (platform.FileInfo, error) {
	h.ask(name)
	_, f, _, err := h.walk("lstat", name, false)
	if err != nil {
		return platform.FileInfo{}, err
	}
	return platform.FileInfo{Mode: f.Mode, UID: f.UID, GID: f.GID, Size: int64(len(f.Data)), Target: f.Target}, nil
}

// ReadFile implements platform.View.
func (h *Host) ReadFile(_ context.Context, name string) ([]byte, error) {
	h.ask(name)
	_, f, weak, err := h.walk("open", name, true)
	switch {
	case err != nil:
		return nil, err
	case !f.Mode.IsRegular():
		return nil, fail("read", name, platform.ErrNotRegular)
	case !h.may(f, 4):
		return nil, fail("open", name, fs.ErrPermission)
	case weak != nil && f.Mode&0o004 == 0 && f.UID != weak.UID:
		return nil, weak
	}
	return []byte(f.Data), nil
}

// ReadDir implements platform.View.
func (h *Host) ReadDir(_ context.Context, name string) ([]string, error) {
	h.ask(name)
	to, f, _, err := h.walk("open", name, true)
	switch {
	case err != nil:
		return nil, err
	case f.Mode&fs.ModeDir == 0:
		return nil, fail("list", name, syscall.ENOTDIR)
	case !h.may(f, 4):
		return nil, fail("open", name, fs.ErrPermission)
	}
	var names []string
	for n := range h.Files {
		if n != "/" && path.Dir(n) == to {
			names = append(names, path.Base(n))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Trusted implements platform.View.
func (h *Host) Trusted(_ context.Context, name string) (string, error) {
	h.ask(name)
	to, _, weak, err := h.walk("open", name, true)
	if err != nil {
		return "", err
	}
	if weak != nil {
		return to, weak
	}
	return to, nil
}

// Query implements platform.View.
func (h *Host) Query(_ context.Context, tool string, _ ...string) ([]byte, error) {
	h.ask("query " + tool)
	if out, ok := h.Tools[path.Base(tool)]; ok {
		return []byte(out), nil
	}
	return nil, errors.ErrUnsupported
}

// Greet implements platform.View.
func (h *Host) Greet(_ context.Context, socket string) (nixdaemon.Answer, error) {
	h.ask("greet " + socket)
	_, f, weak, err := h.walk("greet", socket, true)
	switch {
	case err != nil:
		return nixdaemon.Answer{}, err
	case h.System.Root() && (weak != nil || f.UID != 0):
		if weak == nil {
			weak = &platform.Untrusted{Name: socket, Dir: socket, UID: f.UID}
		}
		return nixdaemon.Answer{}, weak
	case f.Mode&fs.ModeSocket == 0 || h.Daemon == nil:
		return nixdaemon.Answer{Outcome: nixdaemon.NoConnection, Err: syscall.ECONNREFUSED}, nil
	case !h.may(f, 2):
		return nixdaemon.Answer{Outcome: nixdaemon.NoConnection, Err: fs.ErrPermission}, nil
	}
	return *h.Daemon, nil
}

// Sockets implements platform.View: of a daemon that answers, each socket that is there.
func (h *Host) Sockets(context.Context) ([]platform.Socket, error) {
	var list []platform.Socket
	for name, f := range h.Files {
		if f.Mode&fs.ModeSocket != 0 && h.Daemon != nil {
			list = append(list, platform.Socket{Path: name, State: platform.SocketListening})
		}
	}
	return list, nil
}

// Ruled implements platform.View: tools have to tell.
func (*Host) Ruled(context.Context, platform.Rules) (bool, error) {
	return false, errors.ErrUnsupported
}

// Free implements platform.View.
func (h *Host) Free(context.Context, string) (uint64, error) {
	if h.Room == 0 {
		return 1 << 30, nil
	}
	return h.Room, nil
}

// Guarded implements platform.View.
func (h *Host) Guarded(_ context.Context, name string) error {
	_, f, weak, err := h.walk("open", path.Dir(name), true)
	switch {
	case err != nil:
		return err
	case weak != nil:
		return weak
	case f.UID != 0 || f.Mode&0o022 != 0:
		return &platform.Untrusted{Name: name, Dir: path.Dir(name), UID: f.UID}
	}
	return nil
}

// Burst implements platform.View.
func (h *Host) Burst(ctx context.Context, _ string, f func(platform.Files) error) error {
	return f(&files{h: h, ctx: ctx, buf: make([]byte, 0, 4<<10)})
}

// files are what a burst of small reads needs.
type files struct {
	platform.Files // nil: what is not said here panics

	h   *Host
	ctx context.Context
	buf []byte
}

// Read overwrites what it has read before, as that of a machine does.
func (f *files) Read(name string) ([]byte, error) {
	data, err := f.h.ReadFile(f.ctx, name)
	if err != nil {
		return nil, err
	}
	f.buf = append(f.buf[:0], data...)
	return f.buf, nil
}

func (f *files) Link(name string) (string, error) {
	info, err := f.h.Stat(f.ctx, name)
	return info.Target, err
}
