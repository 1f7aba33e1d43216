package systemd

import "testing"

// A process of a build is in the daemon's group, and can stop itself or remove its program: it says nothing of the daemon.
func TestRootsOwn(t *testing.T) {
	for status, want := range map[string]bool{
		"Name:\tnix-daemon\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n": true,
		"Name:\tnix-daemon\nUid:\t30001\t30001\t30001\t30001\n":   false,
		"Name:\tUid:\nUid:\t30001\t0\t0\t0\n":                     false,
		"Name:\tnix-daemon\n":                                     false,
		"":                                                        false,
	} {
		if got := rootsOwn(status); got != want {
			t.Errorf("%q: %v", status, got)
		}
	}
}

func TestParseStat(t *testing.T) {
	const rest = " S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 100"
	for _, tt := range []struct {
		data, start string
		state       byte
		fails       bool
	}{
		{"7 (nix-daemon)" + rest, "123456", 'S', false},
		{"7 (x) T 1 1 (y)" + rest, "123456", 'S', false}, // a name that looks like more than one
		{"7 (nix-daemon) T 1", "", 0, true},
		{"", "", 0, true},
	} {
		state, start, err := parseStat([]byte(tt.data))
		if state != tt.state || start != tt.start || (err != nil) != tt.fails {
			t.Errorf("%q: %c %s %v", tt.data, state, start, err)
		}
	}
}
