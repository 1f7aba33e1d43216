package runner

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
)

// widen makes a pipe as wide as everybody may have them.
func widen(f *os.File) {
	const wide = 1 << 20
	_, _ = unix.FcntlInt(f.Fd(), unix.F_SETPIPE_SZ, wide)
}
