package trust

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

func openDir(dir int, name string) (int, error) {
	return openat(dir, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW)
}

// openEntry opens an entry of a directory as it is, a link included, without waking what it stands for.
func openEntry(dir int, base string) (int, unix.Stat_t, error) {
	var stat unix.Stat_t
	fd, err := openat(dir, base, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return -1, stat, err
	}
	if err := unix.Fstat(fd, &stat); err != nil {
		unix.Close(fd)
		return -1, stat, err
	}
	return fd, stat, nil
}

// Open opens the very file that was found for reading; it does not wait for a writer.
func (f *Found) Open() (int, error) {
	if f.Type() == unix.S_IFDIR {
		return reopenDir(f)
	}
	const flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY
	fd, err := openat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(f.FD), flags)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) { // without /proc
		return f.again(flags)
	}
	return fd, err
}

// Special reports whether the file is one of the kernel's own making, whose reading can do more than read: /proc/kmsg
// is a regular file by its mode.
func (f *Found) Special() (bool, error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(f.FD, &fs); err != nil {
		return false, err
	}
	switch uint32(fs.Type) { //nolint:gosec // the magic numbers have 32 bits, the field is as wide as the machine
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC,
		unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.BPF_FS_MAGIC, unix.EFIVARFS_MAGIC,
		unix.SELINUX_MAGIC, unix.PSTOREFS_MAGIC, unix.NSFS_MAGIC:
		return true, nil
	}
	return false, nil
}

// Mode is the mode of a file, with its format bits.
func Mode(stat *unix.Stat_t) uint32 { return stat.Mode }
