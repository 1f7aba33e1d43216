package installation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/accounts"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/pattern"
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

// state is what a look at a name came to.
type state int

const (
	absent state = iota
	there
	hidden // it could not be told
)

// at looks at a name itself.
func (in *Installation) at(ctx context.Context, name string) (state, platform.FileInfo, error) {
	info, err := in.v.Stat(ctx, name)
	switch {
	case err == nil:
		return there, info, nil
	case gone(err):
		return absent, info, err
	}
	return hidden, info, err
}

// any returns the first of some names that is there.
func (in *Installation) any(ctx context.Context, names ...string) string {
	for _, name := range names {
		if s, _, _ := in.at(ctx, name); s == there {
			return name
		}
	}
	return ""
}

// find fills in what was found, each fact from those before it.
func (in *Installation) find(ctx context.Context) {
	f := &in.found
	f.Manager = in.manager(ctx)
	in.findOwner(ctx)
	in.findDaemon(ctx)
	f.Socket = in.socket(ctx)
	in.findPrograms(ctx)
	f.Present = in.present(ctx)
	if !f.Present.Value || !f.Present.Known() {
		in.withoutNix(ctx)
		return
	}
	in.findMode()
	in.findRelease()
	f.Installer = in.installer(ctx)
	env := map[string]string{}
	if f.Daemon.Value != nil {
		env = f.Daemon.Value.environment
	}
	f.Store, f.State = in.dir(ctx, env, "NIX_STORE_DIR", StoreDir), in.dir(ctx, env, "NIX_STATE_DIR", StateDir)
}

// dir is a directory of Nix's: where a variable of the daemon has it, or the usual one.
func (in *Installation) dir(ctx context.Context, env map[string]string, variable, usual string) Fact[string] {
	if why := in.found.Daemon.Value.hidden(); why != "" {
		return unknown[string](why)
	}
	if name := env[variable]; name != "" {
		return fact(name, variable+" of the daemon")
	}
	switch s, _, err := in.at(ctx, usual); s {
	case there:
		return fact(usual, "it is there")
	case hidden:
		return unknown[string](err.Error())
	}
	return unknown[string](usual + " is not there")
}

// withoutNix says of all that there is no Nix to have it.
func (in *Installation) withoutNix(ctx context.Context) {
	f := &in.found
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
		if in.any(ctx, name) != "" {
			f.Leftovers = append(f.Leftovers, name)
		}
	}
}

// manager is who writes the system's configuration, and would undo what somebody else writes there.
func (in *Installation) manager(ctx context.Context) Fact[string] {
	for _, m := range []struct {
		name  string
		signs []string
	}{
		{"NixOS", []string{"/etc/NIXOS", system + "/nixos-version"}},
		{"nix-darwin", []string{system + "/darwin-version", system + "/darwin-version.json"}},
	} {
		for _, sign := range m.signs {
			switch s, _, err := in.at(ctx, sign); s {
			case there:
				return fact(m.name, sign)
			case hidden:
				return unknown[string](err.Error())
			}
		}
	}
	return fact("", "neither NixOS nor nix-darwin is there")
}

func (in *Installation) socket(ctx context.Context) Fact[string] {
	name, from := Socket, "it is there"
	if d := in.found.Daemon.Value; d != nil && d.environment["NIX_DAEMON_SOCKET_PATH"] != "" {
		name, from = d.environment["NIX_DAEMON_SOCKET_PATH"], "NIX_DAEMON_SOCKET_PATH of the daemon"
	}
	if why := in.found.Daemon.Value.hidden(); why != "" {
		return unknown[string](why)
	}
	switch s, info, err := in.at(ctx, name); {
	case s == hidden:
		return Fact[string]{Unknown: err.Error(), Root: in.private(err)}
	case s == absent:
		return fact("", name+" is not there")
	case info.Mode&fs.ModeSocket == 0 && info.Mode&fs.ModeSymlink == 0:
		return fact("", name+" is not a socket")
	}
	return fact(name, from)
}

// private reports whether root could tell what this error hides.
func (in *Installation) private(err error) bool {
	return errors.Is(err, fs.ErrPermission) && !in.v.Facts().Root()
}

// findOwner finds out whose the store is.
func (in *Installation) findOwner(ctx context.Context) {
	f := &in.found
	for _, name := range []string{database, StateDir, StoreDir} {
		switch s, info, err := in.at(ctx, name); s {
		case there:
			o := Owner{UID: info.UID}
			if u, ok := accounts.ByUID(in.accounts(ctx), info.UID); ok {
				o.Name, o.Home = u.Name, u.Home
			}
			f.Owner = fact(o, "owner of "+name)
			return
		case hidden:
			f.Owner = unknown[Owner](err.Error())
			return
		}
	}
	f.Owner = unknown[Owner]("there is no store")
}

// dirs are where the programs of Nix are looked for, in this order: the profile of NixOS, that of the multi-user
// installers, those of root or of the store's owner in a single-user installation, those of a distribution. The
// environment has no say. private are those that their owner may keep to themselves.
func (in *Installation) dirs(ctx context.Context) (dirs []string, private map[string]bool) {
	dirs = []string{system + "/sw/bin", profile + "/bin"}
	private = map[string]bool{}
	homes := []string{in.rootHome(ctx)}
	if o := in.found.Owner; o.Known() && o.Value.UID != 0 && path.IsAbs(o.Value.Home) {
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

// findPrograms looks for the programs.
func (in *Installation) findPrograms(ctx context.Context) {
	f := &in.found
	dirs, private := in.dirs(ctx)
	var list []Program
	var hides error
	for _, dir := range dirs {
		for _, tool := range []string{"nix", "nix-store"} {
			name := dir + "/" + tool
			switch s, _, err := in.at(ctx, name); s {
			case there:
				if p, ok := in.program(ctx, name); ok {
					list = append(list, p)
				}
			case hidden:
				// A home that is closed to lixfix says nothing, unless there is a store whose Nix is nowhere else.
				if hides == nil && (!private[dir] || !in.private(err) || in.stored(ctx)) {
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
		f.Programs = fact(list, "where Nix is looked for")
	case hides != nil:
		f.Programs = Fact[[]Program]{Unknown: hides.Error(), Root: in.private(hides)}
	default:
		f.Programs = fact(list, "there is none in "+strings.Join(dirs, ", "))
	}
}

// stored reports whether something is in the store, or that cannot be told.
func (in *Installation) stored(ctx context.Context) bool {
	s, _, _ := in.at(ctx, sqlite)
	return s != absent
}

// present decides whether there is a Nix: programs, or a store.
func (in *Installation) present(ctx context.Context) Fact[bool] {
	f := &in.found
	switch {
	case f.Programs.Known() && len(f.Programs.Value) > 0:
		return fact(true, f.Programs.Value[0].Path)
	case f.Manager.Value == "NixOS":
		return fact(true, f.Manager.From)
	}
	switch s, _, err := in.at(ctx, sqlite); {
	case s == there:
		return fact(true, sqlite)
	case s == hidden:
		return Fact[bool]{Unknown: err.Error(), Root: in.private(err)}
	case !f.Programs.Known():
		return Fact[bool]{Unknown: f.Programs.Unknown, Root: f.Programs.Root}
	}
	return fact(false, f.Programs.From)
}

// form is the name of a store path of Nix: Lix calls its package lix, Nix nix or, since 2.29, nix-cli, and Determinate
// determinate-nix.
var form = pattern.New(`^/nix/store/[a-z0-9]{32}-(lix|nix|determinate-nix)(?:-cli)?-(\d+\.\d+[^/]*)(?:/|$)`)

// ReleaseOf returns the implementation and version in the name of a store path, or of a file below one.
func ReleaseOf(name string) (nixconf.Release, bool) {
	m := form.FindStringSubmatch(name)
	if m == nil {
		return nixconf.Release{}, false
	}
	of := map[string]string{"lix": nixconf.Lix, "nix": nixconf.Nix, "determinate-nix": nixconf.Determinate}
	return nixconf.Release{Implementation: of[m[1]], Version: m[2]}, true
}

// program looks where a program really is. It is none where its name leads to nothing.
func (in *Installation) program(ctx context.Context, name string) (p Program, ok bool) {
	p.Path = name
	p.Real, p.Unknown = in.follow(ctx, name)
	if p.Real == "" {
		return p, p.Unknown != ""
	}
	if r, ok := ReleaseOf(p.Real); ok {
		p.Release, p.From = r, p.Real
		return p, true
	}
	if strings.HasPrefix(p.Real, StoreDir+"/") {
		p.Unknown = p.Real + " does not say"
		return p, true
	}
	if pack, ok := in.packaged(ctx, p.Path, p.Real); ok {
		p.Release, p.From, p.Unknown = pack.release, pack.from, pack.unknown
		return p, true
	}
	p.Unknown = "no package database that lixfix can read knows " + p.Real
	return p, true
}

// follow returns where a name leads, if nobody could have made it lead elsewhere but root and the owner of the store,
// who can put whatever they like into it. Both are empty where it leads to nothing.
func (in *Installation) follow(ctx context.Context, name string) (to, why string) {
	to, err := in.v.Trusted(ctx, name)
	if err == nil {
		return to, ""
	}
	u, ok := errors.AsType[*platform.Untrusted](err)
	switch o := in.found.Owner; {
	case gone(err):
		return "", ""
	case ok && to != "" && o.Known() && o.Value.UID == u.UID && u.UID != 0:
		return to, ""
	}
	return "", err.Error()
}

// findMode decides who writes to the store.
func (in *Installation) findMode() {
	f := &in.found
	switch {
	case f.Daemon.Value != nil:
		f.Mode = fact(MultiUser, f.Daemon.Value.Files[0])
	case f.Socket.Value != "":
		f.Mode = fact(MultiUser, f.Socket.Value)
	case f.Manager.Value == "NixOS":
		f.Mode = fact(MultiUser, f.Manager.From)
	case !f.Daemon.Known():
		f.Mode = unknown[Mode](f.Daemon.Unknown)
	case !f.Socket.Known():
		f.Mode = Fact[Mode]{Unknown: f.Socket.Unknown, Root: f.Socket.Root}
	case !f.Owner.Known():
		f.Mode = unknown[Mode](f.Owner.Unknown)
	default:
		f.Mode = fact(SingleUser, f.Owner.From+", and no daemon")
	}
	if f.Mode.Value != SingleUser {
		f.Owner = unknown[Owner]("the daemon's")
	}
}

// findRelease takes the release of the first program, and its profile.
func (in *Installation) findRelease() {
	f := &in.found
	if !f.Programs.Known() || len(f.Programs.Value) == 0 {
		why := f.Programs.Unknown
		if why == "" {
			why = f.Programs.From
		}
		f.Release, f.Profile = unknown[nixconf.Release](why), unknown[string](why)
		f.Release.Root, f.Profile.Root = f.Programs.Root, f.Programs.Root
		return
	}
	first := f.Programs.Value[0]
	f.Release = fact(first.Release, first.From)
	if first.Unknown != "" {
		f.Release = Fact[nixconf.Release]{Value: first.Release, Unknown: first.Unknown}
	}
	f.Profile = fact("", first.Path)
	if dir := path.Dir(first.Path); !slices.Contains([]string{"/usr/bin", "/usr/local/bin"}, dir) {
		f.Profile.Value = path.Dir(dir)
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
