package systemd_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/systemd"
)

// ofUnit is a host with three processes of root's in a unit: one runs, one has given its program up because it ends, and
// lixfix may not know the program of the third.
type ofUnit struct{ platform.View }

func (ofUnit) Burst(_ context.Context, _ string, f func(platform.Files) error) error {
	return f(unitFiles{})
}

type unitFiles struct{ platform.Files }

func (unitFiles) Read(name string) ([]byte, error) {
	pid := strings.Split(name, "/")[2]
	switch {
	case name == "/sys/fs/cgroup/system.slice/nix-daemon.service/cgroup.procs":
		return []byte("10\n11\n12\n"), nil
	case strings.HasSuffix(name, "/stat"):
		return fmt.Appendf(nil, "%s (nix-daemon) S 1 %s %s 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 4711 1 1 1 1\n", pid, pid, pid), nil
	case strings.HasSuffix(name, "/status"):
		return []byte("Name:\tnix-daemon\nUid:\t0\t0\t0\t0\n"), nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func (unitFiles) Link(name string) (string, error) {
	switch name {
	case "/proc/10/exe":
		return "/usr/bin/nix (deleted)", nil
	case "/proc/11/exe":
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrNotExist}
	}
	return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrPermission}
}

// TestEnding: a process that ends has no program any more, before it is a zombie. It is not one whose program is there.
func TestEnding(t *testing.T) {
	list, err := systemd.Processes(t.Context(), ofUnit{}, "nix-daemon.service")
	if err != nil || len(list) != 2 || list[0].PID != 10 || !list[0].Removed || list[1].PID != 12 || list[1].Program != "" || list[1].Removed {
		t.Errorf("%+v, %v", list, err)
	}
}
