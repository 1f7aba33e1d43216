package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// bootstrapped is a signed release of stubs behind a server that speaks TLS.
func bootstrapped(t *testing.T, handle func(w http.ResponseWriter, r *http.Request) bool) (dir string, s *server, env []string) {
	t.Helper()
	dir = stubs(t)
	s = serve(t, dir, true, handle)
	return dir, s, append(s.trust(t), "LIXFIX_BASE_URL="+s.URL)
}

func script(sh []string, dir string, args ...string) []string {
	return append(append(append([]string{}, sh...), filepath.Join(dir, "install.sh")), args...)
}

func TestInstall(t *testing.T) {
	dir, _, env := bootstrapped(t, nil)
	atOnce(t, func(t *testing.T, sh []string) {
		prefix := filepath.Join(t.TempDir(), "a prefix")
		for range 2 { // The second replaces the first.
			r := do(t, call{argv: script(sh, dir, "--prefix", prefix), env: env})
			r.want(t, 0, "installed lixfix-1.2.3 as "+prefix+"/bin/lixfix; to remove it: rm '"+prefix+"/bin'/lixfix '"+prefix+"/bin'/lix-fix\n")
			if r.stdout != "" {
				t.Errorf("standard output is not empty: %q", r.stdout)
			}
		}
		entries, err := os.ReadDir(filepath.Join(prefix, "bin"))
		if err != nil || len(entries) != 2 {
			t.Fatalf("installed: %v %v", entries, err)
		}
		for _, name := range []string{"lixfix", "lix-fix"} {
			info, err := os.Stat(filepath.Join(prefix, "bin", name))
			if err != nil || info.Mode().Perm() != 0o755 {
				t.Errorf("%s: %v %v", name, info, err)
			}
		}
	})
}

func TestInstallKeepsWhatIsNotIts(t *testing.T) {
	dir, _, env := bootstrapped(t, nil)
	prefix := t.TempDir()
	if err := os.MkdirAll(filepath.Join(prefix, "bin", "lixfix"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(prefix, "bin", "lix-fix"), []byte("mine"))
	r := do(t, call{argv: script([]string{"sh"}, dir, "--prefix", prefix), env: env})
	r.want(t, 3, "is a directory")
	if err := os.Remove(filepath.Join(prefix, "bin", "lixfix")); err != nil {
		t.Fatal(err)
	}
	do(t, call{argv: script([]string{"sh"}, dir, "--prefix", prefix), env: env}).want(t, 0, "installed")
	if data, err := os.ReadFile(filepath.Join(prefix, "bin", "lix-fix")); err != nil || string(data) != "mine" {
		t.Errorf("lix-fix: %q %v", data, err)
	}
	next := "name another place with --prefix"
	if os.Geteuid() != 0 {
		next = "use sudo"
	}
	do(t, call{argv: script([]string{"sh"}, dir, "--prefix", "/dev/null/x"), env: env}).want(t, 6, next)
	r = do(t, call{
		argv: script([]string{"sh"}, dir, "--prefix", prefix), env: env,
		setup: "mount --bind '" + prefix + "' '" + prefix + "' && mount -o remount,ro,bind '" + prefix + "'",
	})
	r.want(t, 6, "Read-only file system")
}

func TestRunOnce(t *testing.T) {
	dir, _, env := bootstrapped(t, nil)
	atOnce(t, func(t *testing.T, sh []string) {
		r := do(t, call{argv: script(sh, dir, "--", "repair", "a b", "--yes", "*"), env: env})
		r.want(t, 0, "")
		if want := "[repair][a b][--yes][*] " + here().String() + "\n"; r.stdout != want || r.stderr != "" {
			t.Errorf("got %q, want %q; standard error %q", r.stdout, want, r.stderr)
		}
		for _, code := range []int{0, 1, 2, 3, 4, 5, 6, 7, 129, 130, 143} {
			do(t, call{argv: script(sh, dir, "--from", dir, "exit", fmt.Sprint(code))}).want(t, code, "")
		}
		r = do(t, call{argv: append([]string{"sh", "-c", `umask 037; exec "$@"`, "sh"}, script(sh, dir, "umask")...), env: env})
		r.want(t, 0, "")
		if !strings.HasSuffix(strings.TrimSpace(r.stdout), "037") {
			t.Errorf("umask of lixfix: %q", r.stdout)
		}
		r = do(t, call{argv: script(sh, dir, "again"), env: env})
		if want := "sh " + filepath.Join(dir, "install.sh"); !strings.HasPrefix(r.stdout, want) || !strings.HasSuffix(r.stdout, " --\n") {
			t.Errorf("the line that runs it again is %q, want %q and its options", r.stdout, want)
		}
		r = do(t, call{argv: script(sh, dir, "cat"), stdin: "for lixfix", env: env})
		r.want(t, 0, "")
		if r.stdout != "for lixfix" {
			t.Errorf("standard input of lixfix: %q", r.stdout)
		}
	})
}

// Whoever types "zsh" for "sh" gets the same.
func TestZsh(t *testing.T) {
	dir := stubs(t)
	text, err := os.ReadFile(filepath.Join(dir, "install.sh"))
	if err != nil {
		t.Fatal(err)
	}
	prefix := filepath.Join(t.TempDir(), "a prefix")
	do(t, call{argv: script([]string{"/bin/zsh"}, dir, "--from", dir, "--prefix", prefix)}).want(t, 0, "installed lixfix-1.2.3 as "+prefix)
	r := do(t, call{argv: script([]string{"/bin/zsh"}, dir, "--from", dir, "again")})
	if want := "sh " + filepath.Join(dir, "install.sh") + " --from " + dir + " --\n"; r.code != 0 || r.stdout != want {
		t.Errorf("exit code %d; the line that runs it again is %q, want %q\n%s", r.code, r.stdout, want, r.stderr)
	}
	r = do(t, call{argv: []string{"/bin/zsh", "-s", "--", "--from", dir, "repair", "a b"}, stdin: string(text)})
	if r.code != 0 || !strings.HasPrefix(r.stdout, "[repair][a b]") {
		t.Errorf("piped: exit code %d, %q\n%s", r.code, r.stdout, r.stderr)
	}
}

func TestPiped(t *testing.T) {
	dir, _, env := bootstrapped(t, nil)
	text, err := os.ReadFile(filepath.Join(dir, "install.sh"))
	if err != nil {
		t.Fatal(err)
	}
	atOnce(t, func(t *testing.T, sh []string) {
		piped := func(args ...string) call {
			return call{argv: append(append(append([]string{}, sh...), "-s", "--"), args...), stdin: string(text), env: env}
		}
		r := do(t, piped("repair", "sequoia"))
		r.want(t, 0, "")
		if !strings.HasPrefix(r.stdout, "[repair][sequoia]") {
			t.Errorf("standard output: %q", r.stdout)
		}
		if r := do(t, piped("cat")); r.code != 0 || r.stdout != "" {
			t.Errorf("lixfix was given the script as its standard input: %d %q", r.code, r.stdout)
		}
		do(t, piped("ask")).want(t, 6, "")
		if r := do(t, piped("again")); !strings.HasPrefix(r.stdout, "curl -sSfL http") || !strings.HasSuffix(r.stdout, "/install.sh | sh -s --\n") {
			t.Errorf("the line that runs it again is %q", r.stdout)
		}
		// The line with a version is typed as it is printed.
		r = do(t, piped("--version", "1.2.3", "again"))
		r.want(t, 0, "")
		if !strings.HasSuffix(r.stdout, " --version 1.2.3 --\n") {
			t.Errorf("the line that runs it again is %q", r.stdout)
		}
		typed := strings.TrimSpace(r.stdout) + " repair sequoia"
		r = do(t, call{argv: []string{"sh", "-c", strings.Replace(typed, "| sh ", "| "+strings.Join(sh, " ")+" ", 1)}, env: env})
		if r.code != 0 || !strings.HasPrefix(r.stdout, "[repair][sequoia]") {
			t.Errorf("%s: %d\n%s\n%s", typed, r.code, r.stdout, r.stderr)
		}

		line := fmt.Sprintf("cat '%s/install.sh' | %s -s -- ask", dir, strings.Join(sh, " "))
		r = do(t, call{argv: []string{"script", "-qec", line, "/dev/null"}, stdin: "yes\n", env: env})
		r.want(t, 0, "")
		if !strings.Contains(r.stdout, "Go on? ") || !strings.Contains(r.stdout, "answer: yes") {
			t.Errorf("on a terminal: %q", r.stdout)
		}
	})
}

// withoutCurl hides curl, so that wget is used.
func withoutCurl() map[string]string { return map[string]string{"/usr/bin/curl": "/dev/null"} }

// eachClient runs a test with curl and with wget.
func eachClient(t *testing.T, f func(t *testing.T, mounts map[string]string)) {
	t.Helper()
	t.Run("curl", func(t *testing.T) { f(t, nil) })
	t.Run("wget", func(t *testing.T) { f(t, withoutCurl()) })
}

// ran is what the stub prints; where nothing may be run it must not be there.
const ran = "[check]"

func TestDownloadFails(t *testing.T) {
	plain := serve(t, t.TempDir(), false, nil)
	archiveOf := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, ".tar.gz") }
	cases := []struct {
		name   string
		handle func(w http.ResponseWriter, r *http.Request) bool
		code   int
		text   string
		tries  int // of the file that fails
		file   string
	}{
		{
			name: "not found", code: 3, text: "answered 404", tries: 1, file: "/SHA256SUMS",
			handle: func(w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true },
		},
		{
			name: "archive not found", code: 3, text: "answered 404", tries: 1, file: ".tar.gz",
			handle: func(w http.ResponseWriter, r *http.Request) bool {
				if archiveOf(r) {
					http.NotFound(w, r)
				}
				return archiveOf(r)
			},
		},
		{
			name: "no signature", code: 3, text: "SHA256SUMS.sig: the server answered 404", tries: 1, file: "/SHA256SUMS.sig",
			handle: func(w http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, ".sig") {
					http.NotFound(w, r)
					return true
				}
				return false
			},
		},
		{
			name: "server out of order", code: 3, text: "answered 503", tries: 3, file: "/SHA256SUMS",
			handle: func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true },
		},
		{
			name: "truncated", code: 3, text: ".tar.gz", tries: 3, file: ".tar.gz",
			handle: func(w http.ResponseWriter, r *http.Request) bool {
				if archiveOf(r) {
					w.Header().Set("Content-Length", "5000")
					_, _ = w.Write([]byte("half"))
				}
				return archiveOf(r)
			},
		},
		{
			name: "redirect to plain http", code: 3, text: "download", tries: 1, file: "/SHA256SUMS",
			handle: func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, plain.URL+r.URL.Path, http.StatusFound)
				return true
			},
		},
		{
			name: "redirects without end", code: 3, text: "redirects", tries: 6, file: "/SHA256SUMS",
			handle: func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, "https://"+r.Host+r.URL.Path, http.StatusFound)
				return true
			},
		},
	}
	t.Run("all", func(t *testing.T) { // they mostly wait before they try again
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				eachClient(t, func(t *testing.T, mounts map[string]string) {
					t.Parallel()
					dir, s, env := bootstrapped(t, c.handle)
					r := do(t, call{argv: script([]string{"sh"}, dir, "check"), env: env, mounts: mounts})
					r.want(t, c.code, c.text)
					if n := s.count(c.file); n != c.tries {
						t.Errorf("%s was asked for %d times, want %d", c.file, n, c.tries)
					}
					if strings.Contains(r.stdout, ran) {
						t.Error("lixfix was run")
					}
				})
			})
		}
	})
	if n := plain.count(""); n != 0 {
		t.Errorf("a redirect to plain http was followed %d times", n)
	}
}

func TestDownloadSucceeds(t *testing.T) {
	eachClient(t, func(t *testing.T, mounts map[string]string) {
		t.Parallel()
		var fails atomic.Int32
		dir, s, env := bootstrapped(t, func(w http.ResponseWriter, r *http.Request) bool {
			if to, ok := strings.CutPrefix(r.URL.Path, "/far"); ok {
				http.Redirect(w, r, "https://"+r.Host+"/near"+to, http.StatusFound)
				return true
			}
			if to, ok := strings.CutPrefix(r.URL.Path, "/near"); ok {
				http.Redirect(w, r, to, http.StatusTemporaryRedirect)
				return true
			}
			if strings.HasSuffix(r.URL.Path, ".tar.gz") && fails.Add(1) < 3 {
				w.WriteHeader(http.StatusBadGateway)
				return true
			}
			return false
		})
		env = append(env, "LIXFIX_BASE_URL="+s.URL+"/far/")
		r := do(t, call{argv: script([]string{"sh"}, dir, "check"), env: env, mounts: mounts})
		r.want(t, 0, "")
		if !strings.Contains(r.stdout, ran) {
			t.Errorf("lixfix was not run: %q", r.stdout)
		}
	})
	t.Run("plain http of this machine", func(t *testing.T) {
		dir := stubs(t)
		s := serve(t, dir, false, nil)
		eachClient(t, func(t *testing.T, mounts map[string]string) {
			do(t, call{argv: script([]string{"sh"}, dir, "check"), env: []string{"LIXFIX_BASE_URL=" + s.URL}, mounts: mounts}).want(t, 0, "")
		})
	})
	t.Run("dead certificate file in the environment", func(t *testing.T) {
		dir := stubs(t)
		s := serve(t, dir, false, nil)
		env := []string{"LIXFIX_BASE_URL=" + s.URL, "SSL_CERT_FILE=/nix/gone.crt"}
		do(t, call{argv: script([]string{"sh"}, dir, "check"), env: env}).want(t, 0, "ignoring SSL_CERT_FILE")
	})
}

func TestUntrustedServer(t *testing.T) {
	dir, _, env := bootstrapped(t, nil)
	eachClient(t, func(t *testing.T, mounts map[string]string) {
		do(t, call{argv: script([]string{"sh"}, dir, "check"), env: env[2:], mounts: mounts}).want(t, 3, "ertificate")
	})
}

func TestForgedRelease(t *testing.T) {
	name := "lixfix-1.2.3-" + here().String() + ".tar.gz"
	evil := func(t *testing.T, dir string) {
		t.Helper()
		data, err := archive("lixfix-1.2.3-"+here().String(), []File{{Name: "lixfix", Mode: 0o755, Data: []byte("#!/bin/sh\necho '[check]'\n")}}, time.Unix(1, 0))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), data)
	}
	signWith := func(t *testing.T, dir, key, namespace string) {
		t.Helper()
		list := filepath.Join(dir, sums)
		if err := os.Remove(list + ".sig"); err != nil {
			t.Fatal(err)
		}
		if _, err := tool(t.Context(), nil, "ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", namespace, list); err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct {
		name  string
		forge func(t *testing.T, dir, key string)
		args  []string
		code  int
		text  string
	}{
		{"tampered archive", func(t *testing.T, dir, _ string) { evil(t, dir) }, nil, 5, "not what the signed list says"},
		{"tampered archive and list", func(t *testing.T, dir, _ string) {
			evil(t, dir)
			if err := writeSums(dir); err != nil {
				t.Fatal(err)
			}
		}, nil, 5, "not from the release key"},
		{"signed by another key", func(t *testing.T, dir, _ string) {
			evil(t, dir)
			if err := writeSums(dir); err != nil {
				t.Fatal(err)
			}
			signWith(t, dir, newKey(t), namespace)
		}, nil, 5, "not from the release key"},
		{"signed for another purpose", func(t *testing.T, dir, key string) { signWith(t, dir, key, "git") }, nil, 5, "not from the release key"},
		{"garbage for a signature", func(t *testing.T, dir, _ string) {
			write(t, filepath.Join(dir, sums+".sig"), []byte("-----BEGIN SSH SIGNATURE-----\n"))
		}, nil, 5, "not from the release key"},
		{"empty signature", func(t *testing.T, dir, _ string) { write(t, filepath.Join(dir, sums+".sig"), nil) }, nil, 5, "not from the release key"},
		{"two archives for one system", func(t *testing.T, dir, key string) {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, strings.Replace(name, "1.2.3", "1.2.4", 1)), data)
			if err := Sign(t.Context(), dir, key); err != nil {
				t.Fatal(err)
			}
		}, nil, 5, "two archives"},
		{"another version than asked for", func(*testing.T, string, string) {}, []string{"--version", "v1.2.4"}, 5, "asked for version 1.2.4"},
		{"no archive for this system", func(t *testing.T, dir, key string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			if err := Sign(t.Context(), dir, key); err != nil {
				t.Fatal(err)
			}
		}, nil, 3, "no archive for " + here().String()},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			key := newKey(t)
			dir := stubRelease(t, key, "1.2.3")
			c.forge(t, dir, key)
			s := serve(t, dir, false, nil)
			for _, args := range [][]string{{"--from", dir}, nil} {
				argv := script([]string{"sh"}, dir, append(append(args, c.args...), "check")...)
				r := do(t, call{argv: argv, env: []string{"LIXFIX_BASE_URL=" + s.URL}})
				r.want(t, c.code, c.text)
				if strings.Contains(r.stdout, ran) {
					t.Error("lixfix was run")
				}
			}
		})
	}
}

func TestUsage(t *testing.T) {
	dir, s, env := bootstrapped(t, nil)
	cases := []struct {
		args []string
		env  string
		code int
		text string
	}{
		{args: []string{"--nonsense"}, code: 2, text: "--nonsense is not an option"},
		{args: []string{"--prefix"}, code: 2, text: "--prefix needs a value"},
		{args: []string{"--prefix", "relative"}, code: 2, text: "absolute path"},
		{args: []string{"--from", "/nowhere"}, code: 2, text: "not a directory"},
		{args: []string{"--version", "1;2"}, code: 2, text: "not a version"},
		{args: []string{"check"}, env: "LIXFIX_BASE_URL=http://198.51.100.1/", code: 2, text: "an https address"},
		{args: []string{"check"}, env: "LIXFIX_BASE_URL=http://localhost:x@198.51.100.1/", code: 2, text: "without user names"},
		{args: []string{"check"}, env: "LIXFIX_BASE_URL=http://localhost.example/", code: 2, text: "an https address"},
		{args: []string{"check"}, env: "LIXFIX_BASE_URL=ftp://198.51.100.1/", code: 2, text: "an https address"},
		{args: []string{"--help"}, code: 0},
	}
	for _, c := range cases {
		t.Run(strings.Join(c.args, " ")+c.env, func(t *testing.T) {
			do(t, call{argv: script([]string{"sh"}, dir, c.args...), env: append(slices.Clip(env), c.env)}).want(t, c.code, c.text)
		})
	}
	r := do(t, call{argv: []string{"sh", bootstrap, "check"}, env: env})
	r.want(t, 5, "no release key")
	if n := s.count(""); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestSurroundings(t *testing.T) {
	dir, s, env := bootstrapped(t, nil)
	base := "LIXFIX_BASE_URL=" + s.URL
	in := func(before string, sh []string) []string {
		return append([]string{"sh", "-c", before + `; exec "$@"`, "sh"}, script(sh, dir, "check")...)
	}
	atOnce(t, func(t *testing.T, sh []string) {
		bin := func(name, text string) string {
			file := filepath.Join(t.TempDir(), name)
			write(t, file, []byte("#!/bin/sh\n"+text+"\n"))
			if err := os.Chmod(file, 0o755); err != nil {
				t.Fatal(err)
			}
			return file
		}
		gone := t.TempDir()
		plain := script(sh, dir, "check")
		cases := []struct {
			name string
			call call
			code int
			text string
		}{
			{"env -i", call{argv: plain, bare: true, env: []string{base, env[0]}}, 0, ""},
			{"HOME, TERM and TMPDIR unset", call{argv: append([]string{"env", "-u", "HOME", "-u", "TERM", "-u", "TMPDIR"}, plain...), env: env}, 0, ""},
			{"HOME read-only", call{argv: plain, env: env, setup: `mkdir "$HOME/ro" && rmdir "$HOME/ro" && mount --bind "$HOME" "$HOME" && mount -o remount,ro,bind "$HOME"`}, 0, ""},
			{"umask 0", call{argv: in("umask 0", sh), env: env}, 0, ""},
			{"umask 077", call{argv: in("umask 077", sh), env: env}, 0, ""},
			{"standard input closed", call{argv: in("exec <&-", sh), env: env}, 0, ""},
			{"standard output closed", call{argv: in("exec >&-", sh), env: env}, 0, ""},
			{"standard error closed", call{argv: in("exec 2>&-", sh), env: env}, 0, ""},
			{"all closed", call{argv: in("exec <&- >&- 2>&-", sh), env: env}, 0, ""},
			{"TMPDIR gone", call{argv: in("TMPDIR=/nowhere; export TMPDIR", sh), env: env}, 0, ""},
			{"directory gone", call{argv: in("mkdir '"+gone+"/d'; cd '"+gone+"/d'; rmdir '"+gone+"/d'", sh), env: env}, 0, ""},
			{"TMPDIR noexec", call{argv: plain, env: env, setup: "mount -t tmpfs -o noexec t TMP"}, 0, ""},
			{"every temporary directory noexec", call{argv: plain, env: append(slices.Clip(env), "XDG_RUNTIME_DIR=/run"), setup: `for d in TMP "$HOME" /var/tmp /dev/shm /run /tmp; do mount --bind "$d" "$d" && mount -o remount,bind,noexec "$d" || exit; done`}, 3, "no temporary directory"},
			{"disk full", call{argv: plain, env: env, setup: "mount -t tmpfs -o size=16k t TMP"}, 3, "is there space left in"},
			{"disk full a little sooner", call{argv: plain, env: env, setup: "mount -t tmpfs -o size=8k t TMP"}, 3, "is there space left in"},
			{"disk full when it unpacks", call{
				argv: script(sh, dir, "--from", dir, "check"), env: env, setup: "mount -t tmpfs -o size=64k,nr_inodes=11 t TMP",
			}, 3, "No space left on device"},
			{"no ssh-keygen", call{argv: plain, env: env, mounts: map[string]string{"/usr/bin/ssh-keygen": "/dev/null"}}, 3, "apt-get install openssh-client"},
			{"old ssh-keygen", call{argv: plain, env: env, mounts: map[string]string{"/usr/bin/ssh-keygen": bin("ssh-keygen", "echo 'ssh-keygen: unknown option -- Y' >&2; exit 1")}}, 3, "too old"},
			{"neither curl nor wget", call{argv: plain, env: env, mounts: map[string]string{"/usr/bin/curl": "/dev/null", "/usr/bin/wget": "/dev/null"}}, 3, "curl or GNU wget is needed"},
			{"wget of busybox", call{argv: plain, env: env, mounts: map[string]string{"/usr/bin/curl": "/dev/null", "/usr/bin/wget": "/bin/busybox"}}, 3, "curl or GNU wget is needed"},
			{"FreeBSD", call{argv: plain, env: env, mounts: map[string]string{"/usr/bin/uname": bin("uname", "[ $1 = -sm ] && echo FreeBSD amd64")}}, 3, "no lixfix for FreeBSD"},
			{"riscv64", call{argv: plain, env: env, mounts: map[string]string{"/usr/bin/uname": bin("uname", "[ $1 = -sm ] && echo Linux riscv64")}}, 3, "no lixfix for the processor riscv64"},
		}
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				do(t, c.call).want(t, c.code, c.text)
			})
		}
		t.Run("a Mac", func(t *testing.T) {
			for _, mac := range []struct{ machine, arm, want string }{
				{"arm64", "1", "darwin-arm64"}, {"x86_64", "1", "darwin-arm64"}, {"x86_64", "0", "darwin-amd64"},
			} {
				sysctl := bin("sysctl", `[ "$*" = "-n hw.optional.arm64" ] && echo `+mac.arm)
				local := strings.Replace(sudoPath, "=", "="+filepath.Dir(sysctl)+":", 1)
				r := do(t, call{argv: plain, env: append(slices.Clip(env), local), setup: `for f in /sbin/sysctl /usr/sbin/sysctl; do if [ -e $f ]; then mount --bind '` + sysctl + `' $f; fi; done`, mounts: map[string]string{
					"/usr/bin/uname": bin("uname", "[ $1 = -sm ] && echo Darwin "+mac.machine),
				}})
				r.want(t, 0, "")
				if !strings.Contains(r.stdout, mac.want) {
					t.Errorf("%v: %q", mac, r.stdout)
				}
			}
		})
	})
}

// A script that was cut off anywhere must do nothing.
func TestCutOff(t *testing.T) {
	dir, s, env := bootstrapped(t, nil)
	text, err := os.ReadFile(filepath.Join(dir, "install.sh"))
	if err != nil {
		t.Fatal(err)
	}
	begin := bytes.Index(text, []byte("\n{\n")) + 2
	t.Run("cuts", func(t *testing.T) { // all of them end before the requests are counted
		atOnce(t, func(t *testing.T, sh []string) {
			var cuts []int
			for n := begin; n < len(text)-2; n++ {
				if n%997 == 0 || n > len(text)-40 {
					cuts = append(cuts, n)
				}
			}
			for _, n := range cuts {
				r := do(t, call{argv: append(append([]string{}, sh...), "-s", "--", "check"), stdin: string(text[:n]), env: env})
				if r.code == 0 || r.stdout != "" {
					t.Errorf("cut off at byte %d: exit code %d, %q", n, r.code, r.stdout)
				}
			}
		})
	})
	if n := s.count(""); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestSignalWhileDownloading(t *testing.T) {
	for _, client := range []map[string]string{nil, withoutCurl()} {
		eachShell(t, func(t *testing.T, sh []string) {
			for sig, code := range map[syscall.Signal]int{syscall.SIGHUP: 129, syscall.SIGINT: 130, syscall.SIGTERM: 143} {
				asked, hang := make(chan struct{}, 8), make(chan struct{})
				dir, _, env := bootstrapped(t, func(http.ResponseWriter, *http.Request) bool {
					asked <- struct{}{}
					<-hang
					return true
				})
				began := time.Now()
				r := do(t, call{argv: script(sh, dir, "check"), env: env, mounts: client, during: func(pid int) {
					select {
					case <-asked:
					case <-time.After(20 * time.Second):
						t.Error("nothing was downloaded")
					}
					_ = syscall.Kill(pid, sig)
				}})
				close(hang)
				r.want(t, code, "")
				if d := time.Since(began); d > 10*time.Second {
					t.Errorf("%v took %v", sig, d)
				}
			}
		})
	}
}

// A signal that the whole group gets, as from a terminal, systemd or timeout(1), is answered by lixfix.
func TestSignalWhileRunning(t *testing.T) {
	dir, _, env := bootstrapped(t, nil)
	atOnce(t, func(t *testing.T, sh []string) {
		ready := filepath.Join(t.TempDir(), "ready")
		r := do(t, call{argv: append([]string{"timeout", "300"}, script(sh, dir, "slow", ready)...), env: env, during: func(pid int) {
			if !until(pid, func() bool { return exists(ready) }) {
				t.Error("lixfix was not run")
			}
			_ = syscall.Kill(pid, syscall.SIGTERM) // which timeout(1) gives to its group, as when the time is over
		}})
		if !strings.Contains(r.stdout, "stopped by TERM") {
			t.Errorf("lixfix did not get the signal: %q", r.stdout)
		}
	})
}

// Ctrl-C is for all processes of a terminal. Whenever it is pressed, nothing stays behind: not what mktemp has made and
// not yet named, not what rm would have removed, and not what a tool makes while rm is at work.
func TestSignalLeavesNothing(t *testing.T) {
	dir := stubs(t)
	for _, c := range []struct {
		name  string
		tools map[string]string // SIGNS is a directory, WAIT reports that a tool has come so far and waits until it may go on
		code  int
	}{
		{"while the workplace is made", map[string]string{"mktemp": `name=$(SIGNS/mktemp "$@") || exit; WAIT; echo "$name"`}, 130},
		{"while the draft is made", map[string]string{
			"mktemp": `name=$(SIGNS/mktemp "$@") || exit; case $name in */.lixfix.*) WAIT ;; esac; echo "$name"`,
		}, 130},
		{"while it cleans up", map[string]string{"rm": `WAIT; exec SIGNS/rm "$@"`}, 0},
		{"while a tool still writes", map[string]string{
			"cp": "WAIT",
			"rm": `case $2 in */lixfix.??????) ;; *) exec SIGNS/rm "$@" ;; esac
				[ ! -e SIGNS/late ] || exec SIGNS/rm "$@"
				: >SIGNS/late; echo late >"$2/late"; exit 1`,
		}, 130},
	} {
		t.Run(c.name, func(t *testing.T) {
			atOnce(t, func(t *testing.T, sh []string) {
				signs, prefix, mounts := t.TempDir(), t.TempDir(), map[string]string{}
				for _, name := range []string{"mktemp", "rm", "cp"} {
					if err := copyFile("/usr/bin/"+name, filepath.Join(signs, name)); err != nil {
						t.Fatal(err)
					}
				}
				for name, text := range c.tools {
					wrapper := filepath.Join(t.TempDir(), name)
					text = strings.ReplaceAll(text, "WAIT", ": >SIGNS/reached; n=0; while [ ! -e SIGNS/go ] && [ $n -lt 1000 ]; do sleep 0.05; n=$((n + 1)); done")
					write(t, wrapper, []byte("#!/bin/sh\n"+strings.ReplaceAll(text, "SIGNS", "'"+signs+"'")+"\n"))
					if err := os.Chmod(wrapper, 0o755); err != nil {
						t.Fatal(err)
					}
					mounts["/usr/bin/"+name] = wrapper
				}
				r := do(t, call{argv: script(sh, dir, "--from", dir, "--prefix", prefix), mounts: mounts, during: func(pid int) {
					if !until(pid, func() bool { return exists(signs + "/reached") }) {
						t.Error("it did not come so far")
					}
					_ = syscall.Kill(-pid, syscall.SIGINT)
					write(t, signs+"/go", nil)
				}})
				r.want(t, c.code, "")
				left, err := filepath.Glob(prefix + "/bin/.*")
				if len(left) != 0 || err != nil {
					t.Errorf("left behind: %q %v", left, err)
				}
			})
		})
	}
}

func TestSums(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), []byte("x"))
	if err := writeSums(dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, sums))
	if want := fmt.Sprintf("%x  a\n", sha256.Sum256([]byte("x"))); err != nil || string(got) != want {
		t.Errorf("got %q, want %q (%v)", got, want, err)
	}
}
