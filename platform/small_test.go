package platform_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/platformtest/memory"
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

// TestReadParagraph finds a paragraph wherever it stands among others, and keeps little of a large file.
func TestReadParagraph(t *testing.T) {
	var many strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&many, "Package: p%d\nDepends: nix-bin\nDescription: a line\n of Package: nix-bin\n\n", i)
	}
	const is = "Package: nix-bin\nStatus: ok\nVersion: 2.8.0"
	m := platform.Local()
	for name, c := range map[string]struct{ data, want string }{
		"alone":                  {is, is},
		"its line alone":         {"Package: nix-bin", "Package: nix-bin"},
		"first":                  {is + "\n\n" + many.String(), is},
		"last":                   {many.String() + is + "\n", is},
		"last, its line at last": {many.String() + "Version: 1\nPackage: nix-bin", "Version: 1\nPackage: nix-bin"},
		"in the middle":          {many.String() + is + "\n\n" + many.String(), is},
		"longer than is read at once": {
			many.String() + strings.Repeat("A: b\n", 40_000) + is + "\n\nPackage: x\n", strings.Repeat("A: b\n", 40_000) + is,
		},
		"not there": {many.String(), ""},
		"empty":     {"", ""},
	} {
		file := put(t, filepath.Join(t.TempDir(), "file"), c.data)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		data, err := platform.ReadParagraph(t.Context(), m, file, "Package: nix-bin")
		runtime.ReadMemStats(&after)
		if err != nil || string(data) != c.want {
			t.Errorf("%s: %d bytes %.60q, want %d, %v", name, len(data), data, len(c.want), err)
		}
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 2<<20 {
			t.Errorf("%s: it took %d bytes of memory", name, taken)
		}
	}
	large := put(t, filepath.Join(t.TempDir(), "large"), is)
	if err := os.Truncate(large, 17<<20); err != nil {
		t.Fatal(err)
	}
	if data, err := platform.ReadParagraph(t.Context(), m, large, "Package: other"); !errors.Is(err, platform.ErrTooLarge) {
		t.Errorf("%q, %v", data, err)
	}
	// A view that knows no paragraphs has the whole file.
	h := memory.New(platform.Facts{OS: platform.Linux}, "/etc/x = y\n")
	h.Files["/status"] = memory.File{Mode: 0o644, Data: "Package: x\n\n" + is + "\n\nPackage: y\n"}
	if data, err := platform.ReadParagraph(t.Context(), h, "/status", "Package: nix-bin"); err != nil || string(data) != is {
		t.Errorf("%q, %v", data, err)
	}
}
