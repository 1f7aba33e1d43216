//go:build !linux

package platform

import (
	"context"
	"errors"
	"fmt"
)

func kernelSockets(context.Context) ([]Socket, error) {
	return nil, fmt.Errorf("list the sockets: %w", errors.ErrUnsupported)
}

func kernelRuled(context.Context, Rules) (bool, error) {
	return false, fmt.Errorf("look for rules: %w", errors.ErrUnsupported)
}
