package platform_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform"
)

// TestReadSmall reads no more than it may, also of a file that says that it is empty, as those below /proc do.
func TestReadSmall(t *testing.T) {
	dir := t.TempDir()
	file := func(size int64) string {
		name := put(t, filepath.Join(dir, "file"), "")
		if err := os.Truncate(name, size); err != nil {
			t.Fatal(err)
		}
		return name
	}
	m := platform.Local()
	for size, want := range map[int64]error{
		0: nil, 1: nil, platform.SmallLimit: nil, platform.SmallLimit + 1: platform.ErrTooLarge,
		15 << 20: platform.ErrTooLarge, 1 << 40: platform.ErrTooLarge,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		data, err := platform.ReadSmall(t.Context(), m, file(size))
		runtime.ReadMemStats(&after)
		if !errors.Is(err, want) || err == nil && int64(len(data)) != size || err != nil && data != nil {
			t.Errorf("%d bytes: %d, %v", size, len(data), err)
		}
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 1<<20 {
			t.Errorf("%d bytes: it took %d bytes of memory", size, taken)
		}
	}
	if data, err := platform.ReadUpTo(t.Context(), m, file(100), 99); !errors.Is(err, platform.ErrTooLarge) ||
		data != nil {
		t.Errorf("%q %v", data, err)
	}
	if _, err := platform.ReadUpTo(t.Context(), m, file(17<<20), 1<<30); !errors.Is(err, platform.ErrTooLarge) {
		t.Errorf("more than a file may have: %v", err)
	}
	if data, err := platform.ReadSmall(t.Context(), m, "/proc/self/status"); err == nil &&
		!strings.Contains(string(data), "Name:") {
		t.Errorf("%q", data)
	}
}
