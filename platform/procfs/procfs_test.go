package procfs_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/platform/procfs"
)

const rest = " S 1 3510 3510 0 -1 4194560 100 0 0 0 7 5 0 0 20 0 4 0 123456 567230464 9135 18446744073709551615 1 1"

func TestParseStat(t *testing.T) {
	want := procfs.Stat{PID: 3510, State: 'S', Parent: 1, Session: 3510, CPU: 12, Threads: 4, Start: 123456, RSS: 9135}
	for _, name := range []string{"nix", "", "tmux: server", "a) S 1 (b", "))", "two\nlines", "(", " S 9 9 "} {
		got, err := procfs.ParseStat([]byte("3510 (" + name + ")" + rest + "\n"))
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		want.Name = name
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
	for _, bad := range []string{"", "3510", "3510 (nix", "nix) S", "x (nix)" + rest, "0 (nix)" + rest, "3510 (nix) S 1 2", "3510 (nix) SS" + rest[2:], ")3510 (" + rest} {
		if got, err := procfs.ParseStat([]byte(bad)); err == nil {
			t.Errorf("%q is taken for %+v", bad, got)
		}
	}
}

func TestParseStatus(t *testing.T) {
	got := procfs.ParseStatus([]byte("Name:\tnix\nUid:\t0\t30001\t0\t0\nFDSize:\t64\n" +
		"TracerPid:\t7\nNSpid:\t3510\t12\nSigBlk:\t0000000008005003\nShdPnd:\t0000000000004000\n" +
		"VmRSS:\t   36540 kB\nvoluntary_ctxt_switches:\t56\nnonsense\n"))
	want := procfs.Status{
		UID: 30001, UIDs: []int{0, 30001, 0, 0}, FDSize: 64, Tracer: 7, NSPID: []int{3510, 12},
		Blocked: 0x8005003, Pending: 0x4000, Switches: 56, RSSKiB: 36540,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestStatusRuns tells programs of a user that run with root's rights from root's own.
func TestStatusRuns(t *testing.T) {
	for line, want := range map[string]bool{
		"Uid:\t0\t0\t0\t0": true, "Uid:\t1000\t0\t0\t0": false, "Uid:\t0\t1000\t0\t1000": false,
		"Uid:\t0\t0\t0\t1000": false,
		"Uid:\t0":             false, "Uid:": false, "": false,
	} {
		if got := procfs.ParseStatus([]byte(line)).Runs(0); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

func TestParseOpened(t *testing.T) {
	// Printed by Linux 6.18; kernels before 5.14 have no line for the inode.
	for in, want := range map[string]procfs.Opened{
		"pos:\t0\nflags:\t02100000\nmnt_id:\t29\nino:\t1058\n" +
			"lock:\t1: FLOCK  ADVISORY  WRITE 7 fe:00:1058 0 EOF\n": {Mount: 29, Inode: 1058, Flags: 0o2100000},
		"pos:\t0\nflags:\t02100000\nmnt_id:\t29\n": {Mount: 29, Flags: 0o2100000},
		"": {Flags: -1}, "ino:\tx\nmnt_id:": {Flags: -1}, "flags:\t9": {Flags: -1},
	} {
		if got := procfs.ParseOpened([]byte(in)); got != want {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

func TestParseArguments(t *testing.T) {
	tests := map[string][]string{
		"":                                 nil,
		"\x00\x00":                         nil,
		"nix-daemon\x002994\x00\x00\x00":   {"nix-daemon", "2994"},
		"a\x00\x00b\x00":                   {"a", "", "b"},
		"nix-daemon\x00--for\x0012   \x00": {"nix-daemon", "--for", "12   "},
	}
	for in, want := range tests {
		if diff := cmp.Diff(want, procfs.ParseArguments([]byte(in))); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
	}
}

func TestTimeout(t *testing.T) {
	amd64, _ := procfs.CallsOf("amd64")
	arm64, _ := procfs.CallsOf("arm64")
	tests := []struct {
		calls procfs.Calls
		line  string
		want  time.Duration
		ok    bool
	}{
		{amd64, "7 0x0 0x0 0x1388 0x0 0x0 0x0 0x7ffe 0x7f", 5 * time.Second, true},
		{amd64, "232 0x3 0x7ffe 0x10 0x1388 0x0 0x0 0x7ffe 0x7f", 5 * time.Second, true},
		{amd64, "232 0x3 0x7ffe 0x10 0xffffffffffffffff 0x0 0x0 0x7ffe 0x7f", -time.Millisecond, true},
		{amd64, "7 0x55 0x1 0xffffffff 0x0 0x0 0x0 0x7ffe 0x7f", -time.Millisecond, true},
		{amd64, "73 0xf 0x2 0x0 0x8 0x0 0x1 0x7ff0 0x7ff0", 0, false},
		{amd64, "running", 0, false},
		{arm64, "22 0x3 0x7ffe 0x10 0x1388 0x0 0x0 0x7ffe 0x7f", 5 * time.Second, true},
		{arm64, "73 0x3 0x7ffe 0x10 0x1388 0x0 0x0 0x7ffe 0x7f", -1, true},
	}
	for _, tt := range tests {
		if got, ok := tt.calls.Timeout(procfs.ParseCall([]byte(tt.line))); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %v, %v, want %v, %v", tt.line, got, ok, tt.want, tt.ok)
		}
	}
}

func TestParseConnections(t *testing.T) {
	// Printed by Linux 6.18 on x86-64, whose words are in little-endian order.
	const table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		"   0: 00000000:DE36 010200C0:0050 02 00000001:00000000 01:00000002 00000003     0        0 13887181 2 0000000074e8274a 100 0 0 10 -1\n" +
		"   1: short\n"
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Fatal("the table is not of a machine like this one")
	}
	got := procfs.ParseConnections([]byte(table))
	want := []procfs.Connection{{Remote: netip.MustParseAddrPort("192.0.2.1:80"), State: 2, Unsent: 1, Retransmits: 3, Inode: 13887181}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestParseMounts(t *testing.T) {
	got := procfs.ParseMounts([]byte("24 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n30 24 0:27 / /a\\040b rw shared:1 - btrfs /dev/vdb rw\nnonsense\n"))
	want := []procfs.Mount{{ID: 24, Major: 254, Point: "/", Type: "ext4"}, {
		ID: 30, Minor: 27, Point: "/a b",
		Type: "btrfs",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("nix", "S")
	f.Add("a) S 1 (b", "D")
	f.Add("\n", "t")
	f.Fuzz(func(t *testing.T, name, state string) {
		line := fmt.Sprintf("3510 (%s)", name) + strings.Replace(rest, "S", state, 1)
		got, err := procfs.ParseStat([]byte(line))
		if err != nil {
			return
		}
		if len(state) == 1 && !strings.ContainsAny(state, ") \t\n\v\f\r\u0085\u00a0") && (got.Name != name || got.Start != 123456) {
			t.Errorf("%q: %+v", line, got)
		}
		_, _ = procfs.ParseStat([]byte(name))
	})
}

func FuzzParsers(f *testing.F) {
	f.Add([]byte("nix-daemon\x002994\x00\x00\x00"))
	f.Add([]byte("NSpid:\t3510\t12\nSigBlk:\t0000000008005003\n"))
	f.Add([]byte("232 0x3 0x7ffe 0x10 0x1388 0x0 0x0 0x7ffe 0x7f"))
	f.Add([]byte("   0: 0100007F:1F90 00000000000000000000000000000000:0050 02 00000001:00000000 01:00000002 00000003 0 0 138 2 0 100 0 0 10 -1\n"))
	f.Add([]byte("24 1 254:0 / /a\\040b rw - ext4 /dev/vda rw\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		procfs.ParseArguments(data)
		procfs.ParseStatus(data)
		procfs.ParseCall(data)
		procfs.ParseIO(data)
		procfs.ParseMounts(data)
		procfs.ParseConnections(data)
	})
}
