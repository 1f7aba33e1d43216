// Package installation finds out what Nix is on a host: which implementation and version, who installed it, where it
// is, how its daemon is started, and what it is configured to do. It only reads files, and runs no tool.
//
// One Installation is the survey that all of lixfix shares. Its parts are read when they are first asked for, and once.
// Each fact says where it was read, or why it is not known. What is not known is never taken for absent, and never for
// a default.
package installation

import (
	"context"
	"sync"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/accounts"
	"github.com/lixfix/lixfix/platform/nixconf"
)

// Fact is something that was read, or why it is not known.
type Fact[T any] struct {
	Value   T
	From    string // where it was read: a file, or what follows from which; "" where it is not known
	Unknown string // why it is not known
	Root    bool   // it is not known, and root could tell
}

// Known reports whether the value is what the host has.
func (f Fact[T]) Known() bool { return f.Unknown == "" && f.From != "" }

func fact[T any](value T, from string) Fact[T] { return Fact[T]{Value: value, From: from} }

func unknown[T any](why string) Fact[T] { return Fact[T]{Unknown: why} }

// Mode says who writes to the store.
type Mode string

// Modes of an installation.
const (
	MultiUser  Mode = "multi-user"  // a daemon does, for everybody
	SingleUser Mode = "single-user" // one user does, who owns the store
)

// Program is one of Nix's, where a profile or a distribution has it.
type Program struct {
	Path    string          // "/nix/var/nix/profiles/default/bin/nix"
	Real    string          // without links on the way: "/nix/store/…-lix-2.95.1/bin/nix"; "" where that is not known
	Release nixconf.Release // as the name of its store path, or the database of the distribution, has it
	From    string          // where that was read
	Unknown string          // why the release is not known
}

// Daemon is how a daemon of Nix is started.
type Daemon struct {
	Kind    string          // "systemd" or "launchd"
	Files   []string        // its units, or the property list of its job, as they are found
	Label   string          // of the job
	Program string          // as the unit or the job has it
	Release nixconf.Release // as the name of the program has it; zero where that does not tell

	// environment has the variables that decide about the configuration.
	environment map[string]string
	files       []environmentFile
	unread      []nixconf.Gap // that can set any of them
}

// Group is who builds.
type Group struct {
	Name  string          // "" where builds run as whoever asked for them
	GID   int             // -1 where there is no such group
	Users []accounts.User // its members that exist, in its order
	Lost  []string        // members without an account
}

// Found is what was found of the installation itself.
type Found struct {
	Present   Fact[bool]
	Leftovers []string // what a Nix that is gone has left, where there is none
	Programs  Fact[[]Program]
	Release   Fact[nixconf.Release] // of the first program
	Installer Fact[string]          // "the Lix installer"
	Manager   Fact[string]          // "NixOS", "nix-darwin", "" for nobody
	Mode      Fact[Mode]
	Owner     Fact[Owner]  // of a store in single-user mode
	Profile   Fact[string] // the directory of the profile that the programs are in; "" for a distribution's
	Store     Fact[string] // the directory
	State     Fact[string] // the directory
	Daemon    Fact[*Daemon]
	Socket    Fact[string] // "" where there is none
}

// Owner is the user who owns a store.
type Owner struct {
	UID        int
	Name, Home string // as /etc/passwd has them
}

// Installation is the survey of one host. How its parts are found out is up to find, package nixconf and builders.
type Installation struct {
	v     platform.View
	users *users

	look   sync.Once
	found  Found
	load   sync.Once
	config *nixconf.Config
	group  sync.Once
	build  Fact[Group]
}

// At returns the survey of a host. Nothing is read yet.
func At(v platform.View) *Installation {
	return &Installation{v: v, users: &users{host: host{v}}}
}

type sharedKey struct{}

// Share returns a context in which every Of answers with this survey. It is made anew for each look at the host: what
// was read before a repair is not true after it.
func Share(ctx context.Context, in *Installation) context.Context {
	return context.WithValue(ctx, sharedKey{}, in)
}

// Of returns the survey that the context shares, or else a new one. So does a context of platform.Fresh.
func Of(ctx context.Context, v platform.View) *Installation {
	if in, ok := ctx.Value(sharedKey{}).(*Installation); ok && !platform.IsFresh(ctx) {
		return in
	}
	return At(v)
}

// Found returns what Nix is here.
func (in *Installation) Found(ctx context.Context) *Found {
	// Who asks first may be short of time; every read has a limit of its own, and the answer is for all.
	in.look.Do(func() { in.found = find(context.WithoutCancel(ctx), host{in.v}, in.users) })
	return &in.found
}

// Config returns the configuration of who writes to the store: the daemon, or the owner of a single-user installation.
//
// Those are the variables in the daemon's unit or job, /etc/nix/nix.conf or what NIX_CONF_DIR names there, the files of
// root or of the owner, and NIX_CONFIG. What a person sets for their own commands is not in it: it says nothing of the
// host. The release that reads it is the daemon's, where that is known, else that of the programs.
func (in *Installation) Config(ctx context.Context) *nixconf.Config {
	in.load.Do(func() {
		ctx := context.WithoutCancel(ctx)
		in.config = nixconf.Load(ctx, in.v, in.sources(ctx), in.Reader(ctx))
	})
	return in.config
}

// Reader is the release that reads the configuration: the daemon's, where that is known, else that of the programs.
func (in *Installation) Reader(ctx context.Context) nixconf.Release {
	f := in.Found(ctx)
	if d := f.Daemon.Value; d != nil && d.Release.Implementation != "" {
		return d.Release
	}
	return f.Release.Value
}

func (in *Installation) sources(ctx context.Context) nixconf.Sources {
	f := in.Found(ctx)
	s := nixconf.Sources{Root: true, OS: in.v.Facts().OS, Home: in.users.rootHome(ctx)}
	var env map[string]string
	switch {
	case f.Daemon.Value != nil:
		env, s.Unread = f.Daemon.Value.environment, f.Daemon.Value.unread
	case f.Mode.Value == SingleUser && f.Owner.Known() && f.Owner.Value.UID != 0:
		s.Root, s.Home = false, f.Owner.Value.Home
	}
	if home := env["HOME"]; home != "" {
		s.Home = home
	}
	s.Dir, s.Inline, s.Remote = env["NIX_CONF_DIR"], env["NIX_CONFIG"], env["NIX_REMOTE"]
	s.User = nixconf.UserFiles(s.Home, env)
	return s
}

// Builders returns the group whose members builds run as. Accounts of a Mac are in its directory service, where package
// dscl reads them; of the group, its name alone is known there.
func (in *Installation) Builders(ctx context.Context) Fact[Group] {
	in.group.Do(func() { in.build = in.builders(context.WithoutCancel(ctx)) })
	return in.build
}

func (in *Installation) builders(ctx context.Context) Fact[Group] {
	e := in.Config(ctx).Get("build-users-group")
	if !e.Known() {
		return unknown[Group](e.Unknown)
	}
	from := e.Origins[len(e.Origins)-1].String()
	g := Group{Name: e.Text, GID: -1}
	switch {
	case g.Name == "":
		return fact(g, from)
	case in.v.Facts().OS == platform.Darwin:
		return Fact[Group]{Value: g, Unknown: "the accounts of a Mac are in its directory service"}
	}
	data, err := in.v.ReadFile(ctx, accounts.GroupFile)
	if err != nil {
		return Fact[Group]{Value: g, Unknown: err.Error()}
	}
	group, ok := accounts.GroupByName(accounts.Groups(data), g.Name)
	if !ok {
		return fact(g, from+", "+accounts.GroupFile)
	}
	g.GID = group.GID
	for _, name := range group.Members {
		if u, ok := accounts.ByName(in.users.all(ctx), name); ok {
			g.Users = append(g.Users, u)
		} else {
			g.Lost = append(g.Lost, name)
		}
	}
	return fact(g, from+", "+accounts.GroupFile)
}
