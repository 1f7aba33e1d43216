package resolvconf

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/systemd"
)

const daemonUnit = "nix-daemon.service"

// means are what remedies need to know of the host beyond the survey. Of a healthy host nothing of it is read.
type means struct {
	stopped map[string]bool // units that are installed and do not run, by systemd's own word
	runs    bool            // systemd runs the daemon
	stub    string          // a file of a manager that is there and names a server that answers; "" for none
	writer  Owner           // whose that is
	module  bool            // the module tun can be loaded, and is not
	conf    *step.FileState // of the file that sets pasta-path; nil where it could not be read
}

// units are those that a remedy may start.
func (d *diagnosis) units(x *cause) []string {
	switch {
	case x.kind == tailscale:
		return []string{owners[Tailscale].unit}
	case x.first.IsValid():
		return resolverUnits(x.first)
	case x.kind == dangling && owners[d.owner].unit != "":
		return []string{owners[d.owner].unit}
	}
	return nil
}

// readMeans reads what the remedies of the causes need.
func (d *diagnosis) readMeans(ctx context.Context, v platform.View) *means {
	m := &means{stopped: map[string]bool{}}
	has := func(kinds ...*fix.Kind) bool {
		return slices.ContainsFunc(d.causes, func(x cause) bool { return slices.Contains(kinds, x.kind) })
	}
	for i := range d.causes {
		for _, unit := range d.units(&d.causes[i]) {
			if _, ok := m.stopped[unit]; ok || !systemd.ValidUnit(unit) || !systemd.Installed(ctx, v, unit) {
				continue
			}
			active, err := systemd.Active(ctx, v, unit)
			m.stopped[unit] = err == nil && !active
		}
	}
	if has(dangling, missing, noServer, split) {
		m.readStub(ctx, v, d.name)
	}
	if has(tunMissing) {
		m.module = exists(ctx, v, "/usr/sbin/modprobe") && !exists(ctx, v, "/sys/module/tun")
	}
	if has(pastaGone, pastaQuoted, daemonConf, fetcher) {
		active, err := systemd.Active(ctx, v, daemonUnit)
		m.runs = err == nil && active
	}
	if p := d.nix.confPasta; has(pastaGone, pastaQuoted) && p != nil && strings.HasPrefix(p.File, "/etc/") {
		if state, err := step.ReadFileState(ctx, v, p.File); err == nil {
			m.conf = state
		}
	}
	return m
}

// readStub looks for a manager's file whose server answers.
func (m *means) readStub(ctx context.Context, v platform.View, name string) {
	for _, o := range []Owner{Resolved, NetworkManager, ConnMan} {
		data, err := platform.ReadUpTo(ctx, v, owners[o].stub, conf.Limit)
		if err != nil {
			continue
		}
		listed := conf.Pasta(data)
		for _, server := range listed[:min(len(listed), askedMost)] {
			answer, err := v.Ask(ctx, dnsquery.Server(server.Address), dnsquery.UDP, name, dnsquery.A)
			if err == nil && answer.Good() {
				m.stub, m.writer = owners[o].stub, o
				return
			}
		}
	}
}

// obstacle is why root had better not do what a remedy says, as the words of withheld take it.
type obstacle struct {
	reason   string
	with     fix.With
	evidence []fix.Evidence
}

// obstacles looks at the places that the remedy of a cause would write; nil where nothing speaks against it. What cannot
// be told is left to the plan, which is refused then, unless it would open something that only root may read.
func (d *diagnosis) obstacles(ctx context.Context, v platform.View, x *cause) *obstacle {
	if o := loses(ctx, v, x); o != nil {
		return o
	}
	if (x.edit != nil || x.open) && immutable(ctx, v, d.way.end) {
		return &obstacle{reason: "immutable", with: fix.With{"file": conf.File}, evidence: []fix.Evidence{{
			Source: attributesOf, Expected: changeable, Observed: isImmutable,
		}}}
	}
	err := plan.Guarded(ctx, v, x.steps...)
	if err == nil && (x.edit != nil || x.open) {
		err = v.Guarded(ctx, conf.File)
	}
	if err == nil && x.opensWay() {
		err = d.guardWay(ctx, v)
	}
	return guarded(err, x.opensWay())
}

// guardWay returns an error that wraps a *platform.Untrusted where others than root could have had a say in where
// /etc/resolv.conf leads. They would have root give everybody a file that nobody but root may read.
func (d *diagnosis) guardWay(ctx context.Context, v platform.View) error {
	for _, link := range d.way.turns {
		if err := v.Guarded(ctx, link); err != nil {
			return err
		}
	}
	return nil
}

// loses is what of a file a rewrite would lose, which puts a new file in its place.
func loses(ctx context.Context, v platform.View, x *cause) *obstacle {
	var names []string
	if x.edit != nil {
		names = append(names, conf.File)
	}
	for _, s := range x.steps {
		if w, ok := s.(step.WriteFile); ok && w.Before != nil {
			names = append(names, w.Name)
		}
	}
	for _, name := range names {
		info, err := v.Stat(ctx, name)
		switch {
		case err != nil || !info.Mode.IsRegular():
		case info.Links > 1:
			return &obstacle{reason: "names", with: fix.With{"file": name, "count": info.Links}}
		case info.Mode&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0:
			return &obstacle{reason: "bits", with: fix.With{"file": name, "mode": info.Mode}}
		}
	}
	return nil
}

// immutable asks lsattr(1), and only where the file is to be written.
func immutable(ctx context.Context, v platform.View, name string) bool {
	out, ok := asking(ctx, v, "lsattr", "-d", "--", name)
	flags, _, _ := strings.Cut(fmt.Sprint(out), " ")
	return ok && strings.Contains(flags, "i")
}
