package installation

import "testing"

func TestReleased(t *testing.T) {
	for in, want := range map[string]string{
		"2.8.0+dfsg1-1.1+b1": "2.8.0", "1:2.93.3-r0": "2.93.3", "2.95": "2.95", "2.95.": "2.95", "2.95.x": "2.95", "2..9": "",
		"2": "", "": "", "x2.9": "", ".2.9": "", "2.29pre20250101": "2.29",
	} {
		if got := released("nix-bin", in).Version; got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
