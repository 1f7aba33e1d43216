package resolvconf

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixconf"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// daemonFacts are what the daemon that builds has otherwise than lixfix, which looks at its own side of the host.
type daemonFacts struct {
	pid     int // 0 where it could not be told; only root sees it
	since   time.Time
	network string   // its network namespace, where it is another one
	mounts  []string // files that are others to it
	config  []string // variables that name a configuration

	confChanged time.Time // when nix.conf was; the zero value where that is not known
}

// configuring are the variables that decide which configuration a daemon reads (nix.conf(5)).
var configuring = []string{"NIX_CONF_DIR", "NIX_CONFIG", "NIX_USER_CONF_FILES"}

// read reads it. file is what /etc/resolv.conf leads to.
func (d *daemonFacts) read(ctx context.Context, v platform.View, file string) {
	d.pid, d.since = sandbox.Listener(ctx, v)
	if d.pid == 0 {
		return
	}
	if set, err := v.Stat(ctx, nixconf.File); err == nil {
		d.confChanged = set.Modified
	}
	names := []string{conf.File, nixconf.File, tunDevice}
	if file != "" && file != conf.File {
		names = append(names, file)
	}
	var found daemonFacts
	err := v.Burst(ctx, "the daemon", func(f platform.Files) error {
		dir := fmt.Sprintf("/proc/%d", d.pid)
		if own, err := f.Link("/proc/self/ns/net"); err == nil {
			if its, err := f.Link(dir + "/ns/net"); err == nil && its != own {
				found.network = its
			}
		}
		found.mounts = apart(f, dir, names)
		if data, err := f.Read(dir + "/environ"); err == nil {
			for v := range strings.SplitSeq(string(data), "\x00") {
				if name, _, _ := strings.Cut(v, "="); slices.Contains(configuring, name) {
					found.config = append(found.config, name)
				}
			}
		}
		return nil
	})
	if err == nil {
		d.network, d.mounts, d.config = found.network, found.mounts, found.config
	}
}

// apart tells which of the names are other files to the process of a directory below /proc, and from which mount.
func apart(f platform.Files, dir string, names []string) (mounts []string) {
	own, err := f.Read("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	own = slices.Clone(own) // the next Read overwrites it
	its, err := f.Read(dir + "/mountinfo")
	if err != nil {
		return nil
	}
	for _, name := range names {
		a, _ := mountOf(own, name)
		if b, at := mountOf(its, name); a != b {
			mounts = append(mounts, fromTheMount.Fill(fix.With{"name": name, "at": at}))
		}
	}
	return mounts
}

// mountOf tells which file a name is, by the text of a mountinfo (proc_pid_mountinfo(5)): the device, and the name below
// the root of its file system; and where that is mounted. A directory that is mounted on itself, as systemd does for units
// that may not write, stays the same.
func mountOf(mountinfo []byte, name string) (which, at string) {
	for line := range strings.Lines(string(mountinfo)) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		// Of several mounts in one place, the last is on top.
		if point := f[4]; (point == "/" || name == point || strings.HasPrefix(name, point+"/")) && len(point) >= len(at) {
			which, at = f[2]+" "+path.Join(f[3], strings.TrimPrefix(name, point)), point
		}
	}
	return which, at
}
