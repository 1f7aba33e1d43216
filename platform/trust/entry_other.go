//go:build !linux

package trust

import "golang.org/x/sys/unix"

func openDir(dir int, name string) (int, error) {
	return openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
}

// openEntry describes an entry of a directory as it is, and opens it where it is a directory: there is no O_PATH, and
// to open anything else can wait for somebody or wake a device.
func openEntry(dir int, base string) (int, unix.Stat_t, error) {
	var stat unix.Stat_t
	if err := unix.Fstatat(dir, base, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return -1, stat, err
	}
	if Mode(&stat)&unix.S_IFMT != unix.S_IFDIR {
		return -1, stat, nil
	}
	fd, err := openDir(dir, base)
	if err != nil {
		return -1, stat, err
	}
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil {
		unix.Close(fd)
		return -1, stat, err
	}
	return fd, now, nil
}

// ofProcess reports whether a link is one of a process; there is no /proc.
func ofProcess(int, string) bool { return false }

// Open opens the very file that was found for reading; it does not wait for a writer.
func (f *Found) Open() (int, error) {
	if f.Type() == unix.S_IFDIR {
		return reopenDir(f)
	}
	return f.again(unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY)
}

// Special reports whether the file is one of the kernel's own making; there are none such.
func (f *Found) Special() (bool, error) { return false, nil }

// mounter is who has mounted the file system of a file: on macOS every user can attach a disk image, and who asks may
// be told that all in it is theirs (statfs(2)).
func mounter(fd int) (uid int, is bool) {
	var on unix.Statfs_t
	if err := unix.Fstatfs(fd, &on); err != nil {
		return Anybody, true
	}
	return int(on.Owner), true
}

// Mode is the mode of a file, with its format bits.
func Mode(stat *unix.Stat_t) uint32 { return uint32(stat.Mode) }
