//go:build !linux

package platform

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Seal keeps what lixfix was started with open, such as the lock of a script, from every process that it starts.
// Standard input, output and error are not meant.
func Seal() error {
	const firstInherited = 3
	entries, err := os.ReadDir("/dev/fd")
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
