package platform_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lixfix/lixfix/platform"
)

// TestPublishFailsWhole fills the file system: the old file stays, and nothing is left beside it.
func TestPublishFailsWhole(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts a file system; run it as root")
	}
	dir, err := os.MkdirTemp("/run", "publish") //nolint:usetesting // only root makes names on the way to it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := syscall.Mount("t", dir, "tmpfs", 0, "size=128k,mode=0755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	m := platform.Local()
	file := filepath.Join(dir, "x.prom")
	if err := m.Publish(t.Context(), file, begins, metrics(1)); err != nil {
		t.Fatal(err)
	}
	err = m.Publish(t.Context(), file, begins, bytes.Repeat(metrics(2), 8))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), file) {
		t.Errorf("a full disk: %v", err)
	}
	if data, err := os.ReadFile(file); err != nil || !bytes.Equal(data, metrics(1)) {
		t.Errorf("the old file: %d bytes, %v", len(data), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v %v", left, err)
	}
}
