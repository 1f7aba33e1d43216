//go:build !linux

package platform

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

func signalProcess(ctx context.Context, v View, p ProcessID, s syscall.Signal) error {
	if err := same(ctx, v, p); err != nil {
		return err
	}
	err := syscall.Kill(p.PID, s)
	if errors.Is(err, syscall.ESRCH) {
		return gone(p)
	}
	if err != nil {
		return fmt.Errorf("send %v to process %d: %w", s, p.PID, err)
	}
	return nil
}
