package installation

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform/accounts"
	"github.com/lixfix/lixfix/platform/nixconf"
)

// Where Nix keeps things, unless it was compiled for other places.
const (
	StoreDir = "/nix/store"
	StateDir = "/nix/var/nix"
	Socket   = StateDir + "/daemon-socket/socket"

	database = StateDir + "/db"
	sqlite   = database + "/db.sqlite" // what every store has
	profile  = StateDir + "/profiles/default"
	system   = "/run/current-system" // of NixOS and nix-darwin
)

// find looks for Nix. Each fact follows from those before it.
func find(ctx context.Context, h host, u *users) Found {
	var f Found
	f.Manager = manager(ctx, h)
	f.Owner = owner(ctx, h, u)
	packs := &packages{host: h, known: map[string]pack{}}
	seek := programs{host: h, users: u, packages: packs, owner: f.Owner}
	f.Daemon = daemons{h}.find(ctx)
	if d := f.Daemon.Value; d != nil {
		d.Release = seek.release(ctx, d.Program)
	}
	f.Socket = socket(ctx, h, f.Daemon.Value)
	f.Programs = seek.find(ctx)
	f.Present = present(ctx, h, &f)
	if !f.Present.Value || !f.Present.Known() {
		withoutNix(ctx, h, &f)
		return f
	}
	if f.Mode = mode(&f); f.Mode.Value != SingleUser {
		f.Owner = unknown[Owner]("the daemon's")
	}
	f.Release, f.Profile = first(f.Programs)
	f.Installer = installer(ctx, h, packs, &f)
	f.Store = dir(ctx, h, f.Daemon.Value, "NIX_STORE_DIR", StoreDir)
	f.State = dir(ctx, h, f.Daemon.Value, "NIX_STATE_DIR", StateDir)
	return f
}

// manager is who writes the system's configuration, and would undo what somebody else writes there.
func manager(ctx context.Context, h host) Fact[string] {
	for _, m := range []struct {
		name  string
		signs []string
	}{
		{"NixOS", []string{"/etc/NIXOS", system + "/nixos-version"}},
		{"nix-darwin", []string{system + "/darwin-version", system + "/darwin-version.json"}},
	} {
		for _, sign := range m.signs {
			switch s, _, err := h.at(ctx, sign); s {
			case there:
				return fact(m.name, sign)
			case hidden:
				return unknown[string](err.Error())
			}
		}
	}
	return fact("", "neither NixOS nor nix-darwin is there")
}

// owner is whose the store is.
func owner(ctx context.Context, h host, u *users) Fact[Owner] {
	for _, name := range []string{database, StateDir, StoreDir} {
		switch s, info, err := h.at(ctx, name); s {
		case there:
			o := Owner{UID: info.UID}
			if who, ok := accounts.ByUID(u.all(ctx), info.UID); ok {
				o.Name, o.Home = who.Name, who.Home
			}
			return fact(o, "owner of "+name)
		case hidden:
			return unknown[Owner](err.Error())
		}
	}
	return unknown[Owner]("there is no store")
}

// socket is where the daemon listens.
func socket(ctx context.Context, h host, d *Daemon) Fact[string] {
	name, from := Socket, "it is there"
	if d != nil && d.environment["NIX_DAEMON_SOCKET_PATH"] != "" {
		name, from = d.environment["NIX_DAEMON_SOCKET_PATH"], "NIX_DAEMON_SOCKET_PATH of the daemon"
	}
	if why := d.hidden(); why != "" {
		return unknown[string](why)
	}
	switch s, info, err := h.at(ctx, name); {
	case s == hidden:
		return Fact[string]{Unknown: err.Error(), Root: h.private(err)}
	case s == absent:
		return fact("", name+" is not there")
	case info.Mode&fs.ModeSocket == 0 && info.Mode&fs.ModeSymlink == 0:
		return fact("", name+" is not a socket")
	}
	return fact(name, from)
}

// stored reports whether something is in the store, or that cannot be told.
func stored(ctx context.Context, h host) bool {
	s, _, _ := h.at(ctx, sqlite)
	return s != absent
}

// present decides whether there is a Nix: programs, or a store.
func present(ctx context.Context, h host, f *Found) Fact[bool] {
	switch {
	case f.Programs.Known() && len(f.Programs.Value) > 0:
		return fact(true, f.Programs.Value[0].Path)
	case f.Manager.Value == "NixOS":
		return fact(true, f.Manager.From)
	}
	switch s, _, err := h.at(ctx, sqlite); {
	case s == there:
		return fact(true, sqlite)
	case s == hidden:
		return Fact[bool]{Unknown: err.Error(), Root: h.private(err)}
	case !f.Programs.Known():
		return Fact[bool]{Unknown: f.Programs.Unknown, Root: f.Programs.Root}
	}
	return fact(false, f.Programs.From)
}

// mode decides who writes to the store.
func mode(f *Found) Fact[Mode] {
	switch {
	case f.Daemon.Value != nil:
		return fact(MultiUser, f.Daemon.Value.Files[0])
	case f.Socket.Value != "":
		return fact(MultiUser, f.Socket.Value)
	case f.Manager.Value == "NixOS":
		return fact(MultiUser, f.Manager.From)
	case !f.Daemon.Known():
		return unknown[Mode](f.Daemon.Unknown)
	case !f.Socket.Known():
		return Fact[Mode]{Unknown: f.Socket.Unknown, Root: f.Socket.Root}
	case !f.Owner.Known():
		return unknown[Mode](f.Owner.Unknown)
	}
	return fact(SingleUser, f.Owner.From+", and no daemon")
}

// first is the release of the first program, and its profile.
func first(list Fact[[]Program]) (release Fact[nixconf.Release], profile Fact[string]) {
	if !list.Known() || len(list.Value) == 0 {
		why := list.Unknown
		if why == "" {
			why = list.From
		}
		release, profile = unknown[nixconf.Release](why), unknown[string](why)
		release.Root, profile.Root = list.Root, list.Root
		return release, profile
	}
	p := list.Value[0]
	release = fact(p.Release, p.From)
	if p.Unknown != "" {
		release = Fact[nixconf.Release]{Value: p.Release, Unknown: p.Unknown}
	}
	profile = fact("", p.Path)
	if dir := path.Dir(p.Path); !slices.Contains([]string{"/usr/bin", "/usr/local/bin"}, dir) {
		profile.Value = path.Dir(dir)
	}
	return release, profile
}

// dir is a directory of Nix's: where a variable of the daemon has it, or the usual one.
func dir(ctx context.Context, h host, d *Daemon, variable, usual string) Fact[string] {
	if why := d.hidden(); why != "" {
		return unknown[string](why)
	}
	if d != nil && d.environment[variable] != "" {
		return fact(d.environment[variable], variable+" of the daemon")
	}
	switch s, _, err := h.at(ctx, usual); s {
	case there:
		return fact(usual, "it is there")
	case hidden:
		return unknown[string](err.Error())
	}
	return unknown[string](usual + " is not there")
}

// withoutNix says of all that there is no Nix to have it.
func withoutNix(ctx context.Context, h host, f *Found) {
	why := "there is no Nix"
	if !f.Present.Known() {
		why = "it is not known whether there is a Nix"
	}
	f.Release, f.Installer = unknown[nixconf.Release](why), unknown[string](why)
	f.Mode, f.Owner = unknown[Mode](why), unknown[Owner](why)
	f.Profile, f.Store, f.State = unknown[string](why), unknown[string](why), unknown[string](why)
	if !f.Present.Known() {
		return
	}
	names := []string{StoreDir, StateDir, receiptFile, path.Join(nixconf.Dir, "nix.conf")}
	if d := f.Daemon.Value; d != nil {
		names = append(names, d.Files...)
	}
	for _, name := range names {
		if h.any(ctx, name) != "" {
			f.Leftovers = append(f.Leftovers, name)
		}
	}
}

// Line says what was found in one line: "Lix 2.95.1, multi-user, installed by the Lix installer, managed by
// nix-darwin", or "no Nix here".
func (f *Found) Line() string {
	switch {
	case !f.Present.Known():
		return "it is not known whether Nix is here: " + f.Present.Unknown
	case !f.Present.Value && len(f.Leftovers) > 0:
		return "no Nix here; left of one: " + strings.Join(f.Leftovers, ", ")
	case !f.Present.Value:
		return "no Nix here"
	}
	words := []string{f.Release.Value.String()}
	switch {
	case f.Programs.Known() && len(f.Programs.Value) == 0:
		words[0] = "a store of Nix or Lix, without its programs"
	case f.Release.Value.Version == "":
		words[0] += " of an unknown version"
	}
	switch o := f.Owner; {
	case f.Mode.Known() && f.Mode.Value == SingleUser && o.Known() && o.Value.Name != "":
		words = append(words, fmt.Sprintf("%s (%s)", f.Mode.Value, o.Value.Name))
	case f.Mode.Known():
		words = append(words, string(f.Mode.Value))
	}
	if f.Installer.Known() && f.Installer.Value != f.Manager.Value {
		words = append(words, "installed by "+f.Installer.Value)
	}
	if f.Manager.Known() && f.Manager.Value != "" {
		words = append(words, "managed by "+f.Manager.Value)
	}
	return strings.Join(words, ", ")
}
