package proclocks_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/platform/proclocks"
)

func TestParse(t *testing.T) {
	const table = `1: POSIX  ADVISORY  READ 8403 fe:00:5498594 128 128
8: FLOCK  ADVISORY  WRITE 8368 fe:00:5498801 0 EOF
8: -> FLOCK  ADVISORY  WRITE 8377 fe:00:5498801 0 EOF
8:  -> FLOCK  ADVISORY  WRITE 8388 fe:00:5498801 0 EOF
9: OFDLCK ADVISORY  READ -1 00:1b:12 0 EOF
10: LEASE  BREAKING  UNLCK 12 00:1b:12 0 EOF
something new
`
	shm := proclocks.File{Major: 0xfe, Inode: 5498594}
	gc := proclocks.File{Major: 0xfe, Inode: 5498801}
	want := []proclocks.Lock{
		{ID: 1, Kind: proclocks.Posix, PID: 8403, File: shm, Start: 128, End: 128},
		{ID: 8, Kind: proclocks.Flock, Write: true, PID: 8368, File: gc, End: -1},
		{ID: 8, Waiting: true, Kind: proclocks.Flock, Write: true, PID: 8377, File: gc, End: -1},
		{ID: 8, Waiting: true, Kind: proclocks.Flock, Write: true, PID: 8388, File: gc, End: -1},
		{ID: 9, Kind: proclocks.OFD, PID: -1, File: proclocks.File{Minor: 0x1b, Inode: 12}, End: -1},
	}
	got, skipped := proclocks.Parse([]byte(table))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if skipped != 2 {
		t.Errorf("skipped %d lines, want 2", skipped)
	}
}

func TestParseInfo(t *testing.T) {
	const info = "pos:\t0\nflags:\t0100002\nmnt_id:\t23\nino:\t5498849\nlock:\t1: FLOCK  ADVISORY  WRITE 3510 fe:00:5498849 0 EOF\n"
	want := []proclocks.Lock{{ID: 1, Kind: proclocks.Flock, Write: true, PID: 3510, File: proclocks.File{Major: 0xfe, Inode: 5498849}, End: -1}}
	if diff := cmp.Diff(want, proclocks.ParseInfo([]byte(info))); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("8:  -> FLOCK  ADVISORY  WRITE 8388 fe:00:5498801 0 EOF\n"))
	f.Add([]byte("1: POSIX  ADVISORY  READ 8403 fe:00:5498594 128 128"))
	f.Add([]byte("lock:\t1: FLOCK  ADVISORY  WRITE 3510 fe:00:5498849 0 EOF\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		locks, skipped := proclocks.Parse(data)
		if skipped < 0 {
			t.Error(skipped)
		}
		for _, l := range locks {
			if l.ID < 0 || l.Kind == "" || l.File.String() == "" {
				t.Errorf("%+v", l)
			}
		}
		proclocks.ParseInfo(data)
	})
}
