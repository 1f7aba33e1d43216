package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
)

// failed is the error of a write that happens at once or not at all: one rename, one chmod, one unlink. If the old value
// is there, and nothing beside it, nothing was written, and the plan need not be taken back for it. name is what was
// written to, and at the file or the directory that had to change for it.
func failed(ctx context.Context, h platform.Host, w plan.Write, name, at string, err error) error {
	if err == nil {
		return nil
	}
	err = way(h.Facts(), name, at, err)
	ctx = context.WithoutCancel(ctx) // what is there has to be known also where the user has given up
	if t, ok := w.(plan.Tidier); ok && t.Tidy(ctx, h) != nil {
		return err
	}
	if state, _, stateErr := w.State(ctx, plan.NewPass(h)); stateErr != nil || state != plan.Pending {
		return err
	}
	return plan.Unwritten(err)
}

// way adds to the error of a write which command shows the reason, and what can be done about it.
func way(host platform.Facts, name, at string, err error) error {
	mac := host.OS == platform.Darwin
	quoted, place := platform.Quote(name), platform.Quote(at)
	both := quoted
	if at != name {
		both = place + " " + quoted
	}
	next := ""
	switch {
	case errors.Is(err, syscall.EROFS) && mac:
		next = fmt.Sprintf(`"df %s" names the file system, and "mount" shows that it is mounted read-only`, place)
	case errors.Is(err, syscall.EROFS):
		next = fmt.Sprintf(`"findmnt -T %s" shows what is mounted read-only (ro) there. Make it writable, or change its source`, place)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		next = fmt.Sprintf(`Free some space where %s is: "df -h %[2]s" and "df -i %[2]s" show what is full`, at, place)
	case errors.Is(err, syscall.EBUSY):
		next = fmt.Sprintf(`"mount" shows whether %s is a mount of its own, as in containers; then change it where it comes from`, name)
	case (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)) && mac:
		next = fmt.Sprintf(`"ls -lOde %s" shows flags (uchg, schg, restricted) and access control lists that forbid it`, both)
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		next = fmt.Sprintf(`"lsattr -d %s" shows whether it is immutable (i) or append-only (a), which "chattr -i" or `+
			`"chattr -a" undoes; otherwise a security module such as SELinux forbids it`, both)
	case errors.Is(err, platform.ErrIrreplaceable):
		next = fmt.Sprintf(`"ls -li %s" shows both, and "find / -xdev -samefile %[1]s" its other names. Change it in an editor that `+
			`writes into the file, or make it a plain file with one name, and run the command again`, quoted)
	case errors.Is(err, fs.ErrNotExist):
		next = fmt.Sprintf(`"ls -ld %s" shows whether the directory is still there`, place)
	default:
		return err
	}
	return plan.Hint(err, next+".")
}
