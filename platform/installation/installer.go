package installation

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/pattern"
	"github.com/lixfix/lixfix/platform/receipt"
)

const receiptFile = receipt.File

// Installers, to follow "installed by".
const (
	LixInstaller = "the Lix installer"
	// NixInstaller is that of Determinate Systems, where it installs plain Nix, and its fork of the Nix project: their
	// receipts are alike.
	NixInstaller = "nix-installer"
	Determinates = "the installer of Determinate Systems"
	Script       = "the script installer of the Nix project"
	NixOS        = "NixOS"
)

// gone reports whether an error proves that there is no such name.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) }

// installer finds out who installed Nix. The receipt comes first: the only one that says so itself.
func (in *Installation) installer(ctx context.Context) Fact[string] {
	f := &in.found
	if f.Manager.Value == NixOS {
		return fact(NixOS, f.Manager.From)
	}
	if i, ok := in.receipt(ctx); ok {
		return i
	}
	if len(f.Programs.Value) > 0 {
		if pack, ok := in.packaged(ctx, f.Programs.Value[0].Path, f.Programs.Value[0].Real); ok {
			return fact("the "+pack.name, pack.from)
		}
	}
	// What the script moves away, and no other installer does under this name without a receipt.
	for _, rc := range []string{"/etc/bashrc", "/etc/bash.bashrc", "/etc/profile.d/nix.sh", "/etc/zshrc", "/etc/zsh/zshrc"} {
		if name := in.any(ctx, rc+".backup-before-nix"); name != "" {
			return fact(Script, name)
		}
	}
	if f.Mode.Known() && f.Mode.Value == SingleUser && f.Owner.Known() && f.Owner.Value.UID != 0 {
		return fact(Script, f.Owner.From+": only the script gives a store to a user")
	}
	return unknown[string]("nothing here says so: neither " + receiptFile + ", nor a package database, nor the files that the script installer moves away")
}

// receipt asks the receipt. Its shape changed often; few fields are looked at, and none of them has to be there.
func (in *Installation) receipt(ctx context.Context) (Fact[string], bool) {
	data, err := in.v.ReadFile(ctx, receiptFile)
	switch {
	case gone(err):
		return Fact[string]{}, false
	case err != nil:
		return Fact[string]{Unknown: err.Error(), Root: in.private(err)}, true
	}
	var r struct {
		Planner struct {
			Settings map[string]json.RawMessage `json:"settings"`
		} `json:"planner"`
		Actions json.RawMessage `json:"actions"`
	}
	if json.Unmarshal(data, &r) != nil || r.Actions == nil {
		return unknown[string](receiptFile + " is not a receipt that lixfix understands"), true
	}
	// Lix's installer alone asks whether to enable flakes; nix-darwin tells the two apart in the same way.
	_, lix := r.Planner.Settings["enable_flakes"]
	switch {
	case lix, in.any(ctx, "/nix/lix-installer") != "":
		return fact(LixInstaller, receiptFile), true
	case string(r.Planner.Settings["determinate_nix"]) == "true":
		return fact(Determinates, receiptFile), true
	case in.any(ctx, "/usr/local/bin/determinate-nixd") != "":
		return fact(Determinates, receiptFile+", /usr/local/bin/determinate-nixd"), true
	}
	return fact(NixInstaller, receiptFile), true
}

// pack is a package of a distribution.
type pack struct {
	name    string // "Debian package nix-bin"
	release nixconf.Release
	from    string
	unknown string // why its version is not known
}

// owned are the packages that distributions have of Nix and Lix.
var owned = []string{"nix-bin", "nix", "lix"}

// packaged asks the databases of distributions for a program that is not in the store.
func (in *Installation) packaged(ctx context.Context, name, to string) (pack, bool) {
	if strings.HasPrefix(to, StoreDir+"/") || !strings.HasPrefix(name, "/usr/") {
		return pack{}, false
	}
	p, known := in.packs[name]
	if !known {
		p = in.packOf(ctx, name)
		in.packs[name] = p
	}
	return p, p.name != ""
}

// packOf is the package that a program belongs to; without a name where no database knows it.
func (in *Installation) packOf(ctx context.Context, name string) pack {
	for _, ask := range []func(context.Context, string) (pack, bool){in.dpkg, in.pacman, in.apk, in.portage, in.rpm} {
		if p, ok := ask(ctx, name); ok {
			return p
		}
	}
	return pack{}
}

// released is the release in a version of a package: of "2.8.0+dfsg1-1.1+b1", 2.8.0.
func released(name, version string) nixconf.Release {
	r := nixconf.Release{Implementation: nixconf.Nix}
	if strings.HasPrefix(name, "lix") {
		r.Implementation = nixconf.Lix
	}
	if _, rest, epoch := strings.Cut(version, ":"); epoch {
		version = rest
	}
	r.Version = upstream.FindString(version)
	return r
}

var upstream = pattern.New(`^\d+(\.\d+)+`)

// stanza returns the fields of one entry of a file of paragraphs, where a field of a name has a value.
func (in *Installation) stanza(ctx context.Context, file, field, value, separator string) (map[string]string, error) {
	data, err := platform.ReadParagraph(ctx, in.v, file, field+separator+value)
	fields := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if name, text, ok := strings.Cut(strings.TrimRight(line, "\n"), separator); ok && name != "" && name[0] != ' ' {
			fields[name] = text
		}
	}
	return fields, err
}

// dpkg asks the database of Debian and what comes from it (dpkg-query(1)).
func (in *Installation) dpkg(ctx context.Context, name string) (pack, bool) {
	const dir = "/var/lib/dpkg"
	for _, p := range owned {
		list := dir + "/info/" + p + ".list"
		data, err := platform.ReadSmall(ctx, in.v, list)
		if err != nil || !strings.Contains("\n"+string(data), "\n"+name+"\n") {
			continue
		}
		out := pack{name: "Debian package " + p, release: released(p, ""), from: list}
		fields, err := in.stanza(ctx, dir+"/status", "Package", p, ": ")
		if err != nil {
			out.unknown = err.Error()
			return out, true
		}
		if out.release = released(p, fields["Version"]); out.release.Version == "" {
			out.unknown = dir + "/status has no version of " + p
			return out, true
		}
		out.from = dir + "/status"
		return out, true
	}
	return pack{}, false
}

// pacmanForm is a directory of pacman's: a name, a version and a number of the build.
var pacmanForm = pattern.New(`^(nix|lix)-(\d[^-]*)-[0-9.]+$`)

// pacman asks the database of Arch Linux and what comes from it.
func (in *Installation) pacman(ctx context.Context, _ string) (pack, bool) {
	return in.named(ctx, "/var/lib/pacman/local", pacmanForm, "Arch Linux")
}

var portageForm = pattern.New(`^(nix|lix)-(\d.*)$`)

// portage asks the database of Gentoo.
func (in *Installation) portage(ctx context.Context, _ string) (pack, bool) {
	return in.named(ctx, "/var/db/pkg/sys-apps", portageForm, "Gentoo")
}

// named finds a package by the name of its directory.
func (in *Installation) named(ctx context.Context, dir string, form *pattern.Pattern, distribution string) (pack, bool) {
	names, err := in.v.ReadDir(ctx, dir)
	if err != nil {
		return pack{}, false
	}
	for _, n := range names {
		if m := form.FindStringSubmatch(n); m != nil {
			return pack{name: distribution + " package " + m[1], release: released(m[1], m[2]), from: path.Join(dir, n)}, true
		}
	}
	return pack{}, false
}

// apk asks the database of Alpine Linux.
func (in *Installation) apk(ctx context.Context, _ string) (pack, bool) {
	for _, file := range []string{"/usr/lib/apk/db/installed", "/lib/apk/db/installed"} {
		for _, p := range owned {
			fields, err := in.stanza(ctx, file, "P", p, ":")
			if err != nil {
				break
			}
			if len(fields) > 0 {
				return pack{name: "Alpine Linux package " + p, release: released(p, fields["V"]), from: file}, true
			}
		}
	}
	return pack{}, false
}

// rpm knows whether there is a database of packages. What is in it, rpm(8) alone reads.
func (in *Installation) rpm(ctx context.Context, name string) (pack, bool) {
	db := in.any(ctx, "/usr/lib/sysimage/rpm/rpmdb.sqlite", "/var/lib/rpm/rpmdb.sqlite", "/var/lib/rpm/Packages.db", "/var/lib/rpm/Packages")
	if db == "" || strings.HasPrefix(name, "/usr/local/") {
		return pack{}, false
	}
	return pack{name: "distribution's package", from: db, unknown: "it is in " + db + ", which only rpm can read"}, true
}
