package processes

import (
	"testing"
	"time"
)

func TestParseDetail(t *testing.T) {
	d, err := parseDetail("  501   1   501  30001 Ss   12345   1:02.50 Sun Nov  2 15:52:23 2026     nix-daemon 499\n")
	if err != nil {
		t.Fatal(err)
	}
	if d.PID != 501 || d.Group != 501 || d.UID != 30001 || d.State != 'S' || d.CPU != 62500*time.Millisecond ||
		d.Started != "Sun Nov 2 15:52:23 2026" || d.Start.Day() != 2 || len(d.Arguments) != 2 {
		t.Errorf("%+v", d)
	}
	for _, bad := range []string{"", "x", "1 2 3 4 S 5 0:00.1 Sun Nov 2", "1 2 3 4 S 5 x Sun Nov 2 15:52:23 2026 a"} {
		if d, err := parseDetail(bad); err == nil {
			t.Errorf("%q is taken for %+v", bad, d)
		}
	}
}

func FuzzParseDetail(f *testing.F) {
	f.Add("  501   1   501  30001 Ss   12345   1:02.50 Sun Nov  2 15:52:23 2026     nix-daemon 499\n")
	f.Fuzz(func(_ *testing.T, line string) { _, _ = parseDetail(line) })
}
