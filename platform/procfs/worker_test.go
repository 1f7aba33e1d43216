package procfs_test

import (
	"testing"

	"github.com/lixfix/lixfix/platform/procfs"
)

func TestServes(t *testing.T) {
	for _, tt := range []struct {
		cmdline string
		client  int
		worker  bool
	}{
		{"nix-daemon\x00", 0, false},
		{"nix-daemon\x00--daemon\x00", 0, false},
		{"nix-daemon\x0062\x00", 62, true},
		{"nix-daemon\x0062\x00\x00\x00\x00\x00", 62, true},
		{"nix-daemon\x0062      \x00", 62, true},
		{"/nix/store/x/bin/nix-daemon\x00--for\x0062\x00--log-level\x003\x00", 62, true},
		{"nix-daemon\x00--for\x00 62   \x00", 62, true},
		{"nix-daemon\x00--for\x00unknown\x00--log-level\x003\x00", 0, true},
		{"nix-daemon\x00--for\x00", 0, false},
		{"nix-daemon\x00-1\x00", 0, false},
		{"nix-daemon\x0062x\x00", 0, false},
		{"", 0, false},
	} {
		client, worker := procfs.Serves(procfs.ParseArguments([]byte(tt.cmdline)))
		if client != tt.client || worker != tt.worker {
			t.Errorf("%q: client %d, worker %t", tt.cmdline, client, worker)
		}
	}
}
