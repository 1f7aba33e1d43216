package trust

import "testing"

func TestMounterOf(t *testing.T) {
	const mounts = `30 1 254:0 / / rw,relatime - ext4 /dev/vda rw
41 30 0:61 / /home/alice/a\040-\040b rw,nosuid,nodev - fuse.bindfs /tmp/x\040user_id=0,y rw,user_id=1234,group_id=1234,allow_other
42 30 0:62 / /mnt rw - fuseblk /dev/sdb1 rw,user_id=0,group_id=0,allow_other,blksize=4096
43 30 0:63 / /shared rw - virtiofs shared rw
44 30 0:64 / /odd rw - fuse x rw,user_id=-1
45 30 0:65 / /none rw - fuse x rw
`
	tests := []struct {
		name, info string
		uid        int
		is         bool
	}{
		{"a user's", "pos:\t0\nflags:\t010000000\nmnt_id:\t41\nino:\t1\n", 1234, true},
		{"root's", "mnt_id:\t42\n", 0, true},
		{"of the kernel", "mnt_id:\t43\n", 0, false},
		{"no user", "mnt_id:\t44\n", Anybody, true},
		{"not said", "mnt_id:\t45\n", Anybody, true},
		{"not mounted here", "mnt_id:\t99\n", Anybody, true},
		{"before Linux 3.15", "pos:\t0\n", Anybody, true},
	}
	for _, tt := range tests {
		if uid, is := mounterOf(tt.info, mounts); uid != tt.uid || is != tt.is {
			t.Errorf("%s: got %d %v, want %d %v", tt.name, uid, is, tt.uid, tt.is)
		}
	}
}
