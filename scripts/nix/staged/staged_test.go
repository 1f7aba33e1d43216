// Package staged has the real Nix evaluate and build the package, the flake and the modules. Of nixpkgs, small stand-ins
// in ../testdata have the few functions that these take. With LIXFIX_TEST_NIXPKGS_LIB=DIR, the modules are evaluated by
// nixpkgs' own lib.
package staged

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	// The root of the repository.
	if err := os.Chdir("../../.."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const pkgs = "scripts/nix/testdata/nixpkgs"

// run runs a command and returns what it prints.
func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// store is an environment in which Nix has a store and settings of its own.
func store(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	// Files of a store can be removed by root, and by others once they can write to its directories.
	t.Cleanup(func() { _ = exec.Command("chmod", "-R", "u+w", dir).Run() })
	if err := os.MkdirAll(dir+"/conf", 0o755); err != nil {
		t.Fatal(err)
	}
	conf := "build-users-group =\nsandbox = false\nsubstituters =\nexperimental-features = nix-command flakes\nflake-registry =\n"
	if err := os.WriteFile(dir+"/conf/nix.conf", []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{
		"NIX_CONF_DIR=" + dir + "/conf", "NIX_USER_CONF_FILES=", "NIX_REMOTE=local", "NIX_STORE_DIR=" + dir + "/store", "NIX_STATE_DIR=" + dir + "/state",
		"NIX_LOG_DIR=" + dir + "/log", "HOME=" + dir + "/home", "XDG_CACHE_HOME=" + dir + "/cache", "GOPATH=", "GOFLAGS=",
	}
}

// source copies what git knows of the repository, as a clone has it.
func source(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "lixfix")
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, nil, "sh", "-c", `git ls-files -z --cached --others --exclude-standard | tar -cf - --null --ignore-failed-read -T - | tar -xf - -C "$1"`, "sh", to)
	return to
}

// evaluated asks Nix for a value of the package.
func evaluated(t *testing.T, what string) string {
	t.Helper()
	return run(t, store(t), "nix-instantiate", "--eval", "--strict", "--json", "-E",
		`((import ./`+pkgs+` { system = "x86_64-linux"; }).callPackage ./scripts/nix/package.nix { }).`+what)
}

// TestVersion: the package has the version of the newest release that CHANGELOG.md lists, or that of a build without one.
func TestVersion(t *testing.T) {
	read := func(name, pattern string) string {
		t.Helper()
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if m := regexp.MustCompile(pattern).FindSubmatch(data); m != nil {
			return string(m[1])
		}
		return ""
	}
	want := read("CHANGELOG.md", `(?m)^## \[v?([0-9][^\]]*)\]`)
	if want == "" {
		want = read("Makefile", `(?m)^VERSION +\?= .*\|\| echo ([^)]+)\)`)
	}
	if got := evaluated(t, "version"); want == "" || got != `"`+want+`"` {
		t.Errorf("scripts/nix/package.nix has version %s; write %q", got, want)
	}
}

// TestBuild vendors the modules, has Nix compare their hash, and builds the package.
func TestBuild(t *testing.T) {
	tmp := t.TempDir()
	vendor := filepath.Join(tmp, "vendor")
	run(t, []string{"GOFLAGS="}, "go", "mod", "vendor", "-o", vendor)
	env := store(t)
	// SRI: the hash of the archive that Nix makes of the directory.
	hash := run(t, env, "nix", "hash", "path", vendor)
	if got := evaluated(t, "vendorHash"); got != `"`+hash+`"` {
		t.Fatalf("scripts/nix/package.nix has vendorHash %s; write %q", got, hash)
	}
	cache := run(t, nil, "go", "env", "GOCACHE")
	out := run(t, env, "nix-build", "--no-out-link", "-E", fmt.Sprintf(
		`(import ./%s { system = builtins.currentSystem; vendor = %s; path = %q; cache = %q; home = %q; }).callPackage %s/scripts/nix/package.nix { date = "2026-01-02"; }`,
		pkgs, vendor, os.Getenv("PATH"), cache, tmp, source(t)))
	var names []string
	err := filepath.WalkDir(out, func(name string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, strings.TrimPrefix(name, out+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"bin/lixfix", "bin/lix-fix", "share/man/man1/lixfix.1", "share/man/man1/lixfix-repair-sequoia.1", "share/man/man7/lixfix-stuck.7",
		"share/bash-completion/completions/lixfix.bash", "share/zsh/site-functions/_lixfix", "share/fish/vendor_completions.d/lixfix.fish",
		"share/lixfix/lixfix.rules.yml",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing in %v", want, names)
		}
	}
	if to, err := os.Readlink(out + "/bin/lix-fix"); err != nil || to != "lixfix" {
		t.Errorf("lix-fix leads to %q: %v", to, err)
	}
	version := strings.Trim(evaluated(t, "version"), `"`)
	for _, name := range []string{"lixfix", "lix-fix"} {
		if says := run(t, nil, out+"/bin/"+name, "version"); !strings.Contains(says, version) {
			t.Errorf("%s version: %q, want %s", name, says, version)
		}
	}
	page, err := os.ReadFile(out + "/share/man/man1/lixfix.1")
	if err != nil || !bytes.Contains(page, []byte(version)) || !bytes.Contains(page, []byte("2026-01-02")) {
		t.Errorf("the man page has neither version nor date: %v\n%.300s", err, page)
	}
	data, err := os.ReadFile(out + "/bin/lixfix")
	if err != nil {
		t.Fatal(err)
	}
	program, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if libs, err := program.ImportedLibraries(); err != nil || len(libs) > 0 || program.Section(".symtab") != nil || program.Section(".interp") != nil {
		t.Errorf("the program is not static and stripped: %v %v", libs, err)
	}
	if refs := run(t, env, "nix-store", "--query", "--references", out); refs != "" && refs != out {
		t.Errorf("it needs %s", refs)
	}
}

// TestFlake evaluates the flake as "?dir=scripts/nix" of a clone.
func TestFlake(t *testing.T) {
	from := source(t)
	run(t, nil, "sh", "-c", `cd "$1" && git init -q && git add -A && git -c user.name=x -c user.email=x@example.org commit -q -m x`, "sh", from)
	env := store(t)
	eval := func(what string, more ...string) string {
		t.Helper()
		return run(t, env, "nix", append([]string{
			"eval", "--json", "--no-write-lock-file", "--override-input", "nixpkgs", "path:" + from + "/" + pkgs,
			"git+file://" + from + "?dir=scripts/nix#" + what,
		}, more...)...)
	}
	version := strings.Trim(evaluated(t, "version"), `"`)
	got := eval("packages", "--apply", `builtins.mapAttrs (_: p: [ p.default.system p.default.name p.default.meta.mainProgram p.default.meta.license.spdxId ])`)
	var want []string
	for _, system := range []string{"aarch64-darwin", "aarch64-linux", "x86_64-darwin", "x86_64-linux"} {
		want = append(want, fmt.Sprintf(`%q:[%[1]q,"lixfix-%s","lixfix","MIT"]`, system, version))
	}
	if got != "{"+strings.Join(want, ",")+"}" {
		t.Errorf("packages: %s, want %s", got, want)
	}
	if got := eval("overlays.default", "--apply", `o: (o { callPackage = _: given: given; } { }).lixfix.date`); !regexp.MustCompile(`^"\d{4}-\d\d-\d\d"$`).MatchString(got) {
		t.Errorf("the overlay's package has the date %s", got)
	}
	for _, modules := range []string{"nixosModules", "darwinModules"} {
		if got := eval(modules+".default", "--apply", "m: builtins.attrNames (builtins.functionArgs (import m))"); got != `["config","lib"]` {
			t.Errorf("%s.default: %s", modules, got)
		}
	}
}

// lib is nixpkgs' lib, or stands for it.
func lib() string {
	if dir := os.Getenv("LIXFIX_TEST_NIXPKGS_LIB"); dir != "" {
		return dir
	}
	return "./" + pkgs + "/lib.nix"
}

// system is a configured system, as Nix sees it.
type system struct {
	Packages []string
	Systemd  struct {
		Services map[string]any
		Timers   map[string]any
		Tmpfiles struct{ Rules []string }
	}
	Launchd struct {
		Daemons map[string]struct {
			Command       string
			ServiceConfig map[string]any
		}
	}
	System struct {
		ActivationScripts struct {
			ExtraActivation struct{ Text string }
		}
	}
}

// configured evaluates a module with settings.
func configured(t *testing.T, of, settings string) (system, error) {
	t.Helper()
	cmd := exec.Command("nix-instantiate", "--eval", "--strict", "--json", "-E", fmt.Sprintf(
		`import ./scripts/nix/testdata/modules.nix { lib = import %s; program = "/program"; } { system = %q; settings = %s; }`, lib(), of, settings))
	cmd.Env = append(os.Environ(), store(t)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return system{}, fmt.Errorf("%w: %s", err, stderr.String())
	}
	var s system
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	return s, nil
}

func TestModules(t *testing.T) {
	const metrics = "/var/lib/node_exporter/lixfix.prom"
	for _, of := range []string{"nixos", "darwin"} {
		must := func(settings string) system {
			t.Helper()
			s, err := configured(t, of, settings)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		if off := must(`{ }`); len(off.Packages)+len(off.Systemd.Services)+len(off.Systemd.Timers)+len(off.Launchd.Daemons) > 0 {
			t.Errorf("%s: it does something unasked: %+v", of, off)
		}
		on, writes := must(`{ enable = true; }`), must(`{ enable = true; interval = 600; prometheusFile = "`+metrics+`"; }`)
		if !slices.Equal(on.Packages, []string{"/program"}) {
			t.Errorf("%s: installed: %v", of, on.Packages)
		}
		const plain = "/program/bin/lixfix check --quiet"
		const full = plain + " --format prometheus --output " + metrics
		if of == "darwin" {
			for command, s := range map[string]system{plain: on, full: writes} {
				if d := s.Launchd.Daemons["lixfix-check"]; d.Command != command || d.ServiceConfig["RunAtLoad"] != true {
					t.Errorf("darwin: %+v", d)
				}
			}
			if n := writes.Launchd.Daemons["lixfix-check"].ServiceConfig["StartInterval"]; n != 600.0 {
				t.Errorf("darwin: every %v seconds", n)
			}
			if is := [2]string{on.System.ActivationScripts.ExtraActivation.Text, writes.System.ActivationScripts.ExtraActivation.Text}; is != [2]string{"", "mkdir -p -m 0755 /var/lib/node_exporter\n"} {
				t.Errorf("darwin: it makes %q", is)
			}
			continue
		}
		for command, s := range map[string]system{plain: on, full: writes} {
			service, _ := s.Systemd.Services["lixfix-check"].(map[string]any)
			config, _ := service["serviceConfig"].(map[string]any)
			if config["ExecStart"] != command || fmt.Sprint(service["wantedBy"]) != "[multi-user.target]" {
				t.Errorf("nixos: %v", service)
			}
		}
		timer, _ := writes.Systemd.Timers["lixfix-check"].(map[string]any)
		if fmt.Sprint(timer["timerConfig"]) != "map[OnUnitActiveSec:600 RandomizedDelaySec:300]" {
			t.Errorf("nixos: %v", timer)
		}
		if is := fmt.Sprint(on.Systemd.Tmpfiles.Rules, writes.Systemd.Tmpfiles.Rules); is != "[] [d /var/lib/node_exporter 0755 root root -]" {
			t.Errorf("nixos: it makes %s", is)
		}
	}
	for _, bad := range []string{
		`{ enable = 1; }`, `{ enable = true; interval = 0; }`, `{ enable = true; prometheusFile = "lixfix.prom"; }`,
		`{ enable = true; prometheusFile = "/var/lib/x.txt"; }`, `{ enable = true; prometheusFile = "/var/%h/x.prom"; }`, `{ enable = true; nonsense = true; }`,
	} {
		if s, err := configured(t, "nixos", bad); err == nil {
			t.Errorf("%s gives %+v", bad, s)
		}
	}
}
