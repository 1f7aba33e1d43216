package stuck_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck"
	"github.com/lixfix/lixfix/fixes/stuck/stucktest"
	"github.com/lixfix/lixfix/platform/record"
	"github.com/lixfix/lixfix/platform/redact"
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

// TestManyProcessesInARecord: a record of 2,000 processes is small enough to be sent.
func TestManyProcessesInARecord(t *testing.T) {
	const many, most = 2000, 2 << 20
	v := stucktest.Load(t, "testdata/captures/lix-2.95.3/s8-five-builds-four-users", nil, nil)
	for pid := 20_000; pid < 20_000+many; pid++ {
		dir := filepath.Join(v.Root, "proc", strconv.Itoa(pid))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"stat": fmt.Sprintf("%d (nix-daemon) S 1 %d %d 0 -1 4194560 %d 0 0 0 7 5 0 0 20 0 1 0 %d 56723046 %d 184 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0",
				pid, pid, pid, pid*7, 123456+pid, pid%4096),
			"status":  fmt.Sprintf("Name:\tnix-daemon\nPid:\t%d\nUid:\t0\t0\t0\t0\nFDSize:\t64\nTracerPid:\t0\nNSpid:\t%d\nSigBlk:\t0000000000000000\n", pid, pid),
			"cmdline": fmt.Sprintf("nix-daemon\x00%d\x00", pid+1),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	rec := record.New(v)
	began := time.Now()
	if _, err := stuck.New().Detect(t.Context(), rec.Watch("stuck", v), nil); err != nil {
		t.Fatal(err)
	}
	looked := time.Since(began)
	clean, err := rec.Clean(redact.NewRecorder(false), "")
	if err != nil {
		t.Fatal(err)
	}
	cleaned := time.Since(began) - looked
	var file bytes.Buffer
	if err := clean.Write(&file); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d processes: %d KiB; the look took %v, cleaning %v", many, file.Len()>>10, looked, cleaned)
	if file.Len() > most {
		t.Errorf("%d KiB", file.Len()>>10)
	}
}
