package resolvconf

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixconf"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/systemd"
)

// daemonFacts are what the daemon that builds has otherwise than lixfix, which looks at its own side of the host.
type daemonFacts struct {
	pid     int // 0 where it could not be told; only root sees it
	since   time.Time
	network string   // its network namespace, where it is another one
	mounts  []string // files that are others to it
	config  []string // variables that name a configuration
}

// configuring are the variables that decide which configuration a daemon reads (nix.conf(5)).
var configuring = []string{"NIX_CONF_DIR", "NIX_CONFIG", "NIX_USER_CONF_FILES"}

func (s *survey) readDaemon(ctx context.Context) {
	d := daemonFacts{}
	d.pid, d.since = probe.Listener(ctx, s.v)
	if d.pid == 0 {
		return
	}
	names := []string{conf.File, nixconf.File, tunDevice}
	if s.way.end != "" && s.way.end != conf.File {
		names = append(names, s.way.end)
	}
	var found daemonFacts
	err := s.v.Burst(ctx, "the daemon", func(f platform.Files) error {
		dir := fmt.Sprintf("/proc/%d", d.pid)
		if own, err := f.Link("/proc/self/ns/net"); err == nil {
			if its, err := f.Link(dir + "/ns/net"); err == nil && its != own {
				found.network = its
			}
		}
		own, err1 := f.Read("/proc/self/mountinfo")
		its, err2 := f.Read(dir + "/mountinfo")
		if err1 == nil && err2 == nil {
			for _, name := range names {
				a, _ := mountOf(own, name)
				if b, at := mountOf(its, name); a != b {
					found.mounts = append(found.mounts, name+", from the mount on "+at)
				}
			}
		}
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
	s.daemon = d
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

// apart says in words what keeps a prediction from being one for the daemon; "" for nothing.
func (d *daemonFacts) apart() string {
	switch {
	case d.network != "":
		return "the daemon, and with it every build, is in another network namespace than lixfix"
	case len(d.mounts) > 0:
		return "the daemon has another " + d.mounts[0] + " than lixfix"
	}
	return ""
}

// elsewhere is the cause that the daemon is somewhere else, or read another configuration, nil for none.
func (f *found) elsewhere(ctx context.Context) *cause {
	s, d := f.survey, &f.survey.daemon
	if d.pid == 0 || !f.result.Daemon {
		return nil
	}
	enter := fmt.Sprintf("nsenter --target %d --net --mount", d.pid)
	x := cause{id: idDaemonApart, broken: true}
	switch {
	case d.apart() != "":
		x.summary = "names do not resolve where the daemon is: " + d.apart()
		if d.network != "" {
			x.evidence = append(x.evidence, fix.Evidence{
				Source: fmt.Sprintf("network namespace of the daemon, process %d", d.pid), Expected: "that of lixfix", Observed: d.network,
			})
		}
		for _, m := range d.mounts {
			x.evidence = append(x.evidence, fix.Evidence{
				Source: fmt.Sprintf("files of the daemon, process %d", d.pid), Expected: "those of lixfix", Observed: m,
			})
		}
		x.remedy = &fix.Remedy{
			Class: fix.Advice, Changes: "look at the host as the daemon sees it, and at NetworkNamespacePath, PrivateNetwork, " +
				"BindPaths and the like in its unit", Command: "sudo " + enter + " lixfix check " + Name + " --passive",
		}
		return &x
	case len(d.config) > 0:
		x.id, x.summary = idDaemonConf, "the daemon has a configuration of its own, which lixfix does not read: "+
			strings.Join(d.config, ", ")
		x.evidence = []fix.Evidence{{
			Source: fmt.Sprintf("environment of the daemon, process %d", d.pid), Expected: "no " + strings.Join(configuring, ", "),
			Observed: strings.Join(d.config, ", ") + " is set",
		}}
		x.remedy = &fix.Remedy{Class: fix.Advice, Changes: "look at pasta-path, sandbox and sandbox-paths there; \"systemctl show -p " +
			"Environment nix-daemon\" tells where"}
		return &x
	}
	set, err := s.v.Stat(ctx, nixconf.File)
	if err != nil || d.since.IsZero() || !set.Modified.After(d.since) {
		return nil
	}
	x.id, x.summary = idDaemonConf, "nix.conf was changed after the daemon was started, which has not read it since"
	x.evidence = []fix.Evidence{{
		Source: nixconf.File, Expected: "older than the daemon, of " + d.since.Format(time.DateTime),
		Observed: set.Modified.Format(time.DateTime),
	}}
	const restart = "restart the daemon"
	if active, err := systemd.Active(ctx, s.v, daemonUnit); err == nil && active {
		x.risky(restart+", which ends no build that runs", "nothing has to be undone", step.RestartUnit{
			Unit: daemonUnit, Why: "read nix.conf again",
		})
	} else {
		x.remedy = &fix.Remedy{Class: fix.Advice, Changes: restart}
	}
	return &x
}

// excluded lists what was looked at and is not why names do not resolve.
func (f *found) excluded() []fix.Evidence {
	s := f.survey
	var list []fix.Evidence
	add := func(source, observed string) {
		list = append(list, fix.Evidence{Source: "excluded: " + source, Expected: "-", Observed: observed})
	}
	add(conf.File, s.way.String()+", readable for build users: "+truth(s.path))
	for _, a := range s.servers {
		if len(a.lines) > 0 {
			add("server "+a.address.String()+", asked by lixfix", a.text())
		}
	}
	if s.nix.usesPasta() {
		add("pasta", s.pasta.String()+", runs for build users: "+truth(s.runs))
		add(tunDevice, string(s.tunState))
	}
	switch {
	case s.rulesErr != "":
		add("rules of the firewall by user or group", "not read: "+s.rulesErr)
	case len(s.rules) == 0:
		add("rules of the firewall by user or group", "none")
	}
	if len(s.replaced) == 0 {
		add("sandbox-paths", "puts nothing over "+strings.Join(replaceable, ", "))
	}
	if d := s.daemon; d.pid != 0 {
		add("the daemon", fmt.Sprintf("process %d, with the files and the network of lixfix", d.pid))
	}
	if f.again {
		add("chance", "a second build saw the same")
	}
	return list
}

func truth(t Truth) string {
	if t == Unclear {
		return "not known"
	}
	return string(t)
}
