package platform

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOpenWalking compares what kernels without openat2 get with what the others get.
func TestOpenWalking(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a/b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a/b/file"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	links := map[string]string{
		"absolute": filepath.Join(dir, "a"), "relative": "a/b", "up": "a/../a/b/..", "loop": "loop",
		"dangling": "nowhere",
		"end":      "a/b/file", "slash": "a/b/", "root": "/proc/self/root" + dir, "fd": "/proc/self/fd/0",
		"mounts": "/proc/mounts", "exe": "/proc/self/exe",
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name  string
		flags int
		want  error // os.ErrInvalid: any
	}{
		{"a/b/file", unix.O_RDONLY, nil},
		{"absolute/b/file", unix.O_RDONLY, nil},
		{"relative/file", unix.O_RDONLY, nil},
		{"up/b/file", unix.O_RDONLY, nil},
		{"end", unix.O_RDONLY, nil},
		{"end", unix.O_RDONLY | unix.O_NOFOLLOW, unix.ELOOP},
		{"end", unix.O_PATH | unix.O_NOFOLLOW, nil},
		{"slash", unix.O_RDONLY | unix.O_DIRECTORY, nil},
		{"slash", unix.O_PATH, nil},
		{"a", unix.O_RDONLY | unix.O_DIRECTORY, nil},
		{"a/b/file", unix.O_RDONLY | unix.O_DIRECTORY, unix.ENOTDIR},
		{"a/b/file/x", unix.O_RDONLY, unix.ENOTDIR},
		{"loop", unix.O_RDONLY, unix.ELOOP},
		{"dangling", unix.O_RDONLY, unix.ENOENT},
		{"none/file", unix.O_RDONLY, unix.ENOENT},
		{"root/a/b/file", unix.O_RDONLY, ErrThroughProcess},
		{"root", unix.O_RDONLY | unix.O_DIRECTORY, ErrThroughProcess},
		{"fd", unix.O_RDONLY, ErrThroughProcess},
		{"exe", unix.O_PATH, ErrThroughProcess},
		{"fd", unix.O_PATH | unix.O_NOFOLLOW, nil},
		{"mounts", unix.O_RDONLY, nil},
	}
	for _, tt := range tests {
		for way, f := range map[string]func(string, int) (int, error){"openat2": open, "walking": openWalking} {
			fd, err := f(filepath.Join(dir, tt.name), tt.flags|unix.O_CLOEXEC)
			if !errors.Is(err, tt.want) {
				t.Errorf("%s, %s, flags %#x: %v, want %v", way, tt.name, tt.flags, err, tt.want)
			}
			if err != nil {
				continue
			}
			var want, got unix.Stat_t
			stat := unix.Stat
			if tt.flags&unix.O_NOFOLLOW != 0 {
				stat = unix.Lstat
			}
			if err := stat(filepath.Join(dir, tt.name), &want); err != nil {
				t.Fatal(err)
			}
			if err := unix.Fstat(fd, &got); err != nil || got.Ino != want.Ino {
				t.Errorf("%s, %s: opened inode %d instead of %d, %v", way, tt.name, got.Ino, want.Ino, err)
			}
			unix.Close(fd)
		}
	}
	if fd, err := openWalking("/", unix.O_RDONLY|unix.O_DIRECTORY); err != nil {
		t.Error(err)
	} else {
		unix.Close(fd)
	}
}
