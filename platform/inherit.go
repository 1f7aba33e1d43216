package platform

import (
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Inherited are the descriptors beside the standard streams that lixfix was started with, for a command that the caller
// has run by it: a shell's <(…) is one. Called before Seal. Of numbers beyond 1023, which no shell gives, none is told.
func Inherited() []int {
	const beyond = 1024
	var all []int
	entries, _ := os.ReadDir("/dev/fd")
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= 2 || fd >= beyond {
			continue
		}
		// What lixfix has opened itself, such as the directory that is read here, is closed at exec.
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			all = append(all, fd)
		}
	}
	slices.Sort(all)
	return all
}
