package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// Target is a system that a release is made for, in Go's words.
type Target struct {
	OS, Arch string
}

func (t Target) String() string { return t.OS + "-" + t.Arch }

func targets() []Target {
	return []Target{{"darwin", "amd64"}, {"darwin", "arm64"}, {"linux", "amd64"}, {"linux", "arm64"}}
}

// Dist is how a release is made.
type Dist struct {
	Out        string
	Version    string
	Time       time.Time // of every file in it
	SignDarwin string    // command that signs a program for macOS, "" for none
	Packages   bool
	Targets    []Target
	Log        io.Writer

	nfpm string // the program that makes packages, built if empty
}

// helper builds a Go program that runs here. It is the same whatever the environment says, and shares what is compiled
// with the program of this system.
func helper(ctx context.Context, program string, args ...string) error {
	env := []string{
		"CGO_ENABLED=0", "GOOS=", "GOARCH=", "GOAMD64=", "GOARM64=", "GOFLAGS=", "GOEXPERIMENT=", "GOWORK=off", "GOFIPS140=off", "GODEBUG=",
	}
	_, err := tool(ctx, env, "go", append([]string{"build", "-trimpath", "-buildvcs=false", "-o", program}, args...)...)
	return err
}

// packager builds nfpm(1).
func packager(ctx context.Context, program string) error {
	return helper(ctx, program, "-modfile=scripts/release.mod", "github.com/goreleaser/nfpm/v2/cmd/nfpm")
}

// versionForm keeps a version usable in file names, in packages and in the list that install.sh reads.
var versionForm = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$`)

// Make makes the release. What was in the directory before is removed, if it was a release.
func (d *Dist) Make(ctx context.Context) error {
	if !versionForm.MatchString(d.Version) {
		return fmt.Errorf("%q is not a version such as 1.2.3 or 1.2.3-rc.1", d.Version)
	}
	if err := emptied(d.Out); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "lixfix-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	writer := filepath.Join(work, "gendocs")
	if err := helper(ctx, writer, "./cmd/gendocs"); err != nil {
		return err
	}
	shared, err := d.documents(ctx, writer, filepath.Join(work, "docs"))
	if err != nil {
		return err
	}
	if err := d.site(ctx, writer, filepath.Join(work, "site")); err != nil {
		return err
	}
	if d.Packages && d.nfpm == "" {
		d.nfpm = filepath.Join(work, "nfpm")
		if err := packager(ctx, d.nfpm); err != nil {
			return err
		}
	}
	for _, t := range d.Targets {
		program := filepath.Join(work, t.String())
		if err := d.build(ctx, t, program); err != nil {
			return err
		}
		if err := d.pack(ctx, t, program, shared); err != nil {
			return err
		}
	}
	if err := d.formula(); err != nil {
		return err
	}
	return writeSums(d.Out)
}

// emptied makes sure that dir exists and is empty. It refuses to remove what no release has.
func emptied(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !regexp.MustCompile(`^(lixfix[-_].*\.(tar\.gz|deb|rpm)|lixfix\.rb|SHA256SUMS(\.sig)?|install\.sh)$`).MatchString(e.Name()) {
			return fmt.Errorf("%s holds %s, which is not part of a release; name another directory", dir, e.Name())
		}
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// build links a program. The variables that would change its bytes are set, whatever the environment says.
func (d *Dist) build(ctx context.Context, t Target, program string) error {
	env := []string{
		"CGO_ENABLED=0", "GOOS=" + t.OS, "GOARCH=" + t.Arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOEXPERIMENT=",
		"GOWORK=off", "GOFIPS140=off", "GODEBUG=",
	}
	if _, err := tool(ctx, env, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X main.version="+d.Version, "-o", program, "./cmd/lixfix"); err != nil {
		return err
	}
	if t.OS == "darwin" && d.SignDarwin != "" {
		if _, err := tool(ctx, nil, "sh", "-c", d.SignDarwin+` "$1"`, "sh", program); err != nil {
			return fmt.Errorf("sign the program for %s: %w", t, err)
		}
	}
	return nil
}

// documents returns what is the same for all systems.
func (d *Dist) documents(ctx context.Context, writer, work string) ([]File, error) {
	if _, err := tool(ctx, nil, writer, "-out", work, "-version", d.Version,
		"-date", d.Time.Format(time.DateOnly)); err != nil {
		return nil, err
	}
	files, err := tree(work)
	if err != nil {
		return nil, err
	}
	for source, name := range map[string]string{
		"CHANGELOG.md": "CHANGELOG.md", "LICENSE": "LICENSE", "README.md": "README.md",
		"scripts/installer-hook.sh":           "integration/installer-hook.sh",
		"scripts/macos-postinstall.sh":        "integration/macos-postinstall.sh",
		"scripts/prometheus/lixfix.rules.yml": "integration/lixfix.rules.yml",
	} {
		data, err := os.ReadFile(source)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Name: name, Mode: 0o644, Data: data})
	}
	return files, nil
}

// site packs the knowledge base, to be read offline or put on a server.
func (d *Dist) site(ctx context.Context, writer, work string) error {
	if _, err := tool(ctx, nil, writer, "-site", work, "-version", d.Version); err != nil {
		return err
	}
	files, err := tree(work)
	if err != nil {
		return err
	}
	return d.write("lixfix-"+d.Version+"-site", files)
}

// tree reads the files below a directory.
func tree(dir string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		files = append(files, File{Name: filepath.ToSlash(rel), Mode: 0o644, Data: data})
		return nil
	})
	return files, err
}

// pack makes the archive and the packages of one program.
func (d *Dist) pack(ctx context.Context, t Target, program string, shared []File) error {
	sbom, err := billOfMaterials(program, d.Version, d.Time)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	files := append(slices.Clone(shared),
		File{Name: "lixfix", Mode: 0o755, Data: data},
		File{Name: "lix-fix", Target: "lixfix"},
		File{Name: "sbom.cdx.json", Mode: 0o644, Data: sbom})
	slices.SortFunc(files, func(a, b File) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	if err := d.write("lixfix-"+d.Version+"-"+t.String(), files); err != nil {
		return err
	}
	if t.OS == "linux" && d.Packages {
		return d.packages(ctx, t, files)
	}
	return nil
}

// write writes an archive.
func (d *Dist) write(name string, files []File) error {
	packed, err := archive(name, files, d.Time)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(d.Out, name+".tar.gz"), packed, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(d.Log, "%s.tar.gz: %d bytes\n", name, len(packed))
	return nil
}
