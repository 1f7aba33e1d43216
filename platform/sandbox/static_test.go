package sandbox

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"testing"
)

// TestInterpreter reads the programs of this machine as debug/elf does.
func TestInterpreter(t *testing.T) {
	programs, err := filepath.Glob("/sbin/*")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[bool]int{}
	for _, name := range append(programs, "/bin/sh") {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // a link to what is not installed
		}
		f, err := elf.NewFile(bytes.NewReader(data))
		if err != nil || f.Class != elf.ELFCLASS64 {
			continue
		}
		want := false
		for _, p := range f.Progs {
			want = want || p.Type == elf.PT_INTERP
		}
		if got, ok := interpreter(data[:min(len(data), 4096)]); !ok || got != want {
			t.Errorf("%s: %t, %t, want %t", name, got, ok, want)
		}
		seen[want]++
	}
	if seen[true] == 0 || seen[false] == 0 { // ldconfig is static
		t.Errorf("%d programs with an interpreter, %d without", seen[true], seen[false])
	}
	for _, broken := range []string{"", "\x7fELF", "#!/bin/sh\n" + string(make([]byte, 100)), "\x7fELF\x02\x01" + string(bytes.Repeat([]byte{0xff}, 100))} {
		if _, ok := interpreter([]byte(broken)); ok {
			t.Errorf("%q was read as a program", broken)
		}
	}
}
