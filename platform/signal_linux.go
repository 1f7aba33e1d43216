package platform

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalProcess holds on to the process with a pidfd before it compares, so that the number cannot change hands
// between the comparison and the signal.
func signalProcess(ctx context.Context, v View, p ProcessID, s syscall.Signal) error {
	send := func() error { return unix.Kill(p.PID, s) }
	fd, err := unix.PidfdOpen(p.PID, 0)
	switch {
	case errors.Is(err, unix.ESRCH):
		return gone(p)
	case errors.Is(err, unix.ENOSYS): // before Linux 5.3
	case err != nil:
		return fmt.Errorf("send %v to process %d: %w", s, p.PID, err)
	default:
		defer unix.Close(fd)
		send = func() error { return unix.PidfdSendSignal(fd, s, nil, 0) }
	}
	if err := same(ctx, v, p); err != nil {
		return err
	}
	err = send()
	if errors.Is(err, unix.ESRCH) {
		return gone(p)
	}
	if err != nil {
		return fmt.Errorf("send %v to process %d: %w", s, p.PID, err)
	}
	return nil
}
