package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
)

// paint is a fix for tests: the walls, files below /walls, are to be blue.
type paint struct {
	name      string
	hook      func(ctx context.Context) error // at the start of Detect
	planError error
	elsewhere bool
}

var _ fix.Fix = (*paint)(nil)

func (p *paint) Name() string { return p.name }

func (p *paint) Doc() fix.Doc {
	return fix.Doc{
		Title:    "The walls have the wrong colour",
		Symptoms: []string{"error: the wall '/walls/1' of the user 'painter1' is … and not blue", "DS Error: -14136 (eDSRecordNotFound)"},
		Cause:    "Somebody painted them.", Changes: "The walls become blue.", Undo: "\"lixfix undo\" paints them back.",
		Sources: []string{"https://example.org/walls"},
	}
}

func (p *paint) Kinds() []*fix.Kind {
	var all []*fix.Kind
	for n := range 10 {
		all = append(all, &fix.Kind{
			ID: fmt.Sprintf("%s/wall-%d", p.name, n), Status: fix.Broken, Also: []fix.Status{fix.OK, fix.AtRisk, fix.Unknown},
			Title: fmt.Sprintf("wall %d is not blue", n), Means: "Everybody can see it.", Messages: []string{"the wall '…' is not blue"},
			Remedies: []fix.Remedial{
				{Case: "paint", When: "the wall is dry", Class: fix.Safe, Changes: "paints {wall}", Undo: "paints it back"},
				{Case: "build", When: "there is no wall", Class: fix.Advice, Changes: "build a wall"},
			},
		})
	}
	return all
}

func (p *paint) Options() []fix.Option {
	return []fix.Option{
		{Name: "tint", Env: "PAINT_TINT", Usage: "what to paint with", Check: func(v string) error {
			if v == "ultraviolet" {
				return errors.New("nobody can see that")
			}
			return nil
		}},
		{Name: "all", Env: "PAINT_ALL", Usage: "paint what is blue as well", Bool: true},
		{Name: "no-confirm", Env: "PAINT_NO_CONFIRM", Usage: "do not ask", Bool: true},
	}
}

func (p *paint) AppliesTo(platform.Facts) bool { return !p.elsewhere }

// walls are the files and what each holds.
func walls(ctx context.Context, v platform.View) ([]string, map[string]string, error) {
	names, err := v.ReadDir(ctx, "/walls")
	if err != nil {
		return nil, nil, err
	}
	colors := map[string]string{}
	for _, n := range names {
		data, err := v.ReadFile(ctx, "/walls/"+n)
		if err != nil {
			return nil, nil, err
		}
		colors[n] = strings.TrimSpace(string(data))
	}
	return names, colors, nil
}

func (p *paint) Detect(ctx context.Context, v platform.View, s fix.Settings) ([]fix.Finding, error) {
	if p.hook != nil {
		if err := p.hook(ctx); err != nil {
			return nil, err
		}
	}
	names, colors, err := walls(ctx, v)
	if err != nil {
		return nil, err
	}
	var all []fix.Finding
	for _, n := range names {
		f := fix.Finding{ID: p.name + "/wall-" + n, Summary: "wall " + n + " is " + colors[n]}
		remedy := &fix.Remedy{Changes: "paints it", Command: "sudo lixfix repair " + p.name, Undo: "sudo lixfix undo"}
		switch colors[n] {
		case "blue":
			f.Status = fix.OK
			if s.On("all") {
				f.Summary = "wall " + n + " will be painted all the same"
			}
		case "pink":
			f.Status, f.Remedy = fix.AtRisk, remedy
			f.Remedy.Class = fix.Safe
		case "dark":
			f.Status, f.Reason, f.NeedsRoot = fix.Unknown, "it is dark in there", true
		case "wet":
			f.Status, f.Remedy = fix.Broken, remedy
			f.Remedy.Class = fix.Risky
		case "gone":
			f.Status, f.Remedy = fix.Broken, &fix.Remedy{Class: fix.Advice, Changes: "build a wall"}
		default:
			f.Status, f.Remedy = fix.Broken, remedy
			f.Remedy.Class = fix.Safe
		}
		if f.Status != fix.OK {
			f.Evidence = []fix.Evidence{{Source: "/walls/" + n, Expected: "blue", Observed: colors[n]}}
		}
		all = append(all, f)
	}
	return all, nil
}

func (p *paint) Plan(ctx context.Context, v platform.View, r fix.Request) (plan.Plan, error) {
	if p.planError != nil {
		return plan.Plan{}, p.planError
	}
	findings, err := p.Detect(ctx, v, r.Settings)
	if err != nil {
		return plan.Plan{}, err
	}
	color := "blue"
	var out plan.Plan
	if s, ok := r.Settings["tint"]; ok {
		color = s.Value
		out.Settings = append(out.Settings, plan.Setting{Name: "tint", Value: s.Value, Source: s.Source})
	}
	for _, f := range findings {
		if f.Remedy == nil || !r.Allowed(f.ID, f.Remedy.Class) {
			continue
		}
		name := f.Evidence[0].Source
		before, err := step.ReadFileState(ctx, v, name)
		if err != nil {
			return plan.Plan{}, err
		}
		after := step.NewFileState(platform.Content{
			Data: []byte(color + "\n"), Mode: before.Mode, UID: before.UID, GID: before.GID,
		})
		out.Entries = append(out.Entries, plan.Entry{
			Step: step.WriteFile{Name: name, Before: before, After: after, Why: "paint it " + color}, For: f.ID,
		})
	}
	return out, nil
}

// site is a machine in a temporary directory on which writes can be watched.
type site struct {
	*platform.Machine
	onWrite func(name string) error
}

func (s *site) WriteFile(ctx context.Context, name string, c platform.Content) error {
	if s.onWrite != nil {
		if err := s.onWrite(name); err != nil {
			return err
		}
	}
	return s.Machine.WriteFile(ctx, name, c)
}

// tty is a terminal on which somebody answers.
type tty struct {
	io.Reader
	mu    sync.Mutex
	shown bytes.Buffer
}

func (t *tty) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shown.Write(p)
}

func (t *tty) Close() error { return nil }

func (t *tty) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shown.String()
}

// world is what a run of lixfix sees in a test.
type world struct {
	t       *testing.T
	root    string
	uid     int
	host    *site
	fixes   []fix.Fix
	paint   *paint
	env     map[string]string
	stdin   string
	tty     *tty // nil: there is none
	now     time.Time
	signals func(chan<- os.Signal)
	stdout  io.Writer // nil: a buffer
	name    string    // that lixfix is called by
	program string    // where lixfix is
}

// newWorld makes a machine with the walls 1, 2, … in the given colours.
func newWorld(t *testing.T, colors ...string) *world {
	t.Helper()
	w := &world{
		t: t, root: t.TempDir(), paint: &paint{name: "paint"}, env: map[string]string{},
		now:  time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		name: "lixfix", program: "/usr/bin/lixfix",
	}
	w.fixes = []fix.Fix{w.paint}
	w.host = &site{}
	w.host.Machine = platform.At(
		func(name string) (string, error) { return filepath.Join(w.root, name), nil },
		func() platform.Facts {
			return platform.Facts{OS: platform.Linux, Product: "Painted Linux", Version: "7", Arch: "amd64", UID: w.uid}
		})
	w.mkdir("var/lib")
	w.mkdir("walls")
	for i, c := range colors {
		w.write(fmt.Sprintf("walls/%d", i+1), c+"\n")
	}
	return w
}

func (w *world) mkdir(name string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Join(w.root, name), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.root, name), []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// user makes lixfix run as somebody who is not root. Facts are read once, so this comes before the first run.
func (w *world) user() *world {
	w.uid = 501
	return w
}

// walls are the colours of the walls.
func (w *world) walls() string {
	w.t.Helper()
	_, colors, err := walls(w.t.Context(), w.host)
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for i := range len(colors) {
		all = append(all, colors[fmt.Sprint(i+1)])
	}
	return strings.Join(all, " ")
}

// state is the state directory.
func (w *world) state() string { return filepath.Join(w.root, "var/lib/lixfix") }

// journals are the names of the journals.
func (w *world) journals() []string {
	entries, _ := os.ReadDir(w.state())
	var names []string
	for _, e := range entries {
		if e.Name() != "lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

// result is how a run ended.
type result struct {
	t    *testing.T
	code Code
	out  string
	err  string
	tty  string
}

// answer runs lixfix at a terminal, where somebody answers.
func (w *world) answer(answer string, args ...string) result {
	w.tty = &tty{Reader: strings.NewReader(answer)}
	defer func() { w.tty = nil }()
	return w.run(args...)
}

// config is what a run gets.
func (w *world) config(args []string, stdin io.Reader, stdout, stderr io.Writer) Config {
	random := byte(0)
	return Config{
		Host: w.host, Fixes: w.fixes, Stdin: stdin, Stdout: stdout, Stderr: stderr, Args: args,
		Getenv: func(name string) string { return w.env[name] },
		OpenTTY: func() (io.ReadWriteCloser, error) {
			if w.tty == nil {
				return nil, errors.New("no such device")
			}
			return w.tty, nil
		},
		Now: func() time.Time {
			w.now = w.now.Add(time.Second)
			return w.now
		},
		Random: readerFunc(func(p []byte) (int, error) {
			for i := range p {
				random++
				p[i] = random
			}
			return len(p), nil
		}),
		Notify: func(c chan<- os.Signal) func() {
			if w.signals != nil {
				w.signals(c)
			}
			return func() {}
		},
		Known: []*fix.Kind{{
			ID: "roof/open", Status: fix.Broken, Title: "it rains", Means: "The roof is open.",
			Messages: []string{"the rain comes in through the roof"}, Remedies: []fix.Remedial{{Class: fix.Advice, Changes: "mend the roof"}},
		}},
		Name: w.name, Version: "0.1.0", Program: func() (string, error) { return w.program, nil },
	}
}

func (w *world) run(args ...string) result {
	w.t.Helper()
	var out, stderr bytes.Buffer
	stdout := w.stdout
	if stdout == nil {
		stdout = &out
	}
	code := Run(w.t.Context(), w.config(args, strings.NewReader(w.stdin), stdout, &stderr))
	r := result{t: w.t, code: Code(code), out: out.String(), err: stderr.String()}
	if w.tty != nil {
		r.tty = w.tty.String()
	}
	if slices.Contains(args, "json") && w.stdout == nil {
		r.valid()
	}
	for _, text := range []string{r.out, r.err, r.tty} {
		if i := strings.IndexFunc(text, func(c rune) bool { return c < ' ' && c != '\n' || c == 0x7f }); i >= 0 {
			w.t.Errorf("%q holds a control character", text)
		}
	}
	return r
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

var schema = sync.OnceValues(func() (*jsonschema.Resolved, error) {
	var s jsonschema.Schema
	if err := json.Unmarshal(render.SchemaJSON(), &s); err != nil {
		return nil, err
	}
	return s.Resolve(nil)
})

// valid checks every document that was printed against the schema.
func (r result) valid() {
	r.t.Helper()
	s, err := schema()
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range strings.Lines(r.out + r.err) {
		var doc any
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			r.t.Errorf("not JSON: %q: %v", line, err)
			continue
		}
		if err := s.Validate(doc); err != nil {
			r.t.Errorf("not as the schema has it: %s: %v", line, err)
		}
	}
}

// report decodes the document on standard output.
func (r result) report() render.Report {
	r.t.Helper()
	doc, err := decodeReport([]byte(r.out))
	if err != nil {
		r.t.Fatalf("%v in %q; standard error: %s", err, r.out, r.err)
	}
	if doc.Exit != int(r.code) {
		r.t.Errorf("the report says exit %d, and it was %d", doc.Exit, r.code)
	}
	return doc
}

// decodeReport decodes a report, and the plan in it with the kinds of steps that there are.
func decodeReport(data []byte) (render.Report, error) {
	var doc struct {
		render.Report
		Plan json.RawMessage `json:"plan"` // in place of that of the report
	}
	err := json.Unmarshal(data, &doc)
	if err == nil && len(doc.Plan) > 0 {
		doc.Report.Plan = new(plan.Plan)
		*doc.Report.Plan, err = step.Kinds().Plan(doc.Plan)
	}
	return doc.Report, err
}

// ends checks the exit code.
func (r result) ends(code Code) result {
	r.t.Helper()
	if r.code != code {
		r.t.Fatalf("exit %d, want %d\nstdout:\n%s\nstderr:\n%s\ntty:\n%s", r.code, code, r.out, r.err, r.tty)
	}
	return r
}

// says checks that standard output, standard error or the terminal holds the texts, apart from line breaks.
func (r result) says(texts ...string) result {
	r.t.Helper()
	all := strings.Join(strings.Fields(r.out+"\n"+r.err+"\n"+r.tty), " ")
	for _, text := range texts {
		if !strings.Contains(all, strings.Join(strings.Fields(text), " ")) {
			r.t.Errorf("no %q in\nstdout:\n%s\nstderr:\n%s\ntty:\n%s", text, r.out, r.err, r.tty)
		}
	}
	return r
}

// not checks that the texts are nowhere.
func (r result) not(texts ...string) result {
	r.t.Helper()
	all := r.out + "\n" + r.err + "\n" + r.tty
	for _, text := range texts {
		if strings.Contains(all, text) {
			r.t.Errorf("%q is in\nstdout:\n%s\nstderr:\n%s\ntty:\n%s", text, r.out, r.err, r.tty)
		}
	}
	return r
}
