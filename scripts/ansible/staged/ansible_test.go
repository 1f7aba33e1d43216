//go:build linux

package staged

import (
	"fmt"
	"os"
	"path/filepath"
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
	f := stage(t, troubles)
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
		if status != want && !(m.mac == nil && is != unreachable && status == "unknown") {
			t.Errorf("%s: %q, want %q", m.name, status, want)
		}
		if r := p.of(m.name, "Bring the program"); r != nil && r.Result.Uploaded != nil {
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
	f.of(t, "mac-02").host.Run(t, "pkill", "-KILL", "-x", "dscl") // the tool that killed its caller waits for its own end
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
	f.alone(t)
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
	out := m.host.Run(t, "sh", "-c", `for d in /proc/[0-9]*; do [ "$d" = /proc/$$ ] || cat "$d/stat" || :; done 2>/dev/null`)
	for line := range strings.Lines(out) {
		_, rest, _ := strings.Cut(line, "(")
		name, rest, _ := strings.Cut(rest, ") ")
		if strings.HasPrefix(rest, "Z") {
			continue // the first process of these hosts takes no notice of orphans that have ended
		}
		if !slices.Contains([]string{"cat", "sshd"}, name) {
			names = append(names, name)
		}
	}
	return names
}
