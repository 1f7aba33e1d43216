//go:build linux

package staged

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sanity are the tests of "ansible-test sanity" that Debian's package can run: the others download what they need. Of
// those, TestDocs looks at what ansible-doc does, and ansible-lint has yamllint in it.
var sanity = []string{
	"action-plugin-docs", "compile", "empty-init", "future-import-boilerplate", "line-endings", "metaclass-boilerplate",
	"no-assert", "no-basestring", "no-dict-iteritems", "no-dict-iterkeys", "no-dict-itervalues", "no-get-exception",
	"no-illegal-filenames", "no-main-display", "no-smart-quotes", "no-unicode-literals", "replace-urlopen", "shebang",
	"symlinks", "use-argspec-type-path", "use-compat-six",
}

// collection is a copy of the collection where Ansible's tools want it, in a repository of its own, and a command to run
// there.
func collection(t *testing.T) (command func(name string, args ...string) string) {
	t.Helper()
	dir := t.TempDir()
	at := filepath.Join(dir, "ansible_collections/lixfix/lixfix")
	if err := os.CopyFS(at, os.DirFS("..")); err != nil {
		t.Fatal(err)
	}
	command = func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = at
		cmd.Env = []string{
			"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + dir, "LC_ALL=C.UTF-8", "ANSIBLE_COLLECTIONS_PATH=" + dir, "NO_COLOR=1",
			"GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x@example.org", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x@example.org",
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	// ansible-test takes the files that git knows.
	command("git", "init", "-q")
	command("git", "add", "-A")
	return command
}

// TestLint has Ansible's own tools look at the collection.
func TestLint(t *testing.T) {
	t.Parallel()
	run := collection(t)
	run("ansible-lint", "--offline", "--nocolor", "--strict", "--profile", "production")
	run("ansible-inventory", "-i", "inventory/example.yml", "--list")
	args := []string{"sanity", "--python", "3." + minor(t, run)}
	for _, one := range sanity {
		args = append(args, "--test", one)
	}
	run("ansible-test", args...)
}

// minor is the version of the Python that Ansible has.
func minor(t *testing.T, run func(string, ...string) string) string {
	t.Helper()
	return strings.TrimSpace(run("/usr/bin/python3", "-c", "import sys; print(sys.version_info.minor)"))
}

// documented fails where the documentation of an action has other options than the action takes.
const documented = `
import ast, yaml
def value(kind, name, variable):
    for node in ast.parse(open('plugins/%s/%s.py' % (kind, name)).read()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == variable:
            return ast.literal_eval(node.value)
wrong = []
for name in ('repair', 'record', 'program'):
    options = yaml.safe_load(value('modules', name, 'DOCUMENTATION'))['options']
    says = {o: {k: v for k, v in d.items() if k != 'description'} for o, d in options.items()}
    if says != value('action', name, 'SPEC'):
        wrong.append(name)
assert not wrong, 'options and documentation differ: ' + ', '.join(wrong)
`

// TestDocs reads the documentation as users do.
func TestDocs(t *testing.T) {
	t.Parallel()
	run := collection(t)
	names := []string{"lixfix.lixfix.repair", "lixfix.lixfix.record", "lixfix.lixfix.program"}
	pages := map[string]string{}
	for page := range strings.SplitSeq("\n"+run("ansible-doc", names...), "\n> ") {
		name, _, _ := strings.Cut(page, " ")
		pages[strings.ToLower(name)] = page
	}
	for _, name := range names {
		for _, part := range []string{"OPTIONS", "EXAMPLES:", "RETURN VALUES:", "- program"} {
			if !strings.Contains(pages[name], part) {
				t.Errorf("ansible-doc %s has no %s:\n%s", name, part, pages[name])
			}
		}
	}
	run("/usr/bin/python3", "-c", documented)
	if out := run("ansible-doc", "-t", "role", "lixfix.lixfix.lixfix"); !strings.Contains(out, "lixfix_src") {
		t.Errorf("ansible-doc of the role:\n%s", out)
	}
	// What a newcomer installs has the playbooks in it, and not these tests.
	run("ansible-galaxy", "collection", "build", "--output-path", "..")
	out := run("tar", "-tzf", "../lixfix-lixfix-0.1.0.tar.gz")
	if !strings.Contains(out, "playbooks/check.yml") || strings.Contains(out, "staged") {
		t.Errorf("the collection has these files:\n%s", out)
	}
}
