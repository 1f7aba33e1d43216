package platform

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"syscall"
)

// LoginShells are the shells that Build starts as login shells, by the name of their program.
var LoginShells = []string{"bash", "zsh", "fish"}

// Login is the login shell that looks for a tool of Nix and becomes it.
type Login struct {
	Shell string // the absolute name of one of LoginShells
	// Interactive shells also read the files that only terminals read, such as .bashrc and .zshrc.
	Interactive bool
}

// becomes is what every login shell is told, which is the same in the languages of all of them: to have sh look for the
// tool on the PATH that it exports, say where it was found, and become that. What the shell's files print comes before
// the mark, which they do not print by accident. Who wants to can read it in /proc, and so deceive about their own shell.
const becomes = `t=$(command -v "$2") || t=; case $t in /*) ;; *) t= ;; esac; ` +
	`printf "\n%s%s\n" "$1" "$t"; printf "\n%s\n" "$1" >&2; test "$t" || exit 127; shift 2; exec "$t" "$@"`

// loginEnvironment is what login(1) sets, and nothing else: what a shell knows beside that, its files have told it.
func loginEnvironment(as Account, shell string) []string {
	home := as.Home
	if home == "" {
		home = environmentHome
	}
	return []string{"HOME=" + home, "USER=" + as.Name, "LOGNAME=" + as.Name, "SHELL=" + shell, "PATH=/usr/local/bin:/usr/bin:/bin"}
}

// login prepares a login shell of the system to become a tool of Nix. The shell's files are those of whom it runs as, and
// can do whatever that user can: it is never root where root has any other user to be.
func (n *nixTools) login(ctx context.Context, b Build) (cmd *exec.Cmd, mark string, done func(), err error) {
	shell := b.Login.Shell
	if !path.IsAbs(shell) || !slices.Contains(LoginShells, path.Base(shell)) || !slices.Contains(buildTools, b.Tool) {
		return nil, "", nil, ErrNotBuilder
	}
	if b.As.UID == 0 && os.Geteuid() == 0 && !space().sole {
		return nil, "", nil, errors.New("lixfix starts no login shell as root: root would run whatever its startup files say")
	}
	if err := n.tools.trusted(shell); err != nil {
		return nil, "", nil, err
	}
	p, err := n.tools.program(shell, 0)
	if err != nil {
		return nil, "", nil, err
	}
	mark = "lixfix-" + rand.Text() + " "
	var script strings.Builder
	script.WriteString("exec /bin/sh -c '" + becomes + "' sh")
	for _, word := range append([]string{mark, b.Tool}, b.Args...) {
		// In single quotes, all shells take everything but these two as it is.
		if strings.ContainsAny(word, `'\`) {
			p.close()
			return nil, "", nil, fmt.Errorf("%q cannot be quoted for every shell", word)
		}
		script.WriteString(" '" + word + "'")
	}
	args := []string{"-l", "-c", script.String()}
	if b.Login.Interactive {
		args = []string{"-l", "-i", "-c", script.String()}
	}
	cmd = p.command(ctx, args)
	cmd.Env = loginEnvironment(b.As, shell)
	// A session of its own has no terminal: an interactive shell would stop because others are at it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	return cmd, mark, p.close, nil
}

// longestName is PATH_MAX of Linux, in bytes; that of macOS is smaller.
const longestName = 4096

// ErrNoMark is returned if a login shell ended, or became something else, before it looked for the tool.
var ErrNoMark = errors.New("its startup files end it before it can run a command")

// marked leaves out what a login shell has printed before it looked for the tool, and says where it found that.
func marked(out *Built, mark string) error {
	_, rest, ok := bytes.Cut(out.Stdout, []byte("\n"+mark))
	if !ok {
		return ErrNoMark
	}
	found, stdout, _ := bytes.Cut(rest, []byte("\n"))
	if len(found) >= longestName { // no name is so long
		return ErrNoMark
	}
	out.Found, out.Stdout = string(found), stdout
	if _, stderr, ok := bytes.Cut(out.Stderr, []byte("\n"+mark+"\n")); ok {
		out.Stderr = stderr
	}
	return nil
}
