package platform

import (
	"context"
	"io/fs"
)

// SmallLimit bounds files that hold a name or a few settings, in bytes.
const SmallLimit = 64 << 10

type (
	limitKey struct{}
	headKey  struct{}
)

// ReadUpTo is View.ReadFile with a smaller limit, in bytes: it fails with ErrTooLarge without reading more than that. The
// limit can be at most 16 MiB.
func ReadUpTo(ctx context.Context, v View, name string, limit int) ([]byte, error) {
	data, err := v.ReadFile(context.WithValue(ctx, limitKey{}, limit), name)
	if len(data) > limit {
		return nil, &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
	}
	return data, err
}

// ReadSmall is ReadUpTo with SmallLimit, for files such as /etc/hostname and /etc/os-release: anything larger is not one
// of these.
func ReadSmall(ctx context.Context, v View, name string) ([]byte, error) {
	return ReadUpTo(ctx, v, name, SmallLimit)
}

// ReadHead returns the first bytes of a regular file, at most so many.
func ReadHead(ctx context.Context, v View, name string, most int) ([]byte, error) {
	ctx = context.WithValue(context.WithValue(ctx, limitKey{}, most), headKey{}, true)
	data, err := v.ReadFile(ctx, name)
	return data[:min(len(data), most)], err
}

// limitOf is how many bytes ReadFile may read.
func limitOf(ctx context.Context) int {
	if limit, ok := ctx.Value(limitKey{}).(int); ok {
		return min(limit, fileLimit)
	}
	return fileLimit
}

// LimitOf is the limit that ReadUpTo has set for ReadFile, 0 for none.
func LimitOf(ctx context.Context) int {
	limit, _ := ctx.Value(limitKey{}).(int)
	return limit
}
