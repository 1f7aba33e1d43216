package platform_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/platform"
)

// shells are those of this machine, each with the file that it reads as a login shell.
var shells = map[string]string{"bash": ".bash_profile", "zsh": ".zprofile", "fish": ".config/fish/config.fish"}

// path says in the language of a shell where it looks for programs.
func path(shell, dir string) string {
	if shell == "fish" {
		return "set -gx PATH " + dir + "\n"
	}
	return "export PATH=" + dir + "\n"
}

// login has a login shell of alice's become a nix-store that prints its arguments, after it has read a file.
func login(t *testing.T, shell, file string, l platform.Login, b platform.Build) (platform.Built, error) {
	t.Helper()
	return loginUntil(t.Context(), t, shell, file, l, b)
}

// loginUntil is login until the end of ctx.
func loginUntil(ctx context.Context, t *testing.T, shell, file string, l platform.Login, b platform.Build) (platform.Built, error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root can run something as somebody else; run the test as root")
	}
	program, err := exec.LookPath(shell)
	if err != nil {
		t.Fatalf("scripts/deps.sh installs it: %v", err)
	}
	home := t.TempDir()
	rc := filepath.Join(home, shells[shell])
	if err := os.MkdirAll(filepath.Dir(rc), 0o755); err != nil {
		t.Fatal(err)
	}
	tool := filepath.Join(home, "tools", "nix-store")
	if err := os.MkdirAll(filepath.Dir(tool), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		rc:   strings.ReplaceAll(file, "PATH\n", path(shell, filepath.Dir(tool))),
		tool: "#!/bin/sh\necho \"$# $1 $2\"; /usr/bin/id -u; echo done >&2; exit 7\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	pass(t, tool)
	pass(t, rc)
	if out, err := exec.Command("chown", "-R", "1234:1235", home).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l.Shell, b.Login = program, &l
	if b.Tool == "" {
		b.Tool = "nix-store"
	}
	if b.As.Name == "" {
		b.As = platform.Account{Name: "alice", UID: 1234, GID: 1235, Home: home}
	}
	if b.Limit == 0 {
		b.Limit = time.Minute
	}
	out, err := platform.Local().Build(ctx, b)
	if out.Found != "" && out.Found != tool {
		t.Errorf("%s found %s", shell, out.Found)
	}
	return out, err
}

// TestLogin: what a shell's files print is not taken for the tool's output, arguments arrive as they are, and the tool is
// the one that those files lead to.
func TestLogin(t *testing.T) {
	for shell := range shells {
		t.Run(shell, func(t *testing.T) {
			out, err := login(t, shell, "echo noise\necho noise >&2\nPATH\n", platform.Login{}, platform.Build{Args: []string{"a b; $HOME `id` !!\n*", ""}})
			if err != nil || out.Exit != 7 || string(out.Stdout) != "2 a b; $HOME `id` !!\n* \n1234\n" || string(out.Stderr) != "done\n" || !strings.HasSuffix(out.Found, "/tools/nix-store") {
				t.Errorf("%+v %v", out, err)
			}
			if out, err = login(t, shell, "PATH\n", platform.Login{}, platform.Build{Tool: "nix-build"}); err != nil || out.Exit != 127 || out.Found != "" {
				t.Errorf("no such tool: %+v %v", out, err)
			}
			// It becomes something else, as it does for those who cannot change what passwd says.
			if out, err = login(t, shell, "exec /bin/true\n", platform.Login{}, platform.Build{}); !errors.Is(err, platform.ErrNoMark) || out.Found != "" {
				t.Errorf("it becomes something else: %+v %v", out, err)
			}
			hang := fmt.Sprintf("/bin/sleep 4713.%d", os.Getpid())
			if _, err = login(t, shell, hang+"\n", platform.Login{}, platform.Build{Limit: time.Second}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it hangs: %v", err)
			}
			if n, _ := exec.Command("pgrep", "-f", "^"+hang).Output(); len(n) > 0 {
				t.Errorf("it left a process behind: %s", n)
			}
		})
	}
}

// TestLoginForged: a shell's files can read in /proc what it is told, and claim to have found what has no name.
func TestLoginForged(t *testing.T) {
	const forged = `mark=$(tr '\0' '\n' </proc/$$/cmdline | grep -o 'lixfix-[A-Z2-7]* ' | head -n 1)
printf '\n%s' "$mark"; head -c 5000 /dev/zero | tr '\0' /; exit 0
`
	out, err := login(t, "bash", forged, platform.Login{}, platform.Build{})
	if !errors.Is(err, platform.ErrNoMark) || out.Found != "" || !strings.Contains(string(out.Stdout), "lixfix-") {
		t.Errorf("found a name of %d bytes: %v", len(out.Found), err)
	}
}

// TestLoginInteractive: there are files that only terminals read.
func TestLoginInteractive(t *testing.T) {
	only := "case $- in *i*)\nPATH\n;; *) export PATH=/nowhere;; esac\n"
	for _, interactive := range []bool{false, true} {
		out, err := login(t, "bash", only, platform.Login{Interactive: interactive}, platform.Build{})
		if err != nil || (out.Found != "") != interactive {
			t.Errorf("interactive: %t: %+v %v", interactive, out, err)
		}
	}
}

// TestLoginRefuses: root starts no shell as root, none that is not the system's, and nothing but tools of Nix in one.
func TestLoginRefuses(t *testing.T) {
	if _, err := login(t, "bash", "", platform.Login{}, platform.Build{As: platform.Account{Name: "root"}}); err == nil {
		t.Error("root has started a login shell as root")
	}
	if _, err := login(t, "bash", "", platform.Login{}, platform.Build{Args: []string{"it's"}}); err == nil {
		t.Error("a word that cannot be quoted was taken")
	}
	for _, tool := range []string{"sh", "/usr/bin/nix-store"} {
		if _, err := login(t, "bash", "", platform.Login{}, platform.Build{Tool: tool}); !errors.Is(err, platform.ErrNotBuilder) {
			t.Errorf("%s: %v", tool, err)
		}
	}
	alice := platform.Account{Name: "alice", UID: 1234, GID: 1235}
	hers := filepath.Join(t.TempDir(), "bash")
	if err := os.WriteFile(hers, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	pass(t, hers)
	if err := os.Chown(hers, alice.UID, alice.GID); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{hers: platform.ErrUntrusted, "/bin/sh": platform.ErrNotBuilder, "bash": platform.ErrNotBuilder} {
		_, err := platform.Local().Build(t.Context(), platform.Build{
			Tool: "nix-store", As: alice, Limit: time.Minute, Login: &platform.Login{Shell: name},
		})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
