package trust

import (
	"errors"
	"os"
	"strconv"
	"strings"

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

// ofProcess reports whether a link is one that a process has below /proc: their texts are absolute or of the form
// "pipe:[4242]", those of the others there, such as /proc/self, relative.
func ofProcess(link int, target string) bool {
	if !strings.HasPrefix(target, "/") && !strings.Contains(target, ":") {
		return false
	}
	var on unix.Statfs_t
	return unix.Fstatfs(link, &on) != nil || on.Type == unix.PROC_SUPER_MAGIC
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

// mounter is who has mounted the file system of a file, where it is one that users can mount: FUSE. Anybody is who
// cannot be told.
func mounter(fd int) (uid int, is bool) {
	var on unix.Statfs_t
	if err := unix.Fstatfs(fd, &on); err == nil && uint32(on.Type) != unix.FUSE_SUPER_MAGIC { //nolint:gosec // as above
		return 0, false
	}
	info, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return Anybody, true
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Anybody, true
	}
	return mounterOf(string(info), string(mounts))
}

// mounterOf takes from a process's fdinfo and mountinfo (proc(5)) who has mounted the file system of a file. Those of
// the kernel's that are of the same make, such as virtiofs, name nobody: only root can mount them.
func mounterOf(info, mounts string) (uid int, is bool) {
	id := ""
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			id = strings.TrimSpace(value)
		}
	}
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		if f := strings.Fields(before); !ok || id == "" || len(f) == 0 || f[0] != id {
			continue
		}
		f := strings.Fields(after)
		if len(f) == 0 || !strings.HasPrefix(f[0], "fuse") {
			return 0, false
		}
		// Names of sources have no comma in front of the first option, and blanks in them are escaped.
		for option := range strings.SplitSeq(f[len(f)-1], ",") {
			if value, ok := strings.CutPrefix(option, "user_id="); ok {
				if n, err := strconv.ParseUint(value, 10, 31); err == nil {
					return int(n), true
				}
				return Anybody, true
			}
		}
	}
	return Anybody, true
}

// Mode is the mode of a file, with its format bits.
func Mode(stat *unix.Stat_t) uint32 { return stat.Mode }
