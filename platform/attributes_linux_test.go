package platform_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform"
)

// A label of SELinux is such an attribute: a resolv.conf without it is one that nobody may read.
func TestWriteFileKeepsAttributes(t *testing.T) {
	const name = "trusted.lixfix"
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "a label"} {
		if err := unix.Lsetxattr(file, name, []byte(value), 0); err != nil {
			t.Fatalf("set an attribute, which needs root: %v", err)
		}
		if err := platform.Local().WriteFile(t.Context(), file, platform.Content{Data: []byte("new"), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 100)
		n, err := unix.Lgetxattr(file, name, got)
		if err != nil || string(got[:n]) != value {
			t.Errorf("the attribute is %q, %v, want %q", got[:max(n, 0)], err, value)
		}
	}
}
