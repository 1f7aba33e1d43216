package daemon

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
