//go:build !linux

package platform

import "golang.org/x/sys/unix"

// open opens a file. There is no /proc here whose links could lead through a process.
func open(file string, flags int) (int, error) {
	fd := -1
	err := retry(func() (err error) {
		fd, err = unix.Open(file, flags|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// statPath describes a file without following a link at its end.
func statPath(file string, st *unix.Stat_t) error {
	return retry(func() error { return unix.Lstat(file, st) })
}

// statFS describes the file system of a file.
func statFS(file string, st *unix.Statfs_t) error {
	return retry(func() error { return unix.Statfs(file, st) })
}

// regular opens a file if it is a regular one. Flags may hold O_NOFOLLOW and O_RDWR.
func regular(file string, flags int) (int, error) {
	var st unix.Stat_t
	stat := unix.Stat
	if flags&unix.O_NOFOLLOW != 0 {
		stat = unix.Lstat
	}
	if err := retry(func() error { return stat(file, &st) }); err != nil {
		return -1, err
	}
	if err := kind(&st); err != nil {
		return -1, err
	}
	fd, err := open(file, flags|unix.O_NONBLOCK|unix.O_NOCTTY)
	return checked(fd, err)
}

// checked closes a descriptor again that has become something else than a regular file.
func checked(fd int, err error) (int, error) {
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil {
		err = kind(&st)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// kind refuses what is no regular file.
func kind(st *unix.Stat_t) error {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFLNK:
		return unix.ELOOP // as open(2) says it
	}
	return ErrNotRegular
}
