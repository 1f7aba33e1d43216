package stuck_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck"
	"github.com/lixfix/lixfix/fixes/stuck/stucktest"
)

// TestLargeHostName writes a paste on a host whose name has 15 MB. A pattern was made of it, which took gigabytes.
func TestLargeHostName(t *testing.T) {
	v := stucktest.Load(t, "testdata/captures/lix-2.93.4/s14-daemon-without-arguments", nil, nil)
	if err := os.WriteFile(filepath.Join(v.Root, "etc/hostname"), []byte(strings.Repeat("a.b-", 15_000_000/4)),
		0o644); err != nil {
		t.Fatal(err)
	}
	reporter, ok := stuck.New().(fix.Reporter)
	if !ok {
		t.Fatal("it writes no paste")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	lines, err := reporter.Paste(t.Context(), v, nil)
	runtime.ReadMemStats(&after)
	if err != nil || len(lines) == 0 {
		t.Fatal(lines, err)
	}
	if taken := (after.TotalAlloc - before.TotalAlloc) >> 20; taken > 100 {
		t.Errorf("it took %d MiB of memory", taken)
	}
}
