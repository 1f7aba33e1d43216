package installation

import (
	"context"
	"path"
	"strings"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/pattern"
)

// pack is a package of a distribution.
type pack struct {
	name    string // "Debian package nix-bin"
	release nixconf.Release
	from    string
	unknown string // why its version is not known
}

// owned are the packages that distributions have of Nix and Lix.
var owned = []string{"nix-bin", "nix", "lix"}

// packages asks the databases of distributions.
type packages struct {
	host
	known map[string]pack // by the names of programs
}

// of returns the package of a program that is not in the store.
func (d *packages) of(ctx context.Context, name, to string) (pack, bool) {
	if strings.HasPrefix(to, StoreDir+"/") || !strings.HasPrefix(name, "/usr/") {
		return pack{}, false
	}
	p, known := d.known[name]
	if !known {
		p = d.find(ctx, name)
		d.known[name] = p
	}
	return p, p.name != ""
}

// find is the package that a program belongs to; without a name where no database knows it.
func (d *packages) find(ctx context.Context, name string) pack {
	for _, ask := range []func(context.Context, string) (pack, bool){d.dpkg, d.pacman, d.apk, d.portage, d.rpm} {
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
	r.Version = upstream(version)
	return r
}

// upstream is what a version begins with: two numbers or more with dots between them; "" where it does not.
func upstream(version string) string {
	end, numbers := 0, 0
	for rest := version; ; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		if digits == 0 {
			break
		}
		end, numbers = len(version)-len(rest)+digits, numbers+1
		var more bool
		if rest, more = strings.CutPrefix(rest[digits:], "."); !more {
			break
		}
	}
	if numbers < 2 {
		return ""
	}
	return version[:end]
}

// stanza returns the fields of one entry of a file of paragraphs, where a field of a name has a value.
func (d *packages) stanza(ctx context.Context, file, field, value, separator string) (map[string]string, error) {
	data, err := platform.ReadParagraph(ctx, d.v, file, field+separator+value)
	fields := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if name, text, ok := strings.Cut(strings.TrimRight(line, "\n"), separator); ok && name != "" && name[0] != ' ' {
			fields[name] = text
		}
	}
	return fields, err
}

// dpkg asks the database of Debian and what comes from it (dpkg-query(1)).
func (d *packages) dpkg(ctx context.Context, name string) (pack, bool) {
	const dir = "/var/lib/dpkg"
	for _, p := range owned {
		list := dir + "/info/" + p + ".list"
		data, err := platform.ReadSmall(ctx, d.v, list)
		if err != nil || !strings.Contains("\n"+string(data), "\n"+name+"\n") {
			continue
		}
		out := pack{name: "Debian package " + p, release: released(p, ""), from: list}
		fields, err := d.stanza(ctx, dir+"/status", "Package", p, ": ")
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
func (d *packages) pacman(ctx context.Context, _ string) (pack, bool) {
	return d.named(ctx, "/var/lib/pacman/local", pacmanForm, "Arch Linux")
}

var portageForm = pattern.New(`^(nix|lix)-(\d.*)$`)

// portage asks the database of Gentoo.
func (d *packages) portage(ctx context.Context, _ string) (pack, bool) {
	return d.named(ctx, "/var/db/pkg/sys-apps", portageForm, "Gentoo")
}

// named finds a package by the name of its directory.
func (d *packages) named(ctx context.Context, dir string, form *pattern.Pattern, distribution string) (pack, bool) {
	names, err := d.v.ReadDir(ctx, dir)
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
func (d *packages) apk(ctx context.Context, _ string) (pack, bool) {
	for _, file := range []string{"/usr/lib/apk/db/installed", "/lib/apk/db/installed"} {
		for _, p := range owned {
			fields, err := d.stanza(ctx, file, "P", p, ":")
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
func (d *packages) rpm(ctx context.Context, name string) (pack, bool) {
	db := d.any(ctx, "/usr/lib/sysimage/rpm/rpmdb.sqlite", "/var/lib/rpm/rpmdb.sqlite", "/var/lib/rpm/Packages.db", "/var/lib/rpm/Packages")
	if db == "" || strings.HasPrefix(name, "/usr/local/") {
		return pack{}, false
	}
	return pack{name: "distribution's package", from: db, unknown: "it is in " + db + ", which only rpm can read"}, true
}
