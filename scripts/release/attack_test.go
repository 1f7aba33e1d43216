package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// attacker is a user of the machine who is nobody in particular: no account, no group, no right.
const attacker = 54321

// lair makes a directory that the attacker owns, and every user can look into. The directories of a test are root's
// alone.
func lair(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("root is attacked by another user here; run this test as root")
	}
	dir, err := os.MkdirTemp("/tmp", "lixfix-attack-") //nolint:usetesting // the attacker has no way into those
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chown(dir, attacker, attacker)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// strike runs a shell script as the attacker.
func strike(t *testing.T, text string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("/bin/dash", append([]string{"-c", text, "sh"}, args...)...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: attacker, Gid: attacker}}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustStrike(t *testing.T, text string, args ...string) {
	t.Helper()
	if out, err := strike(t, text, args...); err != nil {
		t.Fatalf("%s: %v\n%s", text, err, out)
	}
}

// roots makes a directory of root's that others can look into, below one of the attacker's or of root's.
func roots(t *testing.T, name string, mode os.FileMode) string {
	t.Helper()
	if err := errors.Join(os.Mkdir(name, mode), os.Chmod(name, mode)); err != nil {
		t.Fatal(err)
	}
	return name
}

// victim is a file of root's that nobody else may read. whole fails where it has changed.
func victim(t *testing.T) (name string, whole func()) {
	t.Helper()
	const secret = "root's own\n"
	name = filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(name, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	return name, func() {
		t.Helper()
		data, err := os.ReadFile(name)
		info, statErr := os.Stat(name)
		if err != nil || statErr != nil || string(data) != secret || info.Mode().Perm() != 0o600 {
			t.Errorf("a file of root's was changed: %d bytes, %v, %v %v", len(data), info.Mode(), err, statErr)
		}
	}
}

// until waits for something to become true while a process lives.
func until(pid int, ready func() bool) bool {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ready() {
			return true
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return false
		}
	}
	return false
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// places are directories to install to that the attacker can change, in one way or another.
var places = []struct {
	name string
	make func(t *testing.T, lair string) (prefix string)
	says string
}{
	{"written to by everybody", func(t *testing.T, _ string) string {
		prefix := roots(t, lair(t)+"/opt", 0o755)
		root(t, filepath.Dir(prefix))
		roots(t, prefix+"/bin", 0o777)
		return prefix
	}, "everybody can change"},
	{"written to by a group", func(t *testing.T, _ string) string {
		prefix := roots(t, lair(t)+"/opt", 0o755)
		root(t, filepath.Dir(prefix))
		if err := os.Chown(roots(t, prefix+"/bin", 0o775), 0, attacker); err != nil {
			t.Fatal(err)
		}
		return prefix
	}, "its group can change"},
	{"the attacker's", func(t *testing.T, lair string) string {
		mustStrike(t, `mkdir -m 755 "$1/opt" "$1/opt/bin"`, lair)
		return lair + "/opt"
	}, "the user with ID 54321, can change"},
	{"root's, in a directory of the attacker's", func(t *testing.T, lair string) string {
		prefix := roots(t, lair+"/opt", 0o755)
		roots(t, prefix+"/bin", 0o755)
		return prefix
	}, "the user with ID 54321, can change"},
	{"a sticky one for everybody", func(t *testing.T, _ string) string {
		prefix := roots(t, lair(t)+"/opt", 0o755)
		root(t, filepath.Dir(prefix))
		roots(t, prefix+"/bin", 0o777|os.ModeSticky)
		return prefix
	}, "everybody can change"},
	{"behind a link of the attacker's", func(t *testing.T, lair string) string {
		mustStrike(t, `ln -s "$1" "$2/opt"`, t.TempDir(), lair)
		return lair + "/opt"
	}, "the user with ID 54321, can change"},
}

// root takes a directory back.
func root(t *testing.T, dir string) {
	t.Helper()
	if err := os.Chown(dir, 0, 0); err != nil {
		t.Fatal(err)
	}
}

// TestInstallsNowhereElse has the attacker put a link in the place of the draft while an archive is on its way, under
// the name that the number of the shell gives it, and exchange the directory where it can.
func TestInstallsNowhereElse(t *testing.T) {
	eachShell(t, func(t *testing.T, sh []string) {
		for _, p := range places {
			t.Run(p.name, func(t *testing.T) {
				var asked atomic.Bool
				struck := make(chan struct{})
				dir, s, env := bootstrapped(t, func(_ http.ResponseWriter, r *http.Request) bool {
					if strings.HasSuffix(r.URL.Path, ".tar.gz") {
						asked.Store(true)
						<-struck
					}
					return false
				})
				target, whole := victim(t)
				prefix := p.make(t, lair(t))
				r := do(t, call{argv: script(sh, dir, "--prefix", prefix), env: env, during: func(pid int) {
					defer close(struck)
					if !until(pid, asked.Load) {
						return
					}
					_, _ = strike(t, `ln -s "$1" "$2/bin/.lixfix.$3" 2>/dev/null && exit
						mv "$2" "$2.gone" && mkdir -p "$2/bin" && ln -s "$1" "$2/bin/.lixfix.$3"`, target, prefix, fmt.Sprint(pid))
				}})
				whole()
				r.want(t, 5, p.says)
				if n := s.count(""); n != 0 {
					t.Errorf("%d requests were made first", n)
				}
			})
		}
	})
}

// TestInstallsBehindLinksOfRoot holds for what distributions do: /usr/local is a link of root's on some.
func TestInstallsBehindLinksOfRoot(t *testing.T) {
	dir, _, env := bootstrapped(t, nil)
	atOnce(t, func(t *testing.T, sh []string) {
		top := t.TempDir()
		for name, to := range map[string]string{"usr": "var/../var/./usr", "absolute": top + "//usr", "dangling": "var/none"} {
			if err := errors.Join(os.MkdirAll(top+"/var/usr", 0o755), os.Symlink(to, top+"/"+name)); err != nil {
				t.Fatal(err)
			}
		}
		for name, to := range map[string]string{"usr": "usr", "absolute": "usr", "dangling": "none", "new/../other": "other"} {
			r := do(t, call{argv: script(sh, dir, "--prefix", top+"/"+name), env: env})
			r.want(t, 0, "installed lixfix-1.2.3 as "+top)
			if !exists(top+"/var/"+to+"/bin/lixfix") && !exists(top+"/"+to+"/bin/lixfix") {
				t.Errorf("%s: not where the link leads to", name)
			}
		}
		if err := os.Symlink("ring", top+"/ring"); err != nil {
			t.Fatal(err)
		}
		do(t, call{argv: script(sh, dir, "--prefix", top+"/ring"), env: env}).want(t, 6, "name another place with --prefix")
	})
}

// TestReadsNoConfigurationOfUsers gives root the home directory of the attacker, as sudo does on macOS.
func TestReadsNoConfigurationOfUsers(t *testing.T) {
	eachClient(t, func(t *testing.T, mounts map[string]string) {
		eachShell(t, func(t *testing.T, sh []string) {
			var leaks atomic.Int32
			dir := stubs(t)
			s := serve(t, dir, false, func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("X-Evil") != "" || r.Header.Get("Authorization") != "" {
					leaks.Add(1)
				}
				return false
			})
			target, whole := victim(t)
			home := lair(t)
			mustStrike(t, `cd "$1" && umask 022 && mkdir -p .config/wget .config/curl
				printf '#!/bin/sh\nid -u >>"%s/ran"\necho x\n' "$1" >evil && chmod 755 evil
				printf 'use_askpass = %s/evil\nheader = X-Evil: 1\noutput_document = %s\nauth_no_challenge = on\n' "$1" "$2" >.wgetrc
				printf 'header = "X-Evil: 1"\nnetrc\noutput = "%s"\n' "$2" >.curlrc
				printf 'machine 127.0.0.1 login alice password x\n' >.netrc
				cp .wgetrc .config/wget/wget2rc; cp .curlrc .config/curlrc; cp .curlrc .config/curl/.curlrc; chmod 600 .netrc`, home, target)
			env := []string{"LIXFIX_BASE_URL=" + s.URL, "HOME=" + home, "XDG_CONFIG_HOME=" + home + "/.config"}
			for _, more := range [][]string{nil, {"WGETRC=" + home + "/.wgetrc", "CURL_HOME=" + home, "NETRC=" + home + "/.netrc"}} {
				r := do(t, call{argv: script(sh, dir, "check"), env: append(more, env...), mounts: mounts})
				r.want(t, 0, "")
			}
			whole()
			if data, err := os.ReadFile(home + "/ran"); err == nil {
				t.Errorf("a program of the attacker's was run by the user with ID %s", data)
			}
			if n := leaks.Load(); n != 0 {
				t.Errorf("%d requests were as the attacker wants them", n)
			}
		})
	})
}

// swap puts a program of the attacker's in the place of one that was verified: wherever a workplace can be renamed, or
// the directory that it is in. $1 is the attacker's, $2 the directory in the archive, $3 where the program leaves a trace.
const swap = `for d in "$1" "$1"/* /tmp /var/tmp /dev/shm; do
	for w in "$d"/lixfix.??????; do
		[ -d "$w" ] || continue
		mv "$w" "$w.gone" 2>/dev/null || mv "$d" "$d.gone" 2>/dev/null || continue
		mkdir -p "$w/bin" "$w/release/$2" || continue
		printf '#!/bin/sh\nid -u >"%s/ran"\necho evil\n' "$3" >"$w/release/$2/lixfix"
		cp "$w/release/$2/lixfix" "$w/bin/lixfix"
		chmod -R 755 "$w"
	done
done`

// TestWorksInNoDirectoryOfUsers has the attacker exchange the workplace between the check of the archive and its use.
func TestWorksInNoDirectoryOfUsers(t *testing.T) {
	dir := stubs(t)
	name := "lixfix-1.2.3-" + here().String()
	temps := map[string]func(t *testing.T, lair string) string{
		"the attacker's": func(t *testing.T, lair string) string {
			mustStrike(t, `mkdir -m 755 "$1/tmp"`, lair)
			return lair + "/tmp"
		},
		"root's, in a directory of the attacker's": func(t *testing.T, lair string) string { return roots(t, lair+"/tmp", 0o755) },
		"written to by everybody": func(t *testing.T, lair string) string {
			root(t, lair)
			return roots(t, lair+"/tmp", 0o777)
		},
	}
	eachShell(t, func(t *testing.T, sh []string) {
		for label, make := range temps {
			t.Run(label, func(t *testing.T) {
				den, signs := lair(t), lair(t)
				tmp := make(t, den)
				// The tool that unpacks waits, so that the attacker is in time for certain.
				slow := filepath.Join(signs, "gzip")
				text := fmt.Sprintf("#!/bin/sh\n: >%[1]s/reached\nn=0\nwhile [ ! -e %[1]s/go ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n + 1)); done\nexec %[1]s/real \"$@\"\n", signs)
				if err := errors.Join(os.WriteFile(slow, []byte(text), 0o755), copyFile("/usr/bin/gzip", signs+"/real")); err != nil {
					t.Fatal(err)
				}
				r := do(t, call{
					argv: script(sh, dir, "--from", dir, "check"), env: []string{"TMPDIR=" + tmp}, mounts: map[string]string{"/usr/bin/gzip": slow},
					during: func(pid int) {
						if !until(pid, func() bool { return exists(signs + "/reached") }) {
							t.Error("nothing was unpacked")
						}
						_, _ = strike(t, swap, den, name, signs)
						_, _ = strike(t, `: >"$1/go"`, signs)
					},
				})
				if data, err := os.ReadFile(signs + "/ran"); err == nil {
					t.Fatalf("a program of the attacker's was run by the user with ID %s", data)
				}
				r.want(t, 0, "ignoring TMPDIR: ")
				if !strings.Contains(r.stdout, ran) {
					t.Errorf("lixfix was not run: %q", r.stdout)
				}
				if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
					t.Errorf("left behind: %v %v", left, err)
				}
			})
		}
	})
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// TestRunsNoProgramOfUsers leaves a tool out that the attacker has in the PATH that sudo keeps.
func TestRunsNoProgramOfUsers(t *testing.T) {
	dir := stubs(t)
	s := serve(t, dir, false, nil)
	eachShell(t, func(t *testing.T, sh []string) {
		den := lair(t)
		mustStrike(t, `printf '#!/bin/sh\nid -u >"%s/ran"\n' "$1" >"$1/curl" && chmod 755 "$1/curl" && ln -s curl "$1/shasum"`, den)
		below := roots(t, den+"/bin", 0o755)
		if err := copyFile(den+"/curl", below+"/curl"); err != nil {
			t.Fatal(err)
		}
		r := do(t, call{
			argv: script(sh, dir, "check"), mounts: map[string]string{"/usr/bin/curl": "/dev/null", "/usr/bin/sha256sum": "/dev/null"},
			env: []string{"LIXFIX_BASE_URL=" + s.URL, "PATH=" + den + ":" + below + ":" + os.Getenv("PATH")},
		})
		if data, err := os.ReadFile(den + "/ran"); err == nil {
			t.Errorf("a program of the attacker's was run by the user with ID %s", data)
		}
		if strings.Contains(r.stderr, den) {
			t.Errorf("standard error: %s", r.stderr)
		}
	})
}

// A PATH can name directories by where the shell is, and name none.
func TestPathIsAbsolute(t *testing.T) {
	dir := stubs(t)
	atOnce(t, func(t *testing.T, sh []string) {
		bin := roots(t, t.TempDir()+"/bin", 0o755)
		write(t, bin+"/shasum", []byte("#!/bin/sh\n: >'"+bin+"/ran'\nexec sha256sum.real\n"))
		if err := os.Chmod(bin+"/shasum", 0o755); err != nil {
			t.Fatal(err)
		}
		r := do(t, call{
			argv: script(sh, dir, "--from", dir, "check"), dir: "/", env: []string{"PATH=" + strings.TrimPrefix(bin, "/") + "::/usr/bin:/bin"},
			mounts: map[string]string{"/usr/bin/sha256sum": "/dev/null", "/usr/bin/shasum": "/dev/null"},
		})
		r.want(t, 3, "sha256sum or shasum is needed")
		if exists(bin + "/ran") {
			t.Error("a program was run whose directory has no absolute name")
		}
	})
}

// TestAccessListsOfMacOS has an ls that shows what the one of macOS shows: a "+" behind the mode for an access control
// list, and in its place an "@" for attributes, whether or not there is a list as well.
func TestAccessListsOfMacOS(t *testing.T) {
	dir := stubs(t)
	for _, mark := range []string{"+", "@"} {
		for entry, safe := range map[string]bool{
			"user:alice allow add_file,search": false, "group:staff allow list,delete_child": false, "user:alice inherited allow write": false,
			"everyone deny delete": true, "user:alice allow list,search,readattr": true,
		} {
			t.Run(mark+" "+entry, func(t *testing.T) {
				prefix := roots(t, t.TempDir()+"/opt", 0o755)
				wrapper := filepath.Join(t.TempDir(), "ls")
				if err := errors.Join(copyFile("/usr/bin/ls", wrapper+".real"), os.WriteFile(wrapper, []byte(`#!/bin/sh
					is=$('`+wrapper+`.real' -ldn "$2") || exit
					case $2 in '`+prefix+`') ;; *) printf '%s\n' "$is"; exit ;; esac
					printf '%s\n' "$is" | sed 's/^\(..........\)[^ ]*/\1`+mark+`/'
					case $1 in -lde) printf ' 0: `+entry+`\n' ;; esac
					`), 0o755)); err != nil {
					t.Fatal(err)
				}
				uname := filepath.Join(t.TempDir(), "uname")
				if err := os.WriteFile(uname, []byte("#!/bin/sh\necho Darwin arm64\n"), 0o755); err != nil {
					t.Fatal(err)
				}
				r := do(t, call{
					argv:   script([]string{"/bin/bash", "--posix"}, dir, "--from", dir, "--prefix", prefix),
					mounts: map[string]string{"/usr/bin/ls": wrapper, "/usr/bin/uname": uname},
				})
				if safe {
					r.want(t, 0, "installed lixfix-1.2.3 as "+prefix)
				} else {
					r.want(t, 5, "somebody whom its access control list names can change "+prefix)
				}
			})
		}
	}
}

// TestAsksNobodysProgram has a user install over a lixfix of theirs that everybody can write to.
func TestAsksNobodysProgram(t *testing.T) {
	const user = 65534 // ssh-keygen wants one with a name
	release := roots(t, lair(t)+"/release", 0o755)
	entries, err := os.ReadDir(stubs(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := copyFile(filepath.Join(stubs(t), e.Name()), filepath.Join(release, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	atOnce(t, func(t *testing.T, sh []string) {
		for mode, says := range map[os.FileMode]string{0o755: "is older", 0o777: "could not tell which version", 0o757: "could not tell which version"} {
			t.Run(fmt.Sprintf("%o", mode), func(t *testing.T) {
				prefix := lair(t)
				bin := roots(t, prefix+"/bin", 0o755)
				program := fmt.Sprintf("#!/bin/sh\n: >%s/ran\necho lixfix 99.0.0\n", prefix)
				if err := errors.Join(os.WriteFile(bin+"/lixfix", []byte(program), 0o600), os.Chmod(bin+"/lixfix", mode)); err != nil {
					t.Fatal(err)
				}
				for _, name := range []string{prefix, bin, bin + "/lixfix"} {
					if err := os.Chown(name, user, user); err != nil {
						t.Fatal(err)
					}
				}
				as := []string{"setpriv", "--reuid", fmt.Sprint(user), "--regid", fmt.Sprint(user), "--clear-groups"}
				r := do(t, call{argv: append(as, script(sh, release, "--from", release, "--prefix", prefix)...), dir: "/"})
				r.want(t, 5, says)
				if asked := exists(prefix + "/ran"); asked != (says == "is older") {
					t.Errorf("what is installed was run: %v", asked)
				}
			})
		}
	})
}

// TestTakesNothingOlder shows a signed release that is older than what is installed.
func TestTakesNothingOlder(t *testing.T) {
	key := newKey(t)
	release := map[string]string{}
	for _, v := range []string{"1.9.0", "1.10.0-rc.2", "1.10.0-rc.10", "1.10.0"} {
		release[v] = stubRelease(t, key, v)
	}
	install := func(t *testing.T, sh []string, v, prefix string, args ...string) result {
		t.Helper()
		dir := release[v]
		return do(t, call{argv: script(sh, dir, append([]string{"--from", dir, "--prefix", prefix}, args...)...)})
	}
	atOnce(t, func(t *testing.T, sh []string) {
		prefix := t.TempDir()
		for _, v := range []string{"1.9.0", "1.10.0-rc.2", "1.10.0-rc.10", "1.10.0", "1.10.0"} {
			install(t, sh, v, prefix).want(t, 0, "installed lixfix-"+v)
		}
		for _, v := range []string{"1.9.0", "1.10.0-rc.10"} {
			install(t, sh, v, prefix).want(t, 5, "--version "+v)
			r := install(t, sh, v, prefix, "check")
			r.want(t, 5, "--version "+v)
			if strings.Contains(r.stdout, ran) {
				t.Error("an older lixfix was run")
			}
			install(t, sh, v, prefix, "--version", v, "check").want(t, 0, "")
		}
		install(t, sh, "1.10.0-rc.10", prefix, "--version", "1.10.0-rc.10").want(t, 0, "installed")
		install(t, sh, "1.10.0-rc.2", prefix).want(t, 5, prefix+"/bin/lixfix is lixfix 1.10.0-rc.10, and this release, 1.10.0-rc.2, is older")
		install(t, sh, "1.10.0", prefix).want(t, 0, "installed")

		for name, text := range map[string]string{
			"says nothing": "#!/bin/sh\nexit 1\n", "no version": "#!/bin/sh\necho lixfix c6a8bde\n", "cut off": "\x7fELF",
		} {
			t.Run(name, func(t *testing.T) {
				write(t, prefix+"/bin/lixfix", []byte(text))
				install(t, sh, "1.10.0", prefix).want(t, 5, "could not tell which version")
				install(t, sh, "1.10.0", prefix, "check").want(t, 0, "may be older")
				install(t, sh, "1.10.0", prefix, "--version", "1.10.0").want(t, 0, "installed")
			})
		}
		t.Run("the attacker's", func(t *testing.T) {
			den := lair(t)
			mustStrike(t, `printf '#!/bin/sh\nid -u >"%s/ran"\necho lixfix 99.0.0\n' "$1" >"$1/lixfix" && chmod 755 "$1/lixfix"`, den)
			file := prefix + "/bin/lixfix"
			if err := errors.Join(os.Remove(file), os.Symlink(den+"/lixfix", file)); err != nil {
				t.Fatal(err)
			}
			install(t, sh, "1.10.0", prefix).want(t, 5, "could not tell which version")
			if err := errors.Join(os.Remove(file), copyFile(den+"/lixfix", file), os.Chown(file, attacker, attacker)); err != nil {
				t.Fatal(err)
			}
			install(t, sh, "1.10.0", prefix, "check").want(t, 0, "may be older")
			if exists(den + "/ran") {
				t.Error("root ran it to ask for its version")
			}
			install(t, sh, "1.10.0", prefix, "--version", "1.10.0").want(t, 0, "installed")
		})
	})
}

// TestTakesRegularFiles puts other things in the place of the files of a release.
func TestTakesRegularFiles(t *testing.T) {
	dir := stubs(t)
	archive := "lixfix-1.2.3-" + here().String() + ".tar.gz"
	// The attacker's as well, written once: every test has a name of it.
	large := lair(t) + "/large"
	mustStrike(t, `head -c 120000000 /dev/zero >"$1"`, large)
	kinds := map[string]struct{ make, says string }{
		"a pipe":             {`mkfifo "$1"`, "not a regular file"},
		"a link to a device": {`ln -s /dev/zero "$1"`, "not a regular file"},
		"a link to a file":   {`ln -s /proc/kmsg "$1"`, "not a regular file"},
		"a directory":        {`mkdir "$1"`, "not a regular file"},
		"nothing":            {`:`, "there is no such file"},
		"a sparse file":      {`truncate -s 300G "$1"`, "larger than"},
		"too large a file":   {`ln ` + large + ` "$1"`, "larger than"},
	}
	atOnce(t, func(t *testing.T, sh []string) {
		for _, name := range []string{sums, sums + ".sig", archive} {
			for label, kind := range kinds {
				t.Run(name+" is "+label, func(t *testing.T) {
					den := lair(t)
					for _, other := range []string{sums, sums + ".sig", archive} {
						if err := copyFile(dir+"/"+other, den+"/"+other); err != nil {
							t.Fatal(err)
						}
					}
					mustStrike(t, `rm -f "$1" && `+kind.make, den+"/"+name)
					began := time.Now()
					r := do(t, call{
						argv: script(sh, dir, "--from", den, "check"), setup: "mount -t tmpfs -o size=300m t TMP",
						env: []string{"BLOCK_SIZE=1G", "LS_BLOCK_SIZE=1G"}, // in which ls would count
					})
					r.want(t, 3, "take "+name+" from "+den+": ")
					r.want(t, 3, kind.says)
					if d := time.Since(began); d > 20*time.Second {
						t.Errorf("it took %v", d)
					}
				})
			}
		}
	})
}

// TestDownloadsEnd has a server send without end.
func TestDownloadsEnd(t *testing.T) {
	archive := "lixfix-1.2.3-" + here().String() + ".tar.gz"
	eachClient(t, func(t *testing.T, mounts map[string]string) {
		atOnce(t, func(t *testing.T, sh []string) {
			for _, name := range []string{sums, sums + ".sig", archive} {
				for _, length := range []string{"", "1000000000000"} {
					t.Run(name+" "+length, func(t *testing.T) {
						var sent atomic.Int64
						dir := stubs(t)
						s := serve(t, dir, false, func(w http.ResponseWriter, r *http.Request) bool {
							if r.URL.Path != "/"+name {
								return false
							}
							if length != "" {
								w.Header().Set("Content-Length", length)
							}
							chunk := make([]byte, 1<<20)
							for sent.Load() < 1<<30 {
								if _, err := w.Write(chunk); err != nil {
									break
								}
								sent.Add(1 << 20)
							}
							return true
						})
						r := do(t, call{
							argv: script(sh, dir, "check"), env: []string{"LIXFIX_BASE_URL=" + s.URL}, mounts: mounts,
							setup: "mount -t tmpfs -o size=300m t TMP",
						})
						r.want(t, 3, "download "+s.URL+"/"+name+": ")
						r.want(t, 3, "larger than")
						if n := sent.Load(); n > 400<<20 {
							t.Errorf("%d MiB were taken", n>>20)
						}
						if n := s.count("/" + name); n != 1 {
							t.Errorf("it was asked for %d times", n)
						}
					})
				}
			}
		})
	})
}

// TestRaces has the attacker exchange workplaces and the directory to install to all the time, for two thousand runs with
// LIXFIX_TEST_LONG.
func TestRaces(t *testing.T) {
	turns := 20
	if os.Getenv("LIXFIX_TEST_LONG") != "" {
		turns = 1000
	}
	dir := stubs(t)
	den, signs := lair(t), lair(t)
	target, whole := victim(t)
	mustStrike(t, `mkdir -m 755 "$1/tmp"`, den)
	roots(t, den+"/ours", 0o755)
	loops := []string{
		`while :; do
			for w in "$1"/tmp/lixfix.??????; do
				[ -d "$w" ] && [ ! -e "$w.gone" ] && mv "$w" "$w.gone" && mkdir -p "$w/bin" "$w/release/$2" || continue
				printf '#!/bin/sh\nid -u >"%s/ran"\necho evil\n' "$3" >"$w/release/$2/lixfix"
				cp "$w/release/$2/lixfix" "$w/bin/lixfix"
				chmod -R 755 "$w"
			done
		done`,
		`while :; do
			ln -s "$1/ours" "$1/opt"
			rm -f "$1/opt"
			mkdir -p "$1/opt/bin"
			ln -s "$4" "$1/opt/bin/lixfix"
			mv "$1/opt" "$1/gone"
			rm -rf "$1/gone"
		done`,
	}
	for _, loop := range loops {
		cmd := exec.Command("/bin/dash", "-c", loop, "sh", den, "lixfix-1.2.3-"+here().String(), signs, target)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: attacker, Gid: attacker}, Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			_ = cmd.Wait()
		}()
	}
	var all [][]string
	for _, sh := range shells() {
		all = append(all, sh)
	}
	for turn := range turns {
		sh := all[turn%len(all)]
		r := do(t, call{argv: script(sh, dir, "--from", dir, "check"), env: []string{"TMPDIR=" + den + "/tmp"}})
		if r.code != 0 || !strings.Contains(r.stdout, ran) {
			t.Fatalf("turn %d: exit code %d, %q\n%s", turn, r.code, r.stdout, r.stderr)
		}
		r = do(t, call{argv: script(sh, dir, "--from", dir, "--prefix", den+"/opt")})
		if r.want(t, 5, "can change"); t.Failed() {
			t.Fatalf("turn %d was lost", turn)
		}
	}
	whole()
	if exists(signs + "/ran") {
		t.Error("a program of the attacker's was run")
	}
	if exists(den + "/ours/bin") {
		t.Error("root wrote to where the attacker's link leads")
	}
	t.Logf("%d runs, all held", 2*turns)
}

// TestReadsNoPartsOfUsers: a copy of the script of a checkout, which lies where others have made files with the names of its
// parts, or comes from a pipe while that is the current directory, reads none of them.
func TestReadsNoPartsOfUsers(t *testing.T) {
	text, err := os.ReadFile(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "install"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"trust", "download", "release"} {
		write(t, filepath.Join(dir, "install", part+".sh"), []byte("echo taken\n"))
	}
	write(t, filepath.Join(dir, "install.sh"), text)
	atOnce(t, func(t *testing.T, sh []string) {
		for _, c := range []call{
			{argv: script(sh, dir)},
			{argv: append(slices.Clone(sh), "install.sh"), dir: dir},
			{argv: append(slices.Clone(sh), "-s"), stdin: string(text), dir: dir},
		} {
			r := do(t, c)
			r.want(t, 5, "no release key")
			if r.stdout != "" {
				t.Errorf("%v printed %q", c.argv, r.stdout)
			}
		}
	})
}
