package platform

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// copyAttributes gives f the extended attributes of the file old, if there is one. /etc/resolv.conf has a label of its
// own where SELinux is in force, and a file without it is one that nobody can read.
func copyAttributes(old string, f *os.File) error {
	size, err := unix.Llistxattr(old, nil)
	if err != nil || size == 0 {
		return none(err)
	}
	list := make([]byte, size)
	if size, err = unix.Llistxattr(old, list); err != nil {
		return fmt.Errorf("list the attributes of %s: %w", old, err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(list[:size]), "\x00"), "\x00") {
		size, err := unix.Lgetxattr(old, name, nil)
		value := make([]byte, max(size, 0))
		if err == nil && size > 0 {
			size, err = unix.Lgetxattr(old, name, value)
		}
		if err == nil {
			err = unix.Fsetxattr(int(f.Fd()), name, value[:size], 0)
		}
		if err := none(err); err != nil {
			return fmt.Errorf("carry over the attribute %s of %s: %w", name, old, err)
		}
	}
	return nil
}

// hasACL reports whether a file has an access control list (acl(5)), or may have: one that says no more than the mode
// is not kept by the kernel.
func hasACL(file string) bool {
	_, err := unix.Lgetxattr(file, "system.posix_acl_access", nil)
	return !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.ENOSYS)
}

// none takes away the errors that say that there is no attribute to carry over.
func none(err error) error {
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODATA) {
		return nil
	}
	return err
}
