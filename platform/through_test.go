package platform

import (
	"errors"
	"testing"
)

// TestThroughProcess goes by names alone: on any system, and before anything is opened.
func TestThroughProcess(t *testing.T) {
	tests := []struct {
		name        string
		end, beyond bool // refused where a link at the end is followed, and where it is not
	}{
		{"/proc/1/fd/3", true, false},
		{"/proc/1/fd/3/etc/shadow", true, true},
		{"/proc/self/fd/0", true, false},
		{"/proc/thread-self/fd/0", true, false},
		{"/proc/1/task/2/fd/3", true, false},
		{"/proc/1/task/2/root/etc", true, true},
		{"/proc/1/task/2/cwd", true, false},
		{"/proc/1/root", true, false},
		{"/proc/1/root/", true, false},
		{"/proc/1/root/nix/var/log", true, true},
		{"/proc/1/cwd/x", true, true},
		{"/proc/1/exe", true, false},
		{"/proc/1/map_files/1-2", true, false},
		{"/proc/1/ns/mnt", true, false},
		{"/proc//1///root/x", true, true},
		{"/proc/./1/root/x", true, true},
		{"/proc/1/fd/../root/x", true, true},
		{"/tmp/../proc/1/root/x", true, true},
		{"//proc/1/exe", true, false},
		// What the kernel itself tells.
		{"/proc/1/fd", false, false},
		{"/proc/1/fdinfo/3", false, false},
		{"/proc/1/map_files", false, false},
		{"/proc/1/ns", false, false},
		{"/proc/1/stat", false, false},
		{"/proc/1/net/tcp", false, false},
		{"/proc/1/task", false, false},
		{"/proc/1/task/2/stat", false, false},
		{"/proc/self", false, false},
		{"/proc/self/mountinfo", false, false},
		{"/proc/locks", false, false},
		{"/proc/net/route", false, false},
		{"/proc/sys/kernel/hostname", false, false},
		{"/proc/sys/fd/3", false, false},
		{"/proc", false, false},
		{"/", false, false},
		{"", false, false},
		// Other files may be called so.
		{"/root/exe", false, false},
		{"/etc/proc/1/root/x", false, false},
		{"/nix/store/1/fd/3", false, false},
	}
	for _, tt := range tests {
		for follows, want := range map[bool]bool{true: tt.end, false: tt.beyond} {
			if got := errors.Is(throughProcess("open", tt.name, follows), ErrThroughProcess); got != want {
				t.Errorf("%q, follows the end: %v: refused %v, want %v", tt.name, follows, got, want)
			}
		}
	}
}
