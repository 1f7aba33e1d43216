package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// gone is the error for a process that is not there any more.
func gone(p ProcessID) error { return fmt.Errorf("process %d: %w", p.PID, ErrGone) }

// Identity returns what names the process pid for good, and its state: one letter, as ps(1) shows it. The error wraps
// ErrGone where there is no such process.
func Identity(ctx context.Context, v View, pid int) (ProcessID, byte, error) {
	p := ProcessID{PID: pid}
	if v.Facts().OS == Darwin {
		out, err := v.Query(Fresh(ctx), "/bin/ps", "-o", "state=", "-o", "lstart=", "-p", strconv.Itoa(pid))
		if _, failed := errors.AsType[*ToolError](err); failed && len(bytes.TrimSpace(out)) == 0 {
			return p, 0, gone(p)
		}
		if err != nil {
			return p, 0, fmt.Errorf("look for process %d: %w", pid, err)
		}
		state, start, ok := strings.Cut(strings.TrimSpace(string(out)), " ")
		if !ok {
			return p, 0, gone(p)
		}
		// The day is padded with a space.
		p.Start = strings.Join(strings.Fields(start), " ")
		return p, state[0], nil
	}
	boot, err := ReadSmall(ctx, v, "/proc/sys/kernel/random/boot_id")
	if err != nil {
		return p, 0, fmt.Errorf("look for process %d: %w", pid, err)
	}
	p.Boot = strings.TrimSpace(string(boot))
	data, err := v.ReadFile(ctx, path.Join("/proc", strconv.Itoa(pid), "stat"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return p, 0, gone(p)
	}
	if err != nil {
		return p, 0, fmt.Errorf("look for process %d: %w", pid, err)
	}
	// The name, in parentheses, may hold anything, so the fields are counted from the last parenthesis.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return p, 0, fmt.Errorf("look for process %d: /proc/%d/stat has %d fields after the name", pid, pid, len(fields))
	}
	p.Start = fields[19]
	return p, fields[0][0], nil
}

// same tells whether p still runs, with the error that Signal returns where it does not.
func same(ctx context.Context, v View, p ProcessID) error {
	now, state, err := Identity(ctx, v, p.PID)
	if err != nil {
		return err
	}
	if now.Start != p.Start || p.Boot != "" && now.Boot != p.Boot || state == 'Z' || state == 'X' {
		return gone(p)
	}
	return nil
}

// Signal implements Host.
func (m *Machine) Signal(ctx context.Context, p ProcessID, s syscall.Signal) error {
	if m.signal == nil {
		return fmt.Errorf("send a signal to process %d: %w", p.PID, errors.ErrUnsupported)
	}
	if p.PID < 2 || p.Start == "" || p.PID == os.Getpid() || p.PID == os.Getppid() {
		return fmt.Errorf("send a signal to process %d: lixfix does not do that", p.PID)
	}
	return m.signal(ctx, m, p, s)
}
