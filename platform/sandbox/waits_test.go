package sandbox

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestHear tells a log in pieces, cut anywhere, and wants to be told at each end of a line what the whole log says.
func TestHear(t *testing.T) {
	all := []string{
		"building '/nix/store/a.drv'...", "waiting for a free build user...", "error: nothing", "warning: waiting for UID to build '/nix/store/a.drv'",
		"", "waiting for lock on '/nix/store/a.lock'", "a>building '/nix/store/b.drv'", "no more waiting for anything",
	}
	for range 300 {
		w := &watchdog{}
		var log []byte
		for range 12 {
			line := append([]byte(all[rand.IntN(len(all))]), '\n')
			for from := 0; from < len(line); {
				n := 1 + rand.IntN(len(line)-from)
				log = append(log, line[from:from+n]...)
				from += n
				w.hear(log)
			}
			want, at := "", waits.FindAllIndex(log, -1)
			if n := len(at); n > 0 && !bytes.Contains(log[at[n-1][1]:], []byte("building '")) {
				want = string(log[at[n-1][0]:at[n-1][1]])
			}
			if built := bytes.Contains(log, []byte("building '")); w.line != want || w.built != built {
				t.Fatalf("%q, %v; want %q, %v, of\n%s", w.line, w.built, want, built, log)
			}
		}
	}
}

// BenchmarkHear hears a log of four megabytes, a line at a time.
func BenchmarkHear(b *testing.B) {
	log := bytes.Repeat([]byte("building of something goes on and on, and prints a line each time\n"), 64<<10)
	for b.Loop() {
		w := &watchdog{}
		for end := 66; end <= len(log); end += 66 {
			w.hear(log[:end])
		}
	}
}

// TestDecided reads a log of downloads in pieces.
func TestDecided(t *testing.T) {
	enough := decided()
	log := []byte("error: unable to download 'https://x/y': Couldn't resolve host name (6)\n")
	for end := range log {
		if enough(log[:end]) {
			t.Fatalf("decided by %q", log[:end])
		}
	}
	if !enough(log) {
		t.Error("not decided")
	}
}
