package installation

import (
	"context"
	"errors"
	"path"
	"strings"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/pattern"
)

// programs finds the programs of Nix, and where they really are.
type programs struct {
	host
	users    *users
	packages *packages
	owner    Fact[Owner] // of the store
}

// dirs are where the programs of Nix are looked for, in this order: the profile of NixOS, that of the multi-user
// installers, those of root or of the store's owner in a single-user installation, those of a distribution. The
// environment has no say. private are those that their owner may keep to themselves.
func (p programs) dirs(ctx context.Context) (dirs []string, private map[string]bool) {
	dirs = []string{system + "/sw/bin", profile + "/bin"}
	private = map[string]bool{}
	homes := []string{p.users.rootHome(ctx)}
	if o := p.owner; o.Known() && o.Value.UID != 0 && path.IsAbs(o.Value.Home) {
		homes = append(homes, o.Value.Home)
	}
	for _, home := range homes {
		for _, dir := range []string{home + "/.nix-profile/bin", home + "/.local/state/nix/profile/bin"} {
			dirs = append(dirs, dir)
			private[dir] = true
		}
	}
	dirs = append(dirs, StateDir+"/profiles/per-user/root/profile/bin", "/usr/local/bin", "/usr/bin")
	return dirs, private
}

// find looks for the programs.
func (p programs) find(ctx context.Context) Fact[[]Program] {
	dirs, private := p.dirs(ctx)
	var list []Program
	var hides error
	for _, dir := range dirs {
		for _, tool := range []string{"nix", "nix-store"} {
			name := dir + "/" + tool
			switch s, _, err := p.at(ctx, name); s {
			case there:
				if found, ok := p.program(ctx, name); ok {
					list = append(list, found)
				}
			case hidden:
				// A home that is closed to lixfix says nothing, unless there is a store whose Nix is nowhere else.
				if hides == nil && (!private[dir] || !p.private(err) || stored(ctx, p.host)) {
					hides = err
				}
			case absent:
				continue
			}
			break
		}
	}
	switch {
	case len(list) > 0:
		return fact(list, "where Nix is looked for")
	case hides != nil:
		return Fact[[]Program]{Unknown: hides.Error(), Root: p.private(hides)}
	}
	return fact(list, "there is none in "+strings.Join(dirs, ", "))
}

// follow returns where a name leads, if nobody could have made it lead elsewhere but root and the owner of the store,
// who can put whatever they like into it. Both are empty where it leads to nothing.
func (p programs) follow(ctx context.Context, name string) (to, why string) {
	to, err := p.v.Trusted(ctx, name)
	if err == nil {
		return to, ""
	}
	u, ok := errors.AsType[*platform.Untrusted](err)
	switch o := p.owner; {
	case gone(err):
		return "", ""
	case ok && to != "" && o.Known() && o.Value.UID == u.UID && u.UID != 0:
		return to, ""
	}
	return "", err.Error()
}

// release is that of a program which a daemon is started with; zero where that cannot be told.
func (p programs) release(ctx context.Context, name string) nixconf.Release {
	if r, ok := ReleaseOf(name); ok || name == "" {
		return r
	}
	to, _ := p.follow(ctx, name)
	if r, ok := ReleaseOf(to); ok {
		return r
	}
	if pack, ok := p.packages.of(ctx, name, to); ok && to != "" {
		return pack.release
	}
	return nixconf.Release{}
}

// program looks where a program really is. It is none where its name leads to nothing.
func (p programs) program(ctx context.Context, name string) (one Program, ok bool) {
	one.Path = name
	one.Real, one.Unknown = p.follow(ctx, name)
	if one.Real == "" {
		return one, one.Unknown != ""
	}
	if r, ok := ReleaseOf(one.Real); ok {
		one.Release, one.From = r, one.Real
		return one, true
	}
	if strings.HasPrefix(one.Real, StoreDir+"/") {
		one.Unknown = one.Real + " does not say"
		return one, true
	}
	if pack, ok := p.packages.of(ctx, one.Path, one.Real); ok {
		one.Release, one.From, one.Unknown = pack.release, pack.from, pack.unknown
		return one, true
	}
	one.Unknown = "no package database that lixfix can read knows " + one.Real
	return one, true
}

// form is the name of a store path of Nix: Lix calls its package lix, Nix nix or, since 2.29, nix-cli, and Determinate
// determinate-nix.
var form = pattern.New(`^/nix/store/[a-z0-9]{32}-(lix|nix|determinate-nix)(?:-cli)?-(\d+\.\d+[^/]*)(?:/|$)`)

// ReleaseOf returns the implementation and version in the name of a store path, or of a file below one.
func ReleaseOf(name string) (nixconf.Release, bool) {
	if !strings.HasPrefix(name, StoreDir+"/") {
		return nixconf.Release{}, false
	}
	m := form.FindStringSubmatch(name)
	if m == nil {
		return nixconf.Release{}, false
	}
	of := map[string]string{"lix": nixconf.Lix, "nix": nixconf.Nix, "determinate-nix": nixconf.Determinate}
	return nixconf.Release{Implementation: of[m[1]], Version: m[2]}, true
}
