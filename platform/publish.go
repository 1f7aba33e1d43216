package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/trust"
)

// ErrOccupied is returned for a file that lixfix would have to replace, and has not written.
var ErrOccupied = errors.New("there is already a file of that name which lixfix did not write")

// publishWait is how long Publish waits for another one that writes the same file. It takes milliseconds.
const publishWait = 30 * time.Second

// Publish writes a file that everybody may read, replacing one that it wrote before: those begin with begins. Readers see
// the old content or the new one, and if Publish fails, the old one stays. Several may publish at the same time. The error
// is an *Untrusted if root would write to a directory that others can change, and wraps ErrOccupied if another file is
// there.
func (w *writer) Publish(ctx context.Context, name, begins string, data []byte) error {
	return w.within(name, "write", func(p *trust.Place) error {
		if err := published(p, begins); err != nil {
			return err
		}
		next := beside(p.Base)
		f, err := alone(ctx, p, next)
		if err != nil {
			return fmt.Errorf("write %s beside it: %w", next, err)
		}
		defer f.Close() // and with it the lock
		if err = refill(f, p, data); err == nil {
			err = unix.Renameat(p.FD, next, p.FD, p.Base)
		}
		if err != nil {
			_ = unlink(p, next)
		}
		return err
	})
}

// published refuses what is in the place of a file, unless it begins like one of those, or is empty.
func published(p *trust.Place, begins string) error {
	if err := replaceable(p); err != nil {
		return err
	}
	fd, err := unix.Openat(p.FD, p.Base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), p.Base)
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, int64(len(begins))))
	if err != nil {
		return err
	}
	if len(head) > 0 && !bytes.Equal(head, []byte(begins)) {
		return ErrOccupied
	}
	return nil
}

// alone opens the file next, which nobody else writes to as long as it is open. Its name is always the same, so that
// what a kill leaves is used again. Closing the file lets the next one in.
func alone(ctx context.Context, p *trust.Place, next string) (*os.File, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, publishWait, errors.New("another process keeps it locked"))
	defer cancel()
	for {
		// 0600, so that nobody else can lock it.
		fd, err := unix.Openat(p.FD, next, unix.O_WRONLY|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return nil, err
		}
		f := os.NewFile(uintptr(fd), next)
		if err = own(fd); err == nil {
			err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		}
		var now, mine unix.Stat_t
		switch {
		case err == nil:
			// Whoever had the lock before has renamed the file, or it is the one of that name.
			err = unix.Fstat(fd, &mine)
			if at := unix.Fstatat(p.FD, next, &now, unix.AT_SYMLINK_NOFOLLOW); err == nil && at == nil && now.Ino == mine.Ino && now.Dev == mine.Dev {
				return f, nil
			}
		case errors.Is(err, unix.EWOULDBLOCK):
			err = nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// own refuses a file that another user has put in the way: where the directory is root's alone, it may have been theirs
// before. A second name is that of a file which is none of lixfix's.
func own(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if trust.Mode(&st)&unix.S_IFMT != unix.S_IFREG {
		return ErrNotRegular
	}
	if int(st.Uid) != os.Geteuid() {
		return fs.ErrExist
	}
	if st.Nlink > 1 {
		return fmt.Errorf("%w: it has %d names (hard links), and what the others lead to would be written over", fs.ErrExist, st.Nlink)
	}
	return nil
}

// refill gives a file its content, the attributes of the one that it is to replace, and its mode, and makes it durable.
func refill(f *os.File, p *trust.Place, data []byte) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := copyAttributes(p, int(f.Fd())); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil { // explicit, because of the umask
		return err
	}
	return f.Sync()
}
