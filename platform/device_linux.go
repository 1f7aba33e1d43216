package platform

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// superblock is the device of a file's file system as the kernel tells it of sockets and locks. stat(2) tells another
// one of btrfs, where each subvolume has its own, and of some overlays.
func superblock(fd int) (major, minor uint32, ok bool) {
	info, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return 0, 0, false
	}
	id := ""
	for line := range bytes.Lines(info) {
		if value, ok := bytes.CutPrefix(line, []byte("mnt_id:")); ok {
			id = string(bytes.TrimSpace(value))
		}
	}
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return 0, 0, false
	}
	defer mounts.Close()
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 3 || f[0] != id {
			continue
		}
		left, right, _ := strings.Cut(f[2], ":")
		a, err1 := strconv.ParseUint(left, 10, 32)
		b, err2 := strconv.ParseUint(right, 10, 32)
		return uint32(a), uint32(b), err1 == nil && err2 == nil
	}
	return 0, 0, false
}

// look describes a file, without following a link at the end of its name, or one of a process anywhere on the way.
func look(file string) (looked, error) {
	fd, err := open(file, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return looked{}, &os.PathError{Op: "lstat", Path: file, Err: err}
	}
	f := os.NewFile(uintptr(fd), file)
	defer f.Close()
	var l looked
	if l.info, err = f.Stat(); err != nil {
		return looked{}, err
	}
	switch l.info.Mode().Type() {
	case os.ModeSymlink:
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(fd, "", buf)
		if err != nil {
			return looked{}, &os.PathError{Op: "readlink", Path: file, Err: err}
		}
		l.target = string(buf[:n])
		return l, nil
	case os.ModeSocket:
		l.major, l.minor, l.device = superblock(fd)
	}
	l.acl = hasACL(fd, file)
	return l, nil
}
