package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/cmd/internal/ui"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/record"
	"github.com/lixfix/lixfix/platform/redact"
)

// recording is how a record is asked for.
type recording struct {
	file      string // "" for a name of lixfix's own in the working directory
	keepNames bool
	probe     bool // fixes may look closer than by reading the host
}

// recorder is "lixfix record".
type recorder struct{ *app }

func (rc recorder) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "record [FIX...]",
		Short: "Write down what the fixes see, for others to examine",
		Long: paragraph("Check this host as \"lixfix check\" does, and save everything that the check reads in a file, a tar "+
			"archive. On any machine, \"lixfix check --host FILE\" then prints the same as here, and \"lixfix "+
			"repair FIX --dry-run --host FILE\" shows the same plan.") +
			paragraph("Before anything is written, lixfix removes tokens and passwords, and replaces names of users, groups and machines, "+
				"domains, public addresses and serial numbers, the same name always by the same word. It then checks that the record "+
				"gives the same findings as the host, and lists any difference. Nothing is sent, and without --probe nothing on the host "+
				"is changed. Look at the file before you send it to anybody.") +
			exitHelp(recordCodes...),
		Example: "  lixfix record\n  sudo lixfix record\n" + rc.catalogue.example("  lixfix record %s -o host.tar.gz"),
	}
	rc.flags(cmd)
	for _, f := range rc.Fixes {
		cmd.AddCommand(rc.one(f))
	}
	return cmd
}

var recordCodes = []Code{Healthy, Usage, Failed, Hangup, Interrupt, Terminated}

// recordOne is the record of what one fix sees, which has that fix's flags. More fixes can be named behind it.
func (rc recorder) one(f fix.Fix) *cobra.Command {
	cmd := &cobra.Command{
		Use:   f.Name() + " [FIX...]",
		Short: "Write down what " + f.Name() + " sees",
		Long: paragraph("Write down what "+f.Name()+" sees on this host, without names and secrets. See \"lixfix record --help\".") +
			exitHelp(recordCodes...),
		Example: fmt.Sprintf("  lixfix record %[1]s\n  sudo lixfix record %[1]s -o host.tar.gz", f.Name()),
	}
	rc.flags(cmd, f)
	return cmd
}

// recording gives a command that records its flags, those of a fix as well, and what it does.
func (rc recorder) flags(cmd *cobra.Command, of ...fix.Fix) {
	var how recording
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVarP(&how.file, "output", "o", "", "write to `FILE`, which must not exist yet")
	cmd.Flags().BoolVar(&how.keepNames, "keep-names", false, "keep the names of people and machines; secrets are still "+
		"removed")
	if names := strings.Join(rc.catalogue.probers(), ", "); names != "" {
		cmd.Flags().BoolVar(&how.probe, "probe", false, "also run a build that looks at its sandbox from inside, and record what it sees ("+names+")")
	}
	for _, f := range of {
		lookFlags(cmd, f)
	}
	cmd.ValidArgsFunction = rc.catalogue.completeFixes
	cmd.RunE = rc.run(func(ctx context.Context, cmd *cobra.Command, args []string) (Code, error) {
		names := make([]string, 0, len(of)+len(args))
		for _, f := range of {
			names = append(names, f.Name())
		}
		wanted, err := rc.catalogue.wanted(append(names, args...))
		if err != nil {
			return Usage, err
		}
		settings := make([]fix.Settings, len(wanted))
		for i, f := range wanted {
			settings[i], err = options{rc.app}.of(f, cmd.Flags())
			if err != nil {
				return Usage, err
			}
		}
		r := rc.hosted("record")
		if err := rc.write(ctx, r, wanted, settings, how); err != nil {
			return codeOf(err), err
		}
		return rc.emit(r, Healthy, func(t *render.Text) { t.Record(*r) })
	})
}

// keeper can write a file for who has called lixfix.
type keeper interface {
	Keep(ctx context.Context, name string, data []byte) error
}

// write looks, and writes down what was seen. The report says what was found, and what is in the file.
func (rc recorder) write(ctx context.Context, r *render.Report, wanted []fix.Fix, settings []fix.Settings, how recording) error {
	host, ok := rc.Host.(keeper)
	if !ok || rc.replay != nil {
		return errors.New("record: this host cannot be recorded")
	}
	if how.file == "" {
		var random [2]byte
		if _, err := io.ReadFull(rc.Random, random[:]); err != nil {
			return fmt.Errorf("choose a name: %w", err)
		}
		how.file = fmt.Sprintf("lixfix-record-%s-%x.tar.gz", rc.Now().UTC().Format("20060102-150405"), random)
	}
	if _, err := os.Lstat(how.file); err == nil { // to say so before the work is done; Keep makes sure
		return exists(how.file)
	}
	done, packed, err := rc.observed(ctx, r, wanted, settings, how)
	if err != nil {
		if errors.Is(err, record.ErrTooMuch) {
			return &failure{code: Failed, err: fmt.Errorf("record: %w", err), next: "Name fewer fixes."}
		}
		return fmt.Errorf("record: %w", err)
	}
	switch err := host.Keep(ctx, how.file, packed); {
	case errors.Is(err, fs.ErrExist):
		return exists(how.file)
	case errors.Is(err, platform.ErrUntrusted):
		return &failure{
			code: Unsafe, err: fmt.Errorf("write the record: %w", err),
			next: "Name a file with -o in a directory that only you can write to.",
		}
	case err != nil:
		return fmt.Errorf("write the record: %w", err)
	}
	m := done.Manifest
	r.Record = &render.Record{
		File: how.file, Bytes: len(packed), Questions: done.Asked(), Replaced: m.Replaced, Names: m.Names,
		Unseen: m.Unseen, Differs: m.Differs,
	}
	r.Summary = fmt.Sprintf("%s has %d KiB. Nothing was sent.", how.file, (len(packed)+1023)>>10)
	return nil
}

func exists(file string) error {
	return &failure{
		code: Usage, err: fmt.Errorf("write the record: %s exists already", file), next: "Name another file with -o, or remove this one.",
	}
}

// observed looks at the host as all that a record is to answer do, cleans what was seen, and tries out what it says while
// it is packed.
func (rc recorder) observed(
	ctx context.Context, r *render.Report, wanted []fix.Fix, settings []fix.Settings, how recording,
) (*record.Record, []byte, error) {
	rc.progress.Now("looking")
	defer rc.progress.Close()
	rec := record.New(rc.Host)
	on := rc.quietly(nil)
	on.scoped = rec.Watch
	surveyed := on.survey(ctx, r)
	// What a fix would do is asked as soon as it has looked, while others still wait for something. It sees the same moment, and
	// asks the host only for what is new.
	again := *on
	again.scoped = rec.Again
	verdict := make([]record.Verdict, len(wanted))
	red := redact.NewRecorder(how.keepNames)
	r.Fixes = on.detectEach(surveyed, wanted, settings, how.probe, func(i int, found render.Fix) {
		verdict[i] = verdictOf(surveyed, &again, found, wanted[i], settings[i], true)
		rec.Prepare(red)
	})
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	rc.progress.Now("taking names and secrets out")
	machine, _ := os.Hostname()
	m := &rec.Manifest
	m.Lixfix, m.Names, m.Probed, m.Verdict = rc.Version, how.keepNames, probed(r.Fixes), verdict
	m.Unseen = unseen(r)
	for _, f := range wanted {
		m.Fixes = append(m.Fixes, f.Name())
	}
	clean, err := rec.Clean(red, machine)
	if err != nil {
		return nil, nil, err
	}
	clean.Manifest.Settings = map[string]map[string]record.Setting{}
	given := make([]fix.Settings, len(wanted)) // as they are found in the record
	for i, f := range wanted {
		some := map[string]record.Setting{}
		given[i] = fix.Settings{}
		for name, s := range settings[i] {
			s.Value = red.Text(s.Value)
			some[name], given[i][name] = record.Setting(s), s
		}
		if len(some) > 0 {
			clean.Manifest.Settings[f.Name()] = some
		}
	}
	clean.Manifest.Verdict = said(verdict, red)
	var packed bytes.Buffer
	var failed error
	var packing sync.WaitGroup
	packing.Go(func() { failed = clean.Write(&packed) })
	differs := rc.differs(ctx, clean, wanted, given, red)
	packing.Wait()
	// Nearly always there is nothing to tell.
	if len(differs) > 0 && failed == nil {
		clean.Manifest.Differs = differs
		packed.Reset()
		failed = clean.Write(&packed)
	}
	return clean, packed.Bytes(), errors.Join(failed, ctx.Err())
}

// probed reports whether one of them has looked closer.
func probed(found []render.Fix) bool {
	return slices.ContainsFunc(found, func(f render.Fix) bool { return f.Probed != nil })
}

// said is a verdict without names. Numbers that a plan chooses are names as well, on both sides of a comparison.
func said(verdict []record.Verdict, red *redact.Recorder) []record.Verdict {
	for i := range verdict {
		verdict[i].Refused = record.Line(red.Text(verdict[i].Refused))
		for n, step := range verdict[i].Plan {
			verdict[i].Plan[n] = record.Line(red.Text(step))
		}
	}
	return verdict
}

// unseen says what a look could not tell.
func unseen(r *render.Report) []string {
	var all []string
	if !r.Host.Root {
		all = append(all, "what only root can read: \"sudo lixfix record\" sees more")
	}
	for _, f := range r.Fixes {
		for _, one := range f.Findings {
			if one.Status == fix.Unknown {
				all = append(all, one.ID+": "+record.Line(one.Summary+": "+one.Reason))
			}
		}
	}
	return all
}

// quietly looks for this program again, silently, and at a record where that is not nil.
func (rc recorder) quietly(r *record.Record) *looker {
	a := *rc.app
	a.events = false
	a.progress = ui.NewProgress(a.err, a.stderr, true)
	if r != nil {
		a.Host, a.replay = r.Host(), r
	}
	return &looker{app: &a}
}

// verdictOf is what a fix found, and what it would do. With more, it also asks what only a report asks, and a repair that
// nobody is asked about.
func verdictOf(ctx context.Context, l *looker, found render.Fix, f fix.Fix, s fix.Settings, more bool) record.Verdict {
	v := record.Verdict{Fix: found.Name, Status: string(found.Status)}
	risky := false
	for _, one := range found.Findings {
		class := ""
		if one.Remedy != nil {
			class = string(one.Remedy.Class)
			risky = risky || one.Remedy.Class == fix.Risky
		}
		v.Findings = append(v.Findings, record.Finding{ID: one.ID, Status: string(one.Status), Class: class})
	}
	if found.Status == fix.NotApplicable || ctx.Err() != nil {
		return v
	}
	p, err := planned(ctx, l, f, s, ask{}, found.Probed)
	if err != nil {
		v.Refused = message(err)
	}
	for _, e := range p.Entries {
		v.Plan = append(v.Plan, e.Step.Kind()+": "+e.Step.String())
	}
	if more {
		_, _ = pasted(ctx, l, f, s)
		if risky {
			_, _ = planned(ctx, l, f, s, ask{yes: true}, found.Probed)
		}
		if found.Probed != nil {
			_, _ = planned(ctx, l, f, s, ask{}, nil) // with --passive
		}
	}
	return v
}

// planned is the plan that a dry run would show, with the same random numbers each time.
func planned(ctx context.Context, l *looker, f fix.Fix, s fix.Settings, how ask, probed *fix.Probed) (plan.Plan, error) {
	// The look before it was the check's, and is not needed again.
	v, missing := l.through(f.Name(), platform.NewMemo(l.Host))
	p, err := guarded(ctx, detectLimit, func(ctx context.Context) (plan.Plan, error) {
		return f.Plan(ctx, v, fix.Request{Settings: s, Allowed: how.allowed, Random: rand.NewChaCha8([32]byte{}), Probed: probed})
	})
	if err == nil {
		p.Fix = f.Name()
		err = guardedPlan(ctx, v, p)
	}
	if gap := missing(); gap != nil {
		err = gap
	}
	if err != nil {
		return plan.Plan{}, err
	}
	return p, nil
}

// differs looks at a record as others will, and tells what is not as it was on the host.
func (rc recorder) differs(ctx context.Context, r *record.Record, wanted []fix.Fix, settings []fix.Settings, red *redact.Recorder) []string {
	rc.progress.Now("looking whether the record says the same")
	l := rc.quietly(r)
	report := l.hosted("record")
	ctx = l.survey(ctx, report)
	now := make([]record.Verdict, len(wanted))
	l.detectEach(ctx, wanted, settings, r.Manifest.Probed, func(i int, found render.Fix) {
		now[i] = verdictOf(ctx, l, found, wanted[i], settings[i], false)
	})
	now = said(now, red)
	var all []string
	for i, was := range r.Manifest.Verdict {
		if why := unequal(was, now[i]); why != "" {
			all = append(all, record.Line(was.Fix+": "+why))
		}
	}
	return all
}

// unequal tells in what two verdicts differ, "" for nothing.
func unequal(a, b record.Verdict) string {
	switch {
	case a.Status != b.Status:
		return fmt.Sprintf("it is %s here, and would be %s in the record", a.Status, b.Status)
	case !slices.Equal(a.Findings, b.Findings):
		return fmt.Sprintf("it finds %v here, and would find %v in the record", a.Findings, b.Findings)
	case (a.Refused == "") != (b.Refused == ""):
		return fmt.Sprintf("its plan is refused here with %q, and in the record with %q", a.Refused, b.Refused)
	case len(a.Plan) != len(b.Plan):
		return fmt.Sprintf("its plan has %s here, and %s in the record", render.Steps(len(a.Plan)), render.Steps(len(b.Plan)))
	}
	for i := range a.Plan {
		if a.Plan[i] != b.Plan[i] {
			return fmt.Sprintf("step %d is %q here, and %q in the record", i+1, a.Plan[i], b.Plan[i])
		}
	}
	return ""
}
