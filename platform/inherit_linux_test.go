package platform

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// inherited is a descriptor as lixfix may be started with: it would be handed on.
func inherited(t *testing.T) (fd int, sealed func() bool) {
	t.Helper()
	fd, err := unix.Open(filepath.Clean(os.Args[0]), unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd, func() bool {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil {
			t.Fatal(err)
		}
		return flags&unix.FD_CLOEXEC != 0
	}
}

// TestSeal: with the call of newer kernels, with /proc, and with neither, nothing that was inherited is handed on.
func TestSeal(t *testing.T) {
	for name, seal := range map[string]func() bool{
		"the system's way": func() bool { return Seal() == nil },
		"listed":           func() bool { return sealListed("/proc/self/fd") },
		"one by one":       func() bool { sealUpTo(fewDescriptors); return true },
	} {
		fd, sealed := inherited(t)
		if sealed() {
			t.Fatalf("%s: descriptor %d is sealed from the start", name, fd)
		}
		if !seal() || !sealed() {
			t.Errorf("%s: descriptor %d would be handed on", name, fd)
		}
	}
	if sealListed(t.TempDir() + "/none") {
		t.Error("a directory that is not there was listed")
	}
}
