package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const testVersion = "1.2.3-rc.1"

// built is the release that the tests share.
type built struct {
	dir  string
	key  string
	nfpm string // what its packages were made with
	err  error
}

var release = sync.OnceValue(func() built {
	b := built{dir: filepath.Join(scratch, "dist"), key: filepath.Join(scratch, "key"), nfpm: filepath.Join(scratch, "nfpm")}
	ctx := context.Background()
	if b.err = packager(ctx, b.nfpm); b.err != nil {
		return b
	}
	d := Dist{
		Out: b.dir, Version: testVersion, Time: time.Unix(1_750_000_000, 0).UTC(), Packages: true, Targets: targets(),
		// Stands for codesign: it says which program it was given.
		SignDarwin: "echo signed >>", Log: io.Discard, nfpm: b.nfpm,
	}
	if b.err = d.Make(ctx); b.err != nil {
		return b
	}
	if _, b.err = tool(ctx, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", b.key); b.err != nil {
		return b
	}
	b.err = Sign(ctx, b.dir, b.key)
	return b
})

func theRelease(t *testing.T) built {
	t.Helper()
	b := release()
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b
}

// copyOf copies the release, for a test that spoils it.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

type packed struct {
	header *tar.Header
	data   []byte
}

func unpack(t *testing.T, name string) map[string]packed {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]packed{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		_, short, _ := strings.Cut(h.Name, "/")
		all[short] = packed{h, data}
	}
}

func archiveName(dir string, t Target) string {
	return filepath.Join(dir, "lixfix-"+testVersion+"-"+t.String()+".tar.gz")
}

// The knowledge base is an archive of its own.
func TestSite(t *testing.T) {
	b := theRelease(t)
	files := unpack(t, filepath.Join(b.dir, "lixfix-"+testVersion+"-site.tar.gz"))
	for _, name := range []string{"index.html", "search.js", "data.js", "style.css", "fixes/sequoia.html", "findings/sequoia-users-missing.html"} {
		if len(files[name].data) == 0 {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestArchives(t *testing.T) {
	b := theRelease(t)
	for _, target := range targets() {
		t.Run(target.String(), func(t *testing.T) {
			files := unpack(t, archiveName(b.dir, target))
			for _, name := range []string{
				"LICENSE", "README.md", "CHANGELOG.md", "sbom.cdx.json", "lixfix", "man/lixfix.1", "man/lixfix-check.1",
				"man/lixfix-repair-sequoia.1", "man/lixfix-sequoia.7", "completions/_lixfix", "completions/lixfix.bash", "completions/lixfix.fish",
				"integration/installer-hook.sh", "integration/macos-postinstall.sh",
				"integration/lixfix.rules.yml",
			} {
				if len(files[name].data) == 0 {
					t.Errorf("%s is missing", name)
				}
			}
			if files["lix-fix"].header == nil || files["lix-fix"].header.Linkname != "lixfix" {
				t.Error("lix-fix is no link to lixfix")
			}
			for name, f := range files {
				h := f.header
				if h.Uid != 0 || h.Gid != 0 || h.Uname != "root" || h.ModTime.Unix() != 1_750_000_000 {
					t.Errorf("%s: %+v", name, h)
				}
			}
			if signed := bytes.HasSuffix(files["lixfix"].data, []byte("signed\n")); signed != (target.OS == "darwin") {
				t.Errorf("signed: %v", signed)
			}
			if target.OS == "linux" {
				e, err := elf.NewFile(bytes.NewReader(files["lixfix"].data))
				if err != nil {
					t.Fatal(err)
				}
				if libs, _ := e.ImportedLibraries(); len(libs) > 0 || e.Section(".symtab") != nil {
					t.Errorf("the program is not static and stripped: %v", libs)
				}
			}
			root, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(files["lixfix"].data, []byte(root)) {
				t.Error("the program holds the path it was built in")
			}
		})
	}
}

func TestBillOfMaterials(t *testing.T) {
	b := theRelease(t)
	files := unpack(t, archiveName(b.dir, here()))
	var got bom
	if err := json.Unmarshal(files["sbom.cdx.json"].data, &got); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.Read(bytes.NewReader(files["lixfix"].data))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"stdlib@" + info.GoVersion}
	for _, m := range info.Deps {
		want = append(want, m.Path+"@"+m.Version)
	}
	var names []string
	refs := map[string]bool{}
	for _, c := range got.Components {
		names = append(names, c.Name+"@"+c.Version)
		if refs[c.Ref] || c.Ref == "" || c.PURL != "pkg:golang/"+c.Name+"@"+c.Version {
			t.Errorf("%+v", c)
		}
		refs[c.Ref] = true
	}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if got.Format != "CycloneDX" || got.Spec != "1.5" || got.Metadata.Component.Version != "v"+testVersion {
		t.Errorf("%+v", got.Metadata)
	}
}

// A release is made again elsewhere: another directory, other settings and another time zone. "make test-long" compiles
// everything again for it, too.
func TestReproducible(t *testing.T) {
	b := theRelease(t)
	elsewhere := filepath.Join(t.TempDir(), "another place")
	if err := os.Mkdir(elsewhere, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := tool(t.Context(), nil, "sh", "-c",
		`git ls-files -z --cached --others --exclude-standard | tar -cf - --null -T - | tar -xf - -C "$1"`, "sh", elsewhere); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "release")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, "./scripts/release")
	build.Dir = elsewhere
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c",
		`umask 077 && exec "$1" dist -version "$2" -sign-darwin "echo signed >>"`, "sh", program, testVersion)
	cmd.Dir = elsewhere
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1750000000", "TZ=Asia/Kathmandu", "LANG=tr_TR.UTF-8", "GOAMD64=v3",
		"GOFLAGS=-tags=somebodyelses")
	if os.Getenv("LIXFIX_TEST_LONG") != "" {
		cmd.Env = append(cmd.Env, "GOCACHE="+filepath.Join(t.TempDir(), "cache"))
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	again := filepath.Join(elsewhere, "dist")
	entries, err := os.ReadDir(again)
	if err != nil || len(entries) != 11 {
		t.Fatalf("%v %v", entries, err)
	}
	for _, e := range entries {
		if e.Name() == sums {
			continue // the one of the signed release lists install.sh too
		}
		first, err := os.ReadFile(filepath.Join(b.dir, e.Name()))
		if err != nil {
			t.Error(err)
			continue
		}
		second, err := os.ReadFile(filepath.Join(again, e.Name()))
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s differs (%v)", e.Name(), err)
		}
	}
}

// TestInstallerInOnePiece has what is made of install.sh and its parts looked at like a script that was written so.
func TestInstallerInOnePiece(t *testing.T) {
	file := filepath.Join(stubs(t), "install.sh")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := filepath.Glob("scripts/install/*.sh")
	if err != nil || len(parts) == 0 {
		t.Fatalf("%v %v", parts, err)
	}
	for _, part := range parts {
		data, err := os.ReadFile(part)
		if err != nil || !bytes.HasPrefix(data, []byte(partHead)) {
			t.Errorf("%s does not begin with %q: %v", part, partHead, err)
		}
		for line := range bytes.Lines(bytes.TrimPrefix(data, []byte(partHead))) {
			if !bytes.Contains(text, append([]byte("\n\t"), line...)) && len(line) > 1 {
				t.Errorf("%s: this line is not in the release: %s", part, line)
			}
		}
	}
	if _, err := tool(t.Context(), nil, "shellcheck", file); err != nil {
		t.Error(err)
	}
	if out, err := tool(t.Context(), nil, "go", "tool", "-modfile=scripts/tools.mod", "shfmt", "-d", file); err != nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestNoPrivateKey(t *testing.T) {
	b := theRelease(t)
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(b.dir, e.Name()))
		if err != nil || bytes.Contains(data, []byte("PRIVATE KEY")) {
			t.Errorf("%s: %v", e.Name(), err)
		}
	}
	out, err := tool(t.Context(), nil, "git", "grep", "-lI", "-e", "-----BEGIN [A-Z ]*PRIVATE"+" KEY", "--", ".", ":!platform/redact/*_test.go") // those are canaries, and no keys
	if err == nil {
		t.Errorf("private keys in the repository: %s", out)
	}
}

// The release as users get it: from a server, by its own install.sh.
func TestServedRelease(t *testing.T) {
	b := theRelease(t)
	s := serve(t, b.dir, true, nil)
	env := append(s.trust(t), "LIXFIX_BASE_URL="+s.URL)
	text, err := os.ReadFile(filepath.Join(b.dir, "install.sh"))
	if err != nil {
		t.Fatal(err)
	}
	eachShell(t, func(t *testing.T, sh []string) {
		prefix := t.TempDir()
		do(t, call{argv: script(sh, b.dir, "--prefix", prefix), env: env}).want(t, 0, "installed lixfix-"+testVersion)
		for _, name := range []string{"lixfix", "lix-fix"} {
			r := do(t, call{argv: []string{filepath.Join(prefix, "bin", name), "version"}})
			r.want(t, 0, "")
			if !strings.Contains(r.stdout, testVersion) {
				t.Errorf("%s version: %q", name, r.stdout)
			}
		}
		piped := append(append([]string{}, sh...), "-s", "--")
		r := do(t, call{argv: append(piped, "repair", "sequoia"), stdin: string(text), env: env})
		r.want(t, 0, "")
		if !strings.Contains(r.stdout, "not applicable") && !strings.Contains(r.stdout, "does not apply") {
			t.Errorf("repair sequoia on this host: %q", r.stdout)
		}
		r = do(t, call{argv: append(piped, "--from", b.dir, "--version", testVersion, "--", "version", "--format", "json"), stdin: string(text)})
		r.want(t, 0, "")
		var report struct{ Command string }
		if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || report.Command != "version" {
			t.Errorf("version --format json: %v %q", err, r.stdout)
		}
		do(t, call{argv: append(piped, "chekc"), stdin: string(text), env: env}).want(t, 2, "chekc")
	})
}

func TestServedReleaseForged(t *testing.T) {
	b := theRelease(t)
	name := filepath.Base(archiveName(b.dir, here()))
	flip := func(file string, at int) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			data, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)*at/100] ^= 1
			write(t, filepath.Join(dir, file), data)
		}
	}
	half := func(t *testing.T, dir string) {
		t.Helper()
		if err := os.Truncate(filepath.Join(dir, name), 100_000); err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct {
		name  string
		spoil func(t *testing.T, dir string)
		code  int
		text  string
	}{
		{"one bit of the archive", flip(name, 50), 5, "is not what the signed list says"},
		{"half an archive", half, 5, "is not what the signed list says"},
		{"one bit of the list", flip(sums, 50), 5, "not from the release key"},
		{"one bit of the signature", flip(sums+".sig", 70), 5, "not from the release key"},
		{"nothing", func(*testing.T, string) {}, 0, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := copyOf(t, b.dir)
			c.spoil(t, dir)
			s := serve(t, dir, true, nil)
			eachClient(t, func(t *testing.T, mounts map[string]string) {
				r := do(t, call{argv: script([]string{"sh"}, b.dir, "version"), env: append(s.trust(t), "LIXFIX_BASE_URL="+s.URL), mounts: mounts})
				r.want(t, c.code, c.text)
				if (r.stdout == "") != (c.code != 0) {
					t.Errorf("standard output: %q", r.stdout)
				}
			})
		})
	}
	t.Run("redirect to plain http", func(t *testing.T) {
		plain := serve(t, b.dir, false, nil)
		s := serve(t, b.dir, true, func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, ".tar.gz") {
				return false
			}
			http.Redirect(w, r, plain.URL+r.URL.Path, http.StatusFound)
			return true
		})
		eachClient(t, func(t *testing.T, mounts map[string]string) {
			do(t, call{argv: script([]string{"sh"}, b.dir, "version"), env: append(s.trust(t), "LIXFIX_BASE_URL="+s.URL), mounts: mounts}).want(t, 3, "download")
		})
		if plain.count("") != 0 {
			t.Error("the redirect was followed")
		}
	})
}

func TestMakeInstall(t *testing.T) {
	to := t.TempDir()
	if _, err := tool(t.Context(), nil, "make", "install", "DESTDIR="+to, "PREFIX=/usr", "BIN="+t.TempDir(), "VERSION="+testVersion); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bin/lixfix", "bin/lix-fix", "share/man/man1/lixfix.1", "share/man/man7/lixfix-sequoia.7", "share/bash-completion/completions/lixfix"} {
		if _, err := os.Stat(filepath.Join(to, "usr", name)); err != nil {
			t.Error(err)
		}
	}
}

func TestDistRefuses(t *testing.T) {
	for _, version := range []string{"", "v1.2.3", "1.2", "1.2.3 ", "1.2.3-$(id)", "../1.2.3"} {
		d := Dist{Out: t.TempDir(), Version: version}
		if err := d.Make(t.Context()); err == nil || !strings.Contains(err.Error(), "is not a version") {
			t.Errorf("version %q: %v", version, err)
		}
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "letter.txt"), []byte("dear"))
	d := Dist{Out: dir, Version: "1.2.3"}
	if err := d.Make(t.Context()); err == nil || !strings.Contains(err.Error(), "letter.txt") {
		t.Errorf("a directory with other files: %v", err)
	}
}
