package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// nfpmConfig is what nfpm(1) needs to know of a package. JSON is YAML too.
type nfpmConfig struct {
	Name          string        `json:"name"`
	Arch          string        `json:"arch"`
	Platform      string        `json:"platform"`
	Version       string        `json:"version"`
	VersionSchema string        `json:"version_schema"`
	Release       string        `json:"release"`
	Section       string        `json:"section"`
	Priority      string        `json:"priority"`
	Maintainer    string        `json:"maintainer"`
	Description   string        `json:"description"`
	Homepage      string        `json:"homepage"`
	License       string        `json:"license"`
	MTime         string        `json:"mtime"`
	Contents      []nfpmContent `json:"contents"`
	Scripts       struct {
		PreRemove string `json:"preremove"`
	} `json:"scripts"`
	Deb struct {
		Compression string `json:"compression"`
	} `json:"deb"`
	RPM struct {
		BuildHost   string `json:"buildhost"`
		Summary     string `json:"summary"`
		Compression string `json:"compression"`
	} `json:"rpm"`
}

type nfpmContent struct {
	Source   string    `json:"src"`
	Dest     string    `json:"dst"`
	Type     string    `json:"type,omitempty"`
	FileInfo *nfpmFile `json:"file_info,omitempty"`
}

type nfpmFile struct {
	Mode  int    `json:"mode"`
	Owner string `json:"owner"`
	Group string `json:"group"`
	MTime string `json:"mtime"`
}

const (
	summary    = "Find and repair known issues of Lix and Nix installations"
	maintainer = "The lixfix authors <lixfix@users.noreply.github.com>"
)

// leave takes the scheduled check away before the program that it runs. Debian calls it with "remove", and RPM with the
// number of versions that stay.
const leave = `#!/bin/sh
set -e
unit=/etc/systemd/system/lixfix-check.service
case ${1-} in
remove | 0)
	if grep -q '^ExecStart=/usr/bin/lixfix ' "$unit" 2>/dev/null && ! /usr/bin/lixfix schedule remove --yes --limit 1m; then
		echo "lixfix: could not remove the scheduled check; disable lixfix-check.service and delete $unit yourself" >&2
	fi
	;;
esac
`

// overrides tell lintian(1) what is meant to be so.
const overrides = `# It has to run on broken hosts, and is its own builder in the sandbox of Nix.
lixfix: statically-linked-binary [usr/bin/lixfix]
# It finds out which package Nix came with, without running a program.
lixfix: uses-dpkg-database-directly [usr/bin/lixfix]
# It is not in Debian, so there is no bug to close.
lixfix: initial-upload-closes-no-bugs *
# Another lixfix can come first on root's PATH.
lixfix: command-with-path-in-maintainer-script /usr/bin/lixfix *
`

// onlyDebian are the files that Debian's policy asks for beside those of the archive.
func (d *Dist) onlyDebian() []File {
	// As nfpm spells a version of semver.
	version, build, _ := strings.Cut(d.Version, "+")
	version = strings.Replace(version, "-", "~", 1)
	if build != "" {
		version += "+" + build
	}
	version += "-1"
	entry := "lixfix (" + version + ") unstable; urgency=medium\n\n  * Release. changelog.gz lists what has changed.\n\n -- " +
		maintainer + "  " + d.Time.Format(time.RFC1123Z) + "\n"
	return []File{
		{Name: "changelog.Debian", Mode: 0o644, Data: []byte(entry)},
		{Name: "overrides", Mode: 0o644, Data: []byte(overrides)},
	}
}

// packages makes the Debian and the RPM package.
func (d *Dist) packages(ctx context.Context, t Target, files []File) error {
	for _, format := range []string{"deb", "rpm"} {
		work, err := os.MkdirTemp("", "lixfix-package-")
		if err != nil {
			return err
		}
		err = d.onePackage(ctx, t, files, format, work)
		os.RemoveAll(work)
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Dist) onePackage(ctx context.Context, t Target, files []File, format, work string) error {
	stamp := d.Time.Format(time.RFC3339)
	c := nfpmConfig{
		Name: "lixfix", Arch: t.Arch, Platform: "linux", Version: d.Version, VersionSchema: "semver", Release: "1",
		Section: "admin", Priority: "optional", Maintainer: maintainer,
		Description: summary + "\n\"lixfix check\" only looks. \"lixfix repair\" shows its plan and asks before it\n" +
			"changes anything, and \"lixfix undo\" takes a repair back.",
		Homepage: "https://github.com/lixfix/lixfix", License: "MIT", MTime: stamp,
	}
	c.RPM.BuildHost, c.RPM.Summary = "lixfix", summary
	c.Deb.Compression = fmt.Sprintf("gzip:%d", level)
	c.RPM.Compression = c.Deb.Compression
	c.Scripts.PreRemove = filepath.Join(work, "leave")
	if err := os.WriteFile(c.Scripts.PreRemove, []byte(leave), 0o600); err != nil {
		return err
	}
	if format == "deb" {
		files = slices.Concat(files, d.onlyDebian())
	}
	// The other name of the program has the same page.
	files = append(slices.Clone(files), File{Name: "man/lix-fix.1", Target: "lixfix.1.gz"})
	for i, f := range files {
		dest := placeOf(f.Name, format)
		if dest == "" {
			continue
		}
		if f.Target != "" {
			c.Contents = append(c.Contents, nfpmContent{Source: f.Target, Dest: dest, Type: "symlink", FileInfo: &nfpmFile{0o777, "root", "root", stamp}})
			continue
		}
		data := f.Data
		if strings.HasSuffix(dest, ".gz") {
			var err error
			if data, err = compressed(data); err != nil {
				return err
			}
		}
		source := filepath.Join(work, strconv.Itoa(i))
		if err := os.WriteFile(source, data, 0o600); err != nil {
			return err
		}
		c.Contents = append(c.Contents, nfpmContent{Source: source, Dest: dest, FileInfo: &nfpmFile{int(f.Mode), "root", "root", stamp}})
	}
	config, err := json.Marshal(c)
	if err != nil {
		return err
	}
	file := filepath.Join(work, "nfpm.yaml")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return err
	}
	env := []string{"SOURCE_DATE_EPOCH=" + strconv.FormatInt(d.Time.Unix(), 10)}
	name := fmt.Sprintf("lixfix_%s_%s.%s", d.Version, t.Arch, format)
	if _, err := tool(ctx, env, d.nfpm, "package", "--config", file,
		"--packager", format, "--target", filepath.Join(d.Out, name)); err != nil {
		return err
	}
	fmt.Fprintln(d.Log, name)
	return nil
}

// placeOf says where a file of the archive belongs in a package, "" for nowhere.
func placeOf(name, format string) string {
	base := path.Base(name)
	switch {
	case name == "lixfix", name == "lix-fix":
		return "/usr/bin/" + name
	case strings.HasPrefix(name, "man/"):
		section := strings.TrimPrefix(path.Ext(base), ".")
		return "/usr/share/man/man" + section + "/" + base + ".gz"
	case name == "completions/lixfix.bash":
		return "/usr/share/bash-completion/completions/lixfix"
	case name == "completions/_lixfix" && format == "deb":
		return "/usr/share/zsh/vendor-completions/_lixfix"
	case name == "completions/_lixfix":
		return "/usr/share/zsh/site-functions/_lixfix"
	case name == "completions/lixfix.fish":
		return "/usr/share/fish/vendor_completions.d/lixfix.fish"
	case name == "LICENSE" && format == "deb":
		return "/usr/share/doc/lixfix/copyright"
	case name == "LICENSE":
		return "/usr/share/licenses/lixfix/LICENSE"
	case name == "CHANGELOG.md" && format == "deb":
		return "/usr/share/doc/lixfix/changelog.gz"
	case name == "changelog.Debian":
		return "/usr/share/doc/lixfix/changelog.Debian.gz"
	case name == "overrides":
		return "/usr/share/lintian/overrides/lixfix"
	case name == "integration/macos-postinstall.sh":
		return "/usr/share/doc/lixfix/examples/" + base
	case strings.HasPrefix(name, "integration/"):
		return "/usr/share/lixfix/" + base
	}
	return "/usr/share/doc/lixfix/" + base
}
