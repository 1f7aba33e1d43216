package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes/verify"
)

// login puts a login shell into the world, and tools of Nix that it finds.
func (w *world) login(shell, store string) {
	w.t.Helper()
	for _, dir := range []string{"usr/bin", "etc"} {
		w.mkdir(dir)
	}
	w.write("etc/shells", "/usr/bin/"+shell+"\n")
	w.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
	w.tool(shell, `while [ "$1" != -c ]; do shift; done
echo "a greeting"; PATH=$root/usr/bin:/usr/bin:/bin; export PATH; exec /bin/sh -c "$2"`)
	w.tool("nix-instantiate", `echo "/nix/store/00000000000000000000000000000000-lixfix-build-$5.drv"`) // the nonce
	w.tool("nix-store", `case $1 in
--realise) `+store+` ;;
esac
echo "${2%.drv}"`)
	// Root runs it as nobody, who has to get there.
	for dir := filepath.Join(w.root, "usr/bin"); len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestVerify(t *testing.T) {
	w := newWorld(t)
	w.login("zsh", "")
	// The line ends at the width of a terminal, which the name of the test's directory may pass.
	w.run("verify").ends(Failed).says("✓ zsh", "finds", "✓ build", "? names", "could not tell")

	doc := w.run("verify", "--format", "json").ends(Failed).report()
	if l := doc.Verify; l == nil || len(l.Rungs) != 4 || l.Rungs[0].Shell != "/usr/bin/zsh" || l.Rungs[2].Mark != verify.Holds || len(l.Left) > 0 ||
		!strings.HasPrefix(l.Rungs[0].Says, "finds ") || !strings.HasSuffix(l.Rungs[0].Says, "/usr/bin/nix-instantiate") {
		t.Errorf("%+v", doc.Verify)
	}
	w = newWorld(t)
	w.login("bash", "printf '\\033[31;1merror:\\033[0m the group nixbld specified in build-users-group does not exist\\n' >&2; exit 1")
	w.run("verify").ends(Problems).says("✓ bash", "✓ connection", "✗ build", "· names", "the daemon cannot build: the group nixbld", "next").not("\x1b")
	if l := w.run("verify", "--format", "json").ends(Problems).report().Verify; len(l.Rungs[2].Next) == 0 || !strings.HasPrefix(l.Rungs[2].Error, "the group") {
		t.Errorf("%+v", l.Rungs[2])
	}
	for _, args := range []string{"--name a..b", "extra", "--store /x"} {
		w.run(append([]string{"verify"}, strings.Split(args, " ")...)...).ends(Usage)
	}
	// Nothing in the world looks like Nix or like a shell.
	newWorld(t).run("verify").ends(Problems).says("there is no Nix", "next", "explain shell-hook/not-found")
}
