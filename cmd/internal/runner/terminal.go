package runner

import (
	"os"

	"golang.org/x/sys/unix"
)

// passThrough keeps a terminal from changing what is printed: the terminal behind it will do that.
func passThrough(f *os.File) error {
	t, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	if err != nil {
		return err
	}
	t.Oflag &^= unix.OPOST
	return unix.IoctlSetTermios(int(f.Fd()), setTermios, t)
}

// likeness gives a terminal the settings of another one.
func likeness(to, of *os.File) error {
	t, err := unix.IoctlGetTermios(int(of.Fd()), getTermios)
	if err != nil {
		return err
	}
	return unix.IoctlSetTermios(int(to.Fd()), setTermios, t)
}
