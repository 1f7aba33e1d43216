package cli

import (
	"context"
	"errors"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
)

const waitingID = "20260101-000000-paint-abcd"

// waits is a journal that waits, and has nothing to do.
const waits = `{"journal":1,"began":"2026-01-01T00:00:00Z","plan":{"schema":1,"id":"` + waitingID + `","fix":"paint",` +
	`"version":"0.1.0","made":"2026-01-01T00:00:00Z","host":{"os":"linux","arch":"amd64"},"steps":[]}}` + "\n"

// leave puts an unfinished journal there.
func (w *world) leave(content string) {
	w.t.Helper()
	w.mkdir("var/lib/lixfix")
	w.write("var/lib/lixfix/"+waitingID+".unfinished.jsonl", content)
}

func TestCheckVerdict(t *testing.T) {
	for _, test := range []struct {
		name    string
		walls   []string
		waiting bool
		args    []string
		code    Code
		verdict string
	}{
		{"healthy", []string{"blue"}, false, nil, Healthy, "lixfix 0.1.0: 1 fix checked on Painted Linux 7: all well"},
		{"broken", []string{"red"}, false, nil, Problems, "1 fix checked on Painted Linux 7: 1 problem"},
		{"at risk", []string{"pink"}, false, nil, Healthy, "1 at risk"},
		{"at risk, strict", []string{"pink"}, false, []string{"--strict"}, Problems, "1 at risk"},
		{"could not tell", []string{"dark"}, false, nil, Failed, "1 could not be checked (root can tell)"},
		{"broken and could not tell", []string{"dark", "red", "red"}, false, nil, Problems, "2 problems, 1 could not be checked (root can tell)"},
		{"at risk and could not tell, strict", []string{"dark", "pink"}, false, []string{"--strict"}, Problems, "1 at risk, 1 could not be checked"},
		{"unfinished and broken", []string{"dark", "red"}, true, nil, Waiting, "an unfinished repair waits; 1 fix checked"},
		{"unfinished and healthy", []string{"blue"}, true, nil, Waiting, "all well"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, user := range []bool{false, true} {
				w := newWorld(t, test.walls...)
				if user {
					w.user()
				}
				if test.waiting {
					w.leave(waits)
				}
				r := w.run(append([]string{"check"}, test.args...)...).ends(test.code).says(test.verdict)
				if r.err != "" {
					t.Errorf("standard error: %q", r.err)
				}
				if test.waiting {
					r.says(waitingID, "sudo lixfix resume", "sudo lixfix undo")
				}
				doc := w.run(append([]string{"check", "--format", "json"}, test.args...)...).ends(test.code).report()
				if doc.Host.Root == user {
					t.Error("it is wrong about who it runs as")
				}
				if !test.waiting && len(w.journals()) > 0 {
					t.Error("check has written something")
				}
			}
		})
	}
}

func TestCheckShowsEvidence(t *testing.T) {
	w := newWorld(t, "red", "blue", "pink")
	r := w.run("check").ends(Problems)
	want := `no Nix here

broken   paint  wall 1 is red (and 1 more finding)
  broken   paint/wall-1
    where     expected  found
    /walls/1  blue      red
    remedy  paints it (safe)
    undo    sudo lixfix undo
    run     sudo lixfix repair paint
  at risk  paint/wall-3
    wall 3 is pink
    where     expected  found
    /walls/3  blue      pink
    remedy  paints it (safe)
    undo    sudo lixfix undo
    run     sudo lixfix repair paint

lixfix 0.1.0: 1 fix checked on Painted Linux 7: 1 problem, 1 at risk
`
	if r.out != want {
		t.Errorf("got\n%s\nwant\n%s", r.out, want)
	}
}

func TestCheckQuiet(t *testing.T) {
	w := newWorld(t, "blue")
	if r := w.run("check", "-q").ends(Healthy); r.out != "lixfix 0.1.0: 1 fix checked on Painted Linux 7: all well\n" {
		t.Errorf("got %q", r.out)
	}
}

func TestCheckElsewhere(t *testing.T) {
	w := newWorld(t)
	w.paint.elsewhere = true
	const verdict = "lixfix 0.1.0: nothing to check on this host: paint does not apply to Linux\n"
	if r := w.run("check").ends(Healthy); r.out != "no Nix here\n\n"+verdict {
		t.Errorf("got %q", r.out)
	}
	for start, args := range map[string][]string{"no Nix here\n\nn/a      paint": {"check", "-v"}, "n/a      paint": {"check", "paint"}} {
		if r := w.run(args...).ends(Healthy); !strings.HasPrefix(r.out, start) {
			t.Errorf("%v: got %q", args, r.out)
		}
	}
	w.run("check", "--format", "json").ends(Healthy)
}

func TestCheckNames(t *testing.T) {
	w := newWorld(t, "blue")
	w.fixes = append(w.fixes, &paint{name: "glaze", elsewhere: true})
	w.run("check", "piant").ends(Usage).says(`"piant" is not a fix; did you mean "paint"?`, "known are: paint, glaze")
	w.run("check", "paint", "paint").ends(Healthy).says("1 fix checked")
	w.run("check", "--format", "json", "piant").ends(Usage)
	w.env["PAINT_ALL"] = "maybe"
	w.run("check").ends(Usage).says("PAINT_ALL", `"maybe" is neither true nor false`)
	w.env["PAINT_ALL"] = "yes"
	w.run("check").ends(Healthy).says("will be painted all the same")
}

func TestCheckFailures(t *testing.T) {
	for _, test := range []struct {
		name string
		hook func(context.Context) error
		says string
	}{
		{"error", func(context.Context) error { return errors.New("the ladder is\nbroken") }, "the ladder is; broken"},
		{"panic", func(context.Context) error { panic("out of paint") }, "internal error: out of paint at check_test.go:"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, "blue")
			w.fixes = append(w.fixes, &paint{name: "glaze"})
			w.paint.hook = test.hook
			r := w.run("check").ends(Failed).says("unknown  paint  could not be checked", "reason", test.says, "ok       glaze", "1 could not be checked")
			if strings.Index(r.out, "paint") > strings.Index(r.out, "glaze") {
				t.Error("the order is wrong")
			}
			w.run("check", "--format", "json").ends(Failed)
			w.run("check", "--debug").says("level=DEBUG")
		})
	}
}

func TestGuardedLimit(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	_, err := guarded(t.Context(), 10*time.Millisecond, func(context.Context) (int, error) {
		<-hang
		return 0, nil
	})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 10ms") {
		t.Errorf("got %v", err)
	}
}

func TestCheckUnreadableState(t *testing.T) {
	w := newWorld(t, "blue")
	w.write("var/lib/lixfix", "a file")
	w.run("check").ends(Failed).says("not read", "1 thing could not be read")
	w.run("check", "--format", "json").ends(Failed)
}

func TestCheckHostile(t *testing.T) {
	w := newWorld(t)
	w.fixes = []fix.Fix{&hostile{paint{name: "paint"}}}
	w.run("check", "-v").ends(Problems).not("\x1b", "\u202e", "\u200b", "\r", "\u009b")
	w.run("check", "--format", "json").ends(Problems).not("\x1b", "\u202e", "\u200b", "\u009b")
	w.run("repair", "paint", "--dry-run").not("\x1b", "\u202e")
}

// hostile has findings that try to change what the terminal shows.
type hostile struct{ paint }

const evil = "\x1b[2J\x1b]0;owned\x07all well\r\n\u202eyletelpmoc\u200b\u009b31m \x00\x7f"

func (h *hostile) Detect(context.Context, platformView, fix.Settings) ([]fix.Finding, error) {
	return []fix.Finding{{
		ID: "paint/" + evil, Status: fix.Broken, Summary: evil, Reason: evil,
		Evidence: []fix.Evidence{{Source: evil, Expected: evil, Observed: strings.Repeat(evil, 400)}},
		Remedy:   &fix.Remedy{Class: fix.Safe, Changes: evil, Command: evil, Undo: evil},
	}}, nil
}

func TestVersionNeedsNoHost(t *testing.T) {
	w := newWorld(t)
	w.host.Machine = nil // whoever asks it panics
	w.run("version").ends(Healthy).says("lixfix 0.1.0 (go")
	w.run("version", "--format", "json").ends(Healthy)
	w.run("--help").ends(Healthy)
	w.run("schema").ends(Healthy).says("2020-12")
	w.run("completion", "bash").ends(Healthy)
	w.run("completion", "tcsh").ends(Usage)
	w.run("explain", "paint").ends(Healthy)
}

func TestPanicIsNoMistakeOfUsage(t *testing.T) {
	w := newWorld(t)
	w.host.Machine = nil
	w.run("list").ends(Failed).says("internal error: ", "machine.go:", "/issues")
	w.run("list", "--format", "json").ends(Failed)
}

func TestListAndUsage(t *testing.T) {
	w := newWorld(t, "blue")
	w.fixes = append(w.fixes, &paint{name: "glaze", elsewhere: true})
	w.run("list").ends(Healthy).says("paint The walls", "(not here: it does not apply to Linux)")
	w.run("list", "--format", "json").ends(Healthy)
	w.run("list", "x").ends(Usage)
	w.run("chekc").ends(Usage).says(`did you mean "check"?`)
	w.run("check", "--nope").ends(Usage).says("next: lixfix check --help")
	w.run("check", "--nope", "--format", "json").ends(Usage)
	w.run("check", "--format", "yaml").ends(Usage)
	w.run("check", "--color", "sometimes").ends(Usage)
	w.run("repair").ends(Usage).says("known are: paint, glaze")
	w.run("repair", "pain").ends(Usage).says(`did you mean "paint"?`)
	w.run("repair", "paint", "now").ends(Usage)
	w.run("undo", "a", "b").ends(Usage)
	w.run("explain").ends(Usage)
	w.run("help", "repair", "paint").ends(Healthy).says("--rollback-on-failure")
	w.run("help", "nope").ends(Usage)
}

func TestUnwritableResult(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal("there is no /dev/full")
	}
	defer full.Close()
	w := newWorld(t, "blue")
	w.stdout = full
	w.run("check").ends(Failed).says("write the result")
	r, p, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer p.Close()
	w.stdout = p
	w.run("check").ends(Healthy)
}

// hang waits for the end of ctx.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

const sealed = "/nix/store/00000000000000000000000000000000-lix-2.95.1/bin/nix"

// lix puts a Lix there.
func (w *world) lix() {
	w.t.Helper()
	for _, dir := range []string{"nix/var/nix/db", "nix/var/nix/profiles", "etc/nix", path.Dir(sealed)[1:], "lib/systemd/system"} {
		w.mkdir(dir)
	}
	w.write("nix/var/nix/db/db.sqlite", "x")
	w.write(sealed[1:], "x")
	w.write("etc/nix/nix.conf", "sandbox = relaxed\naccess-tokens = github.com=ghp_000000000000000000000000000000000000\nlazy-trees = true\ninclude gone.conf\n")
	w.write("nix/receipt.json", `{"actions":[],"planner":{"settings":{"enable_flakes":true}}}`)
	w.write("lib/systemd/system/nix-daemon.service", "[Service]\nExecStart=@"+sealed+" nix-daemon --daemon\n")
}

func TestVersionHost(t *testing.T) {
	w := newWorld(t, "blue")
	w.run("version", "--host").ends(Healthy).says("no Nix here", "present no", "not known there is no Nix")
	w.lix()
	r := w.run("version", "--host").ends(Healthy)
	r.says("multi-user, installed by the Lix installer", "/nix/receipt.json", "nix-daemon.service (Lix 2.95.1)", "/etc/nix/nix.conf:4: file '/etc/nix/gone.conf' included from '/etc/nix/nix.conf' not found")
	doc := w.run("version", "--host", "--format", "json").ends(Healthy).report()
	if doc.Installation == nil || doc.Installation.Present == nil || !*doc.Installation.Present || doc.Host == nil || len(doc.Installation.Fields) < 10 {
		t.Errorf("%+v", doc.Installation)
	}
	w.write("etc/nix/nix.conf", "sandbox = relaxed\naccess-tokens = github.com=ghp_000000000000000000000000000000000000\nlazy-trees = true\n")
	r = w.run("version", "--host").ends(Healthy)
	r.says("sandbox = relaxed", "/etc/nix/nix.conf:1", "unknown setting 'lazy-trees'", "default of Lix 2.95").not("ghp_")
	w.run("version", "--host", "--format", "json").ends(Healthy).not("ghp_")
	w.run("check").ends(Healthy).says("multi-user, installed by the Lix installer")
}

// lagging is a fix that reads a file that the kernel takes long to show.
type lagging struct{ paint }

func (*lagging) Hastens() string { return "/proc/locks" }

// hurried is a host that notes what the kernel is to begin with.
type hurried struct {
	platform.Host
	names []string
}

func (h *hurried) Hasten(name string) { h.names = append(h.names, name) }

// TestHastens: only a check of this host that reads the file has the kernel begin, as the program cannot end before the
// kernel has.
func TestHastens(t *testing.T) {
	for args, want := range map[string]int{
		"check": 1, "check --format json": 1, "check slow": 1, "check quick slow": 1, "--no-color check": 1,
		"check quick": 0, "check --host FILE": 0, "check --host=FILE slow": 0, "list": 0, "explain slow": 0, "": 0,
	} {
		h := &hurried{}
		hasten(Config{
			Host: h, Fixes: []fix.Fix{&paint{name: "quick"}, &lagging{paint{name: "slow"}}}, Args: strings.Fields(args),
		})
		if len(h.names) != want || want == 1 && h.names[0] != "/proc/locks" {
			t.Errorf("lixfix %s hastens %q", args, h.names)
		}
	}
}
