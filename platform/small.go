package platform

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
)

// SmallLimit bounds files that hold a name or a few settings, in bytes.
const SmallLimit = 64 << 10

type (
	limitKey     struct{}
	headKey      struct{}
	paragraphKey struct{}
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

// ReadParagraph returns the paragraph of a file that has a line of this text, without the blank lines around it, and
// nothing where none has (deb822(5)). A list of packages can have megabytes, of which no more than that is kept.
func ReadParagraph(ctx context.Context, v View, name, line string) ([]byte, error) {
	data, err := v.ReadFile(context.WithValue(ctx, paragraphKey{}, line), name)
	// Views that have the file anyway return all of it.
	found, _ := paragraph(data, line, true)
	return found, err
}

// paragraph returns the first paragraph with a line, and else what may belong to one that has not come to its end, unless
// this is the whole file.
func paragraph(data []byte, line string, whole bool) (found, rest []byte) {
	const gap = "\n\n"
	text := []byte("\n" + line + "\n")
	end := len(data)
	if whole && !bytes.HasSuffix(data, text[:1]) {
		data = append(slices.Clip(data), '\n')
		end++
	} else if !whole {
		last := bytes.LastIndex(data, []byte(gap))
		if last < 0 {
			return nil, data
		}
		end = last + len(gap)
	}
	in := data[:end]
	at := -1
	for from := 0; ; from = at + 1 {
		// Without the end of the line before it: every text has many of those, which would make this slower.
		next := bytes.Index(in[from:], text[1:])
		if next < 0 {
			return nil, data[end:]
		}
		if at = from + next; at == 0 || in[at-1] == '\n' {
			break
		}
	}
	start := 0
	if before := bytes.LastIndex(in[:at], []byte(gap)); before >= 0 {
		start = before + len(gap)
	}
	found, _, _ = bytes.Cut(in[start:], []byte(gap))
	return bytes.TrimRight(found, "\n"), nil
}

// readParagraph is ReadParagraph of an open file, of which at most so many bytes are read.
func readParagraph(f *os.File, line string, limit int) ([]byte, error) {
	from := io.LimitReader(f, int64(limit)+1)
	buf := make([]byte, 0, SmallLimit)
	for size := 0; ; {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, len(buf))
		}
		n, err := from.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		over := errors.Is(err, io.EOF)
		if err != nil && !over {
			return nil, err
		}
		if size += n; size > limit {
			return nil, &fs.PathError{Op: "read", Path: f.Name(), Err: ErrTooLarge}
		}
		found, rest := paragraph(buf, line, over)
		if found != nil || over {
			return found, nil
		}
		buf = buf[:copy(buf, rest)]
	}
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
