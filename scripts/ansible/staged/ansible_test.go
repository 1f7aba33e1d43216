//go:build linux

package staged

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// state is what the host is like in what the repair is about.
func (m *member) state(t testing.TB) string {
	t.Helper()
	if m.mac == nil {
		if _, err := os.Lstat(m.host.Path(template)); err != nil {
			return "broken"
		}
		return "repaired"
	}
	var ids []string
	for i := range 4 {
		id := "none"
		if user, err := m.mac.User(fmt.Sprintf("_nixbld%d", i+1)); err == nil {
			id = strings.Join(user["UniqueID"], " ")
		}
		ids = append(ids, id)
	}
	switch all := strings.Join(ids, " "); all {
	case "none none none none":
		return "broken"
	case "351 352 353 354":
		return "repaired"
	default:
		return all
	}
}

// expected is what a run is to come to on a host.
type expected struct {
	end     string // "ok", "failed", "unreachable", or "" where the task was not run
	changed bool
	says    string // in the message of what failed
	state   string
}

// holds compares what a task came to on each host with what is expected of it.
func (f *fleet) holds(t *testing.T, p play, task string, want func(*member) expected) {
	t.Helper()
	for _, m := range f.members {
		w := want(m)
		end, changed, says := "", false, ""
		for _, r := range p.results {
			// A host that cannot be reached is so from the first task.
			if r.Host == m.name && (is(r, task) || r.Unreachable) {
				end, changed, says = "ok", r.Result.Changed, string(r.Result.Msg)
				switch {
				case r.Unreachable:
					end = "unreachable"
				case r.Failed:
					end = "failed"
				}
			}
		}
		if end != w.end || changed != w.changed || !strings.Contains(says, w.says) {
			t.Errorf("%s: %q, changed: %v, %s; want %q, changed: %v, %s", m.name, end, changed, says, w.end, w.changed, w.says)
		}
		if is := m.state(t); is != w.state {
			t.Errorf("%s: it is %s, want %s", m.name, is, w.state)
		}
	}
	if t.Failed() {
		t.Logf("%s", p.out)
	}
}

// TestFleet checks twenty hosts, repairs the Macs until too many fail, repairs the rest, and does so again: per host, what
// was changed, what failed, and what the host is like in the end.
func TestFleet(t *testing.T) {
	f := stage(t, 20, troubles)
	first := func(m *member) string {
		if troubles[m.name] == fine {
			return "repaired"
		}
		return "broken"
	}

	// 1. Everybody is looked at. Root is asked only to bring the program.
	p := f.play(t, "lixfix.lixfix.check")
	t.Logf("before:\n%s", p.table())
	f.holds(t, p, "Look for problems", func(m *member) expected {
		if troubles[m.name] == unreachable {
			return expected{end: "unreachable", state: first(m)}
		}
		return expected{end: "ok", state: first(m)}
	})
	for _, m := range f.members {
		status, is := "", troubles[m.name]
		if r := p.of(m.name, "Look for problems"); r != nil {
			status = r.Result.Status
		}
		want := map[bool]string{true: "broken", false: "at-risk"}[m.mac != nil]
		switch is {
		case unreachable:
			want = ""
		case fine:
			want = "ok"
		}
		if status != want {
			t.Errorf("%s: %q, want %q", m.name, status, want)
		}
		if r := p.of(m.name, "Install the program"); r != nil && r.Result.Uploaded != nil {
			if brought := *r.Result.Uploaded > 1<<20; brought == (is == refused) || brought != r.Result.Changed {
				t.Errorf("%s: %d bytes were sent, changed: %v", m.name, *r.Result.Uploaded, r.Result.Changed)
			}
		}
	}
	for _, row := range []string{"mac-01 +darwin +ok$", "mac-05 +darwin +broken +sequoia/", "linux-10 +[?] +not looked at$", "linux-03 +linux +.*lix-units/template-missing"} {
		matches(t, p.table(), row)
	}

	// 2. A dry run says what would be done, and does nothing.
	p = f.play(t, "lixfix.lixfix.repair_macs", "--check", "--diff", "--limit", "mac-01,mac-05")
	f.holds(t, p, "Repair the build users", func(m *member) expected {
		switch m.name {
		case "mac-01":
			return expected{end: "ok", state: "repaired"}
		case "mac-05":
			return expected{end: "ok", changed: true, state: "broken"}
		}
		return expected{state: first(m)}
	})
	matches(t, p.out, `^-set-attribute /Users/_nixbld1 UniqueID: absent$`)
	matches(t, p.out, `^\+set-attribute /Users/_nixbld1 UniqueID: 351$`)

	// 3. The Macs are repaired in batches. Of the second one, three of five fail, and the rest is left alone.
	p = f.play(t, "lixfix.lixfix.repair_macs")
	f.holds(t, p, "Repair the build users", func(m *member) expected {
		switch m.name {
		case "mac-01":
			return expected{end: "ok", state: "repaired"}
		case "mac-02":
			return expected{end: "failed", changed: true, says: "ended by signal 9", state: m.state(t)}
		case "mac-03":
			return expected{end: "failed", says: "no space left on device", state: "broken"}
		case "mac-04":
			return expected{end: "failed", says: "sudo", state: "broken"}
		case "mac-05", "mac-06":
			return expected{end: "ok", changed: true, state: "repaired"}
		}
		return expected{state: first(m)}
	})
	if is := f.of(t, "mac-02").state(t); is == "broken" || is == "repaired" {
		t.Errorf("mac-02 was to be killed in the middle, and is %s", is)
	}

	// 4. All of them: what was cut short is finished, what was done is left alone.
	f.of(t, "mac-02").host.Run(t, "sh", "-c", "pkill -KILL -x dscl || :") // the tool that killed its caller waits for its own end
	if err := f.of(t, "mac-02").mac.Config(func(c *mac.Config) { c.Faults = nil }); err != nil {
		t.Fatal(err)
	}
	site := filepath.Join(f.dir, "testdata/repair_all.yml")
	done := func(m *member) expected {
		switch troubles[m.name] {
		case unreachable:
			return expected{end: "unreachable", state: "broken"}
		case full:
			return expected{end: "failed", says: "no space left on device", state: "broken"}
		case refused:
			return expected{end: "failed", says: "sudo", state: "broken"}
		}
		return expected{end: "ok", state: "repaired"}
	}
	p = f.play(t, site)
	f.holds(t, p, "Repair", func(m *member) expected {
		w := done(m)
		w.changed = w.end == "ok" && troubles[m.name] != fine && !slices.Contains([]string{"mac-05", "mac-06"}, m.name)
		return w
	})
	if r := p.of("mac-02", "Repair"); r == nil || len(r.Result.Settled) != 1 {
		t.Errorf("mac-02: what was cut short is not said to be finished: %+v", r)
	}
	t.Logf("after the repair:\n%s", p.table())

	// 5. Once more: nothing is changed, and nothing is sent.
	p = f.play(t, site)
	f.holds(t, p, "Repair", done)
	if hosts := p.changed(); len(hosts) > 0 {
		t.Errorf("a second run has changed %v\n%s", hosts, p.out)
	}

	// 6. Records are fetched, and say on the controller what their hosts said.
	records := filepath.Join(f.dir, "records")
	p = f.play(t, "lixfix.lixfix.check", "--limit", "mac-05,linux-03,localhost", "-e", "lixfix_records="+records)
	if hosts := p.changed(); p.code != 0 || len(hosts) > 0 {
		t.Errorf("exit %d, changed: %v\n%s", p.code, hosts, p.out)
	}
	for name, says := range map[string]string{"mac-05": "sequoia", "linux-03": "the units of the daemon belong together"} {
		file := filepath.Join(records, name+".tar.gz")
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info, err)
		}
		out, _ := f.ctl.Command(filepath.Join(f.dir, "release/lixfix-darwin-arm64"), "check", "--host", file, "-v").CombinedOutput()
		if !strings.Contains(strings.Join(strings.Fields(string(out)), " "), says) {
			t.Errorf("the record of %s does not say %s:\n%s", name, says, out)
		}
	}
	f.hangUp(t)
	f.alone(t)
}

// TestChoices tries what a task can ask for beside that: what becomes of a repair that was cut short, options, and where
// the program may be. Hosts know nothing of each other, so each turn tries one thing on each.
func TestChoices(t *testing.T) {
	f := stage(t, 4, map[string]trouble{"mac-01": killed, "mac-02": early})
	site := filepath.Join(f.dir, "testdata/choices.yml")
	one, two := f.of(t, "mac-01"), f.of(t, "linux-02")
	// Each host of a turn has variables of its own.
	turn := func(hosts map[string]vars, args ...string) map[string]*result {
		t.Helper()
		p := f.play(t, append([]string{site, "-i", f.inventory(t, hosts), "--limit", strings.Join(slices.Sorted(maps.Keys(hosts)), ",")}, args...)...)
		all := map[string]*result{}
		for name := range hosts {
			all[name] = p.of(name, "Repair")
			if all[name] == nil {
				all[name] = p.of(name, "Install the program")
			}
			if all[name] == nil {
				t.Fatalf("%s: nothing was tried\n%s", name, p.out)
			}
		}
		return all
	}
	is := func(what string, r *result, failed, changed bool, says string) {
		t.Helper()
		if r.Failed != failed || r.Result.Changed != changed || !strings.Contains(string(r.Result.Msg), says) {
			t.Errorf("%s: failed: %v, changed: %v, %s", what, r.Failed, r.Result.Changed, r.Result.Msg)
		}
	}

	r := turn(map[string]vars{
		"mac-01":   {},
		"mac-02":   {"lixfix_options": vars{"dry-run": true}},
		"linux-01": {"lixfix_checksums": vars{"linux-" + runtime.GOARCH: strings.Repeat("0", 64)}},
		"linux-02": {"lixfix_program": "/opt/lixfix/bin/lixfix"},
	})
	is("killed", r["mac-01"], true, true, "ended by signal 9")
	is("no option", r["mac-02"], true, false, "not an option of a fix")
	is("another archive", r["linux-01"], true, false, "it was not used")
	if now := f.of(t, "linux-01").state(t); now != "broken" {
		t.Errorf("another archive: it is %s", now)
	}
	is("a new place", r["linux-02"], false, true, "")
	if _, err := os.Lstat(two.host.Path("/opt/lixfix/bin/lixfix")); err != nil {
		t.Error(err)
	}
	one.host.Run(t, "sh", "-c", "pkill -KILL -x dscl || :")
	if err := one.mac.Config(func(c *mac.Config) { c.Faults = nil }); err != nil {
		t.Fatal(err)
	}
	half := one.state(t)

	// Somebody has put another program in the place of the right one: it is brought again.
	two.host.WriteFile(t, installed, "#!/bin/sh\n", 0o755)
	r = turn(map[string]vars{"mac-01": {}, "mac-02": {"lixfix_options": vars{"nix-build-user-counts": 4}}, "linux-02": {}})
	is("fail", r["mac-01"], true, false, "resume")
	is("no such option", r["mac-02"], true, false, "unknown flag")
	is("another program", r["linux-02"], false, false, "")
	if info, err := os.Stat(two.host.Path(installed)); err != nil || info.Size() < 1<<20 {
		t.Errorf("another program: %v %v", info, err)
	}

	undo := vars{"lixfix_on_unfinished": "undo"}
	r = turn(map[string]vars{"mac-01": undo}, "--check", "--diff")
	is("what undo would do", r["mac-01"], false, true, "")
	if !strings.Contains(string(r["mac-01"].Result.Diff), "/Users/_nixbld1") {
		t.Errorf("what undo would do: %s", r["mac-01"].Result.Diff)
	}
	if now := one.state(t); now != half {
		t.Errorf("looking has made %s of %s", now, half)
	}

	// Where root may be had and others may change the directory, nothing is run.
	two.host.Run(t, "chmod", "o+w", "/usr/local/bin")
	r = turn(map[string]vars{"mac-01": undo, "mac-02": {"lixfix_program": "/home/" + admin + "/lixfix"}, "linux-02": {}})
	is("undo", r["mac-01"], false, true, "")
	if len(r["mac-01"].Result.Settled) != 1 || one.state(t) != "repaired" {
		t.Errorf("undo: settled %v, and it is %s", r["mac-01"].Result.Settled, one.state(t))
	}
	if out := one.host.Run(t, "sh", "-c", installed+" history --format json"); !strings.Contains(out, `"outcome":"undone"`) || !strings.Contains(out, `"outcome":"finished"`) {
		t.Errorf("undo: the history is %s", out)
	}
	is("root runs nobody's program", r["mac-02"], true, false, "users other than root can change /home/"+admin)
	is("a directory of everybody's", r["linux-02"], true, false, "users other than root can change /usr/local/bin")

	r = turn(map[string]vars{"mac-02": {"lixfix_program": "/home/" + admin + "/new/bin/lixfix"}})
	is("root makes nothing there", r["mac-02"], true, false, "users other than root can change /home/"+admin)
	if _, err := os.Lstat(f.of(t, "mac-02").host.Path("/home/" + admin + "/new")); err == nil {
		t.Errorf("root has made /home/%s/new", admin)
	}
	r = turn(map[string]vars{"mac-02": {"lixfix_options": vars{"nix-build-user-count": 2, "move_existing_users": true}}})
	is("options", r["mac-02"], true, false, "is fewer than the")
	p := f.play(t, "lixfix.lixfix.before_os_upgrade", "-e", "lixfix_hosts=mac-02")
	if r := p.of("mac-02", "Move the build users"); p.code != 0 || r == nil || !r.Result.Changed || p.of("mac-02", "Check again without root") == nil {
		t.Errorf("before an upgrade: exit %d\n%s", p.code, p.out)
	}
	if now := f.of(t, "mac-02").state(t); now != "repaired" {
		t.Errorf("options: it is %s", now)
	}
}

// vars are variables of Ansible.
type vars map[string]any

// inventory writes one with variables of hosts, beside that of the fleet.
func (f *fleet) inventory(t testing.TB, hosts map[string]vars) string {
	t.Helper()
	data, err := json.Marshal(map[string]any{"all": map[string]any{"hosts": hosts}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(f.dir, fmt.Sprintf("hosts-%d.yml", f.runs)) // JSON is YAML, too
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// alone checks that nothing of Ansible's or lixfix's is left on the hosts: no process, and no file but the program and the
// journals.
func (f *fleet) alone(t testing.TB) {
	t.Helper()
	for _, m := range f.members {
		if left := m.left(t); len(left) > 0 {
			t.Errorf("%s: these processes are left: %v", m.name, left)
		}
		out := m.host.Run(t, "sh", "-c", "ls -A /home/"+admin+"; cd /usr/local/bin && ls -A | grep lixfix; ls -d /tmp/lixfix-record* /root/.ansible 2>/dev/null || true")
		if files := strings.Fields(out); !slices.Equal(files, []string{"lixfix"}) && troubles[m.name] != unreachable {
			t.Errorf("%s: these files are left: %v", m.name, files)
		}
	}
}

// left are the processes of a host that the test did not start, and that are not a connection of sshd's.
func (m *member) left(t testing.TB) (names []string) {
	t.Helper()
	out := m.host.Run(t, "sh", "-c", `for d in /proc/[0-9]*; do case $d in
		/proc/1|/proc/$$) ;;
		*) ! read -r line <"$d/stat" || printf '%s\n' "$line" ;;
	esac; done 2>/dev/null`)
	for line := range strings.Lines(out) {
		_, rest, _ := strings.Cut(line, "(")
		name, rest, _ := strings.Cut(rest, ") ")
		if strings.HasPrefix(rest, "Z") {
			continue // the first process of these hosts takes no notice of orphans that have ended
		}
		if name != "sshd" {
			names = append(names, name)
		}
	}
	return names
}
