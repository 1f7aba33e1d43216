package stuck

import (
	"context"
	"errors"
	"fmt"

	"github.com/lixfix/lixfix/platform"
)

// lookWithTools explains what can be told without /proc.
func lookWithTools(_ context.Context, v platform.View, _ Options) (*Report, error) {
	return nil, fmt.Errorf("look at the processes of %s: %w", v.Facts().OS, errors.ErrUnsupported)
}
