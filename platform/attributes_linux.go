package platform

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/trust"
)

// copyAttributes gives the file to the extended attributes of the one in place that it is to replace, if there is one.
// /etc/resolv.conf has a label of its own where SELinux is in force, and a file without it is one that nobody can read.
func copyAttributes(p *trust.Place, to int) error {
	from, err := unix.Openat(p.FD, p.Base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return none(err)
	}
	defer unix.Close(from)
	// The calls that take a descriptor refuse one of O_PATH; without /proc, the name has to do, in a directory that is
	// root's alone.
	old, list, get := "/proc/self/fd/"+strconv.Itoa(from), unix.Listxattr, unix.Getxattr
	if !throughDescriptors() {
		old, list, get = p.Dir+"/"+p.Base, unix.Llistxattr, unix.Lgetxattr
	}
	size, err := list(old, nil)
	if err != nil || size == 0 {
		return none(err)
	}
	names := make([]byte, size)
	if size, err = list(old, names); err != nil {
		return fmt.Errorf("list the attributes of %s: %w", p.Base, err)
	}
	for name := range strings.SplitSeq(string(names[:size]), "\x00") {
		// overlayfs keeps the attributes of its own from the list, and counts them in the first size: the rest is empty.
		if name == "" || ofContent[name] {
			continue
		}
		size, err := get(old, name, nil)
		value := make([]byte, max(size, 0))
		if err == nil && size > 0 {
			size, err = get(old, name, value)
		}
		if err == nil {
			err = unix.Fsetxattr(to, name, value[:size], 0)
		}
		if err := none(err); err != nil {
			return fmt.Errorf("carry over the attribute %s of %s: %w", name, p.Base, err)
		}
	}
	return nil
}

// ofContent are attributes that say something of a file's content, which is another one in the new file: a signature or
// a checksum that no longer fits keeps everybody from reading it (Documentation/ABI/testing/ima_policy of Linux).
var ofContent = map[string]bool{"security.ima": true, "security.evm": true}

// hasACL reports whether a file has an access control list (acl(5)), or may have: one that says no more than the mode
// is not kept by the kernel. fd is the file, opened with O_PATH.
func hasACL(fd int, file string) bool {
	const attribute = "system.posix_acl_access"
	_, err := unix.Getxattr("/proc/self/fd/"+strconv.Itoa(fd), attribute, nil)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) { // without /proc
		_, err = unix.Lgetxattr(file, attribute, nil)
	}
	return !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.ENOSYS)
}

// none takes away the errors that say that there is no attribute to carry over.
func none(err error) error {
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODATA) {
		return nil
	}
	return err
}
