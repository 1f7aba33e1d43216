package platform

import (
	"errors"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Seal keeps what lixfix was started with open, such as the lock of a script, from every process that it starts: some
// of them are run as another user. Standard input, output and error are not meant.
func Seal() error {
	err := retry(func() error { return unix.CloseRange(firstInherited, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) })
	if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINVAL) {
		return err
	}
	// Before Linux 5.11.
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= firstInherited {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// firstInherited is the lowest descriptor that is none of the standard streams.
const firstInherited = 3
