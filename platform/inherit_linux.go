package platform

import (
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Seal keeps what lixfix was started with open, such as the lock of a script, from every process that it starts: some
// of them are run as another user. Standard input, output and error are not meant.
func Seal() error {
	if retry(func() error { return unix.CloseRange(firstInherited, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) }) == nil {
		return nil
	}
	// Before Linux 5.11, or where a container forbids what its runtime does not know.
	if sealListed("/proc/self/fd") {
		return nil
	}
	// A bare chroot has no /proc.
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	// What was opened before the limit was lowered can have a higher number.
	sealUpTo(int(min(max(limit.Max, fewDescriptors), manyDescriptors)))
	return nil
}

const (
	firstInherited  = 3       // the lowest descriptor that is none of the standard streams
	fewDescriptors  = 1 << 16 // that are looked at at least, one by one, in 10 ms
	manyDescriptors = 1 << 20 // that are looked at at most: systemd's limit is 2^19, the kernel's default 2^20
)

// sealListed seals the descriptors that a directory lists, and reports whether it could be listed.
func sealListed(dir string) bool {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= firstInherited {
			unix.CloseOnExec(fd)
		}
	}
	return err == nil
}

// sealUpTo seals every descriptor below a number. There need not be one: the call fails then, and that is all.
func sealUpTo(number int) {
	for fd := firstInherited; fd < number; fd++ {
		unix.CloseOnExec(fd)
	}
}
