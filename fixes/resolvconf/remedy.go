package resolvconf

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixconf"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
)

// remedies says what can be done about the causes. It is pure: what it goes by was read before.
type remedies struct {
	*diagnosis
	*means
	settled
}

// choose fills in the remedy of a cause.
func (r *remedies) choose(x *cause) {
	switch x.kind {
	case dangling, wsl:
		if x.first.IsValid() {
			r.servers(x)
			return
		}
		r.dangling(x)
	case missing:
		r.missing(x)
	case notFile:
		name := caseDir
		if r.way.shape == Special {
			name = caseOther
		}
		r.advise(x, name)
	case closed:
		r.closed(x)
	case pastaSkips, glibcSkips:
		r.rewrite(x, caseWrite, asReadersTake, conf.Normalise)
	case pastaStops:
		r.rewrite(x, caseReorder, letPastaSee, conf.Ahead)
	case noServer:
		r.noServer(x)
	case firstDead, firstRefuses, firstUseless, noneAnswers, tailscale, container:
		r.servers(x)
	case tunClosed:
		r.tunClosed(x)
	case tunMissing:
		r.tunMissing(x)
	case pastaGone, pastaQuoted:
		r.pastaPath(x)
	case pastaEnds:
		name := caseOther
		if x.kind.Remedy(x.special, nil) != nil && x.special != "" {
			name = x.special
		}
		r.advise(x, name)
	case split:
		r.split(x)
	case overTCP:
		r.advise(x, map[string]string{"": "option", "long": "long"}[x.special])
	case slowLookups:
		r.advise(x, map[string]string{"": caseOther, caseServer: caseServer}[x.special])
	case sandboxOff:
		r.advise(x, map[string]string{"": "setting", "relaxed": "setting", "build": "fallback"}[x.special])
	case daemonConf, fetcher:
		r.restart(x)
	default:
		r.advise(x, "")
	}
}

// fill are the words that a remedy takes.
func (r *remedies) fill(x *cause, more fix.With) fix.With {
	address := "ADDRESS"
	if x.live.IsValid() {
		address = x.live.String()
	}
	all := fix.With{"how": owners[r.owner].how.Fill(fix.With{"address": address})}
	for _, with := range []fix.With{x.with, more} {
		maps.Copy(all, with)
	}
	return all
}

func (r *remedies) advise(x *cause, name string) { x.remedy = x.kind.Remedy(name, r.fill(x, nil)) }

// do fills in a remedy that lixfix carries out in steps.
func (r *remedies) do(x *cause, name string, with fix.With, steps ...plan.Step) {
	x.remedy, x.steps = x.kind.Remedy(name, r.fill(x, with)), steps
}

// rewrite fills in a remedy that edits the text of /etc/resolv.conf, where nobody else writes it.
func (r *remedies) rewrite(x *cause, name, why string, edit func([]byte) []byte) {
	if !r.editable() {
		r.advise(x, caseManaged)
		return
	}
	r.do(x, name, nil)
	x.edit, x.why = edit, why
}

// start returns the unit that a remedy of a cause starts; "" for none.
func (r *remedies) start(x *cause) string {
	for _, unit := range r.units(x) {
		if r.stopped[unit] {
			return unit
		}
	}
	return ""
}

// relink fills in a remedy that points /etc/resolv.conf at the file of a manager.
func (r *remedies) relink(x *cause, from, why string) {
	r.do(x, caseRelink, fix.With{"file": r.stub, "writer": r.writer}, step.SetLink{
		Name: conf.File, From: from, To: r.stub, Why: why,
	})
}

func (r *remedies) dangling(x *cause) {
	unit := r.start(x)
	switch {
	case x.kind == wsl, r.nixos:
		r.advise(x, caseManaged)
	case unit != "":
		r.do(x, caseStart, fix.With{"unit": unit}, step.StartUnit{Unit: unit, On: true, Why: writeFile.Fill(fix.With{"file": r.way.end})})
	case r.stub != "" && len(r.way.links) == 1:
		r.relink(x, r.way.links[0].info.Target, leadToFile)
	default:
		r.advise(x, caseManaged)
	}
}

func (r *remedies) missing(x *cause) {
	switch {
	case r.nixos:
		r.advise(x, caseManaged)
	case r.stub != "":
		r.relink(x, "", nameAnswering)
	case len(r.extra) > 0:
		file := step.NewFileState(platform.Content{Data: []byte(r.lines()), Mode: 0o644})
		r.do(x, caseWrite, nil, step.WriteFile{Name: conf.File, After: file, Why: nameServers})
		x.named = true
	default:
		r.advise(x, caseName)
	}
}

func (r *remedies) closed(x *cause) {
	if n := r.listed(); n != nil {
		r.unlist(x, *n)
		return
	}
	var steps []plan.Step
	var list []string
	directories, home := false, false
	for _, n := range r.diagnosis.closed {
		to := n.info.Mode.Perm() | 0o044
		if n.info.Mode.IsDir() {
			to, directories = n.info.Mode.Perm()|0o001, true
		}
		home = home || n.name == "/root" || strings.HasPrefix(n.name, "/root/") || strings.HasPrefix(n.name, "/home/")
		list = append(list, n.name)
		steps = append(steps, step.SetMode{
			Name: n.name, From: n.info.Mode.Perm(), To: to, Why: letBuildersRead,
		})
	}
	switch {
	case home:
		r.advise(x, "home")
	case r.editable() && !directories:
		r.do(x, caseMode, nil)
		x.open = true
	case r.owner == Nobody || r.owner == Stranger:
		r.do(x, caseDir, fix.With{"names": strings.Join(list, ", ")}, steps...)
	default:
		r.advise(x, caseManaged)
	}
}

// unlist is the advice about an access control list.
func (r *remedies) unlist(x *cause, n node) {
	change := "-b"
	if line := r.user.denies(n); line != "" {
		change = removeEntry.Fill(fix.With{"entry": line})
	}
	x.remedy = x.kind.Remedy(caseList, fix.With{"name": n.name, "change": change})
}

func (r *remedies) noServer(x *cause) {
	switch {
	case !r.editable():
		r.advise(x, caseManaged)
	case len(r.extra) > 0:
		r.rewrite(x, caseNamed, nameServers, appending(r.lines()))
		x.named = true
	case r.stub != "" && r.writer == Resolved:
		x.with = fix.With{"stub": stubServer}
		r.rewrite(x, caseWrite, nameServerOf.Fill(fix.With{"stub": r.stub}), appending(stubLine))
	default:
		r.advise(x, caseName)
	}
}

func (r *remedies) servers(x *cause) {
	unit := r.start(x)
	switch {
	case unit != "":
		r.do(x, caseStart, fix.With{"unit": unit}, step.StartUnit{Unit: unit, On: true, Why: answerOn.Fill(fix.With{"address": x.first.String()})})
	case !r.editable():
		r.advise(x, caseManaged)
	case len(r.extra) > 0:
		r.rewrite(x, caseNamed, askNamedFirst, r.before)
		x.named = true
	case x.live.IsValid():
		r.rewrite(x, caseReorder, askAnsweringFirst, func(data []byte) []byte { return conf.First(data, x.live) })
	case x.with["beyond"] != nil && x.kind.Remedy(caseBeyond, nil) != nil:
		r.advise(x, caseBeyond)
	default:
		r.advise(x, caseName)
	}
}

// lines are those of the servers that the user named.
func (r *remedies) lines() string {
	var b strings.Builder
	for _, a := range r.extra {
		b.WriteString(nameserverLine.Fill(fix.With{"server": a.String()}))
	}
	return b.String()
}

// before puts the servers that the user named before all others.
func (r *remedies) before(data []byte) []byte {
	first := max(bytes.Index(slices.Concat([]byte("\n"), data), []byte("\nnameserver")), 0)
	return slices.Concat(data[:first], []byte(r.lines()), data[first:])
}

// appending adds lines to the end of a file.
func appending(text string) func([]byte) []byte {
	return func(data []byte) []byte {
		end := ""
		if len(data) > 0 && !bytes.HasSuffix(data, []byte("\n")) {
			end = "\n"
		}
		return slices.Concat(data, []byte(end+text))
	}
}

func (r *remedies) tunClosed(x *cause) {
	const why = letPastaOpen
	info := r.tun.info
	switch {
	case len(r.tunShut) > 0 && r.tunShut[0].info.ACL:
		r.unlist(x, r.tunShut[0])
	case len(r.tunShut) > 0:
		dir := r.tunShut[0]
		r.do(x, caseDir, nil, step.SetMode{
			Name: dir.name, From: dir.info.Mode.Perm(), To: dir.info.Mode.Perm() | 0o001, Why: why,
		})
	case !isTun(info):
		r.advise(x, caseOther)
	case info.ACL:
		r.unlist(x, r.tun.last())
	default:
		r.do(x, caseMode, nil, step.SetMode{Name: tunDevice, From: info.Mode.Perm(), To: 0o666, Why: why})
	}
}

func (r *remedies) tunMissing(x *cause) {
	switch {
	case r.contained():
		r.advise(x, caseInside)
	case r.nixos:
		r.advise(x, caseNixOS)
	case r.module:
		r.do(x, caseStart, nil, step.LoadModule{Module: "tun", On: true, Why: makeTun})
	default:
		r.advise(x, caseOther)
	}
}

// pastaPath is what can be done about a wrong pasta-path: without the line, what Lix was built with counts.
func (r *remedies) pastaPath(x *cause) {
	set := r.nix.confPasta
	switch {
	case x.special == "old":
		r.advise(x, caseUpgrade)
		return
	case r.nixos:
		r.advise(x, caseNixOS)
		return
	case set == nil:
		r.advise(x, caseInstall)
		return
	}
	name, why, with := caseLine, ownPasta, fix.With{"file": set.File}
	var after []byte
	var err error
	switch {
	case r.conf == nil:
	case r.pastaOff:
		name, why = caseOff, pastaOff
		after, err = nixconf.With(r.conf.Data(), "pasta-path", "")
	default:
		after = nixconf.Without(r.conf.Data(), "pasta-path")
	}
	if r.conf == nil || err != nil {
		x.remedy = x.kind.Remedy(caseByHand, with)
		return
	}
	content := platform.Content{Data: after, Mode: r.conf.Mode, UID: r.conf.UID, GID: r.conf.GID}
	steps := []plan.Step{step.WriteFile{Name: set.File, Before: r.conf, After: step.NewFileState(content), Why: why}}
	if r.means.runs {
		steps = append(steps, step.RestartUnit{Unit: daemonUnit, Why: readSettings})
	}
	r.do(x, name, with, steps...)
}

func (r *remedies) split(x *cause) {
	if x.with = (fix.With{"file": owners[Resolved].stub}); r.stub == owners[Resolved].stub && len(r.way.links) == 1 && !r.nixos {
		r.relink(x, r.way.links[0].info.Target, askResolved)
		return
	}
	r.advise(x, caseManaged)
}

func (r *remedies) restart(x *cause) {
	switch {
	case x.special == "own":
		r.advise(x, "own")
	case !r.means.runs:
		r.advise(x, caseByHand)
	case x.kind == fetcher:
		r.do(x, caseStart, nil, step.RestartUnit{Unit: daemonUnit, Why: letDaemonSee})
	default:
		r.do(x, caseStart, nil, step.RestartUnit{Unit: daemonUnit, Why: readSettings})
	}
}

// opensWay reports whether a remedy gives others rights on what /etc/resolv.conf leads to.
func (x *cause) opensWay() bool {
	return slices.ContainsFunc(x.steps, func(s plan.Step) bool { _, ok := s.(step.SetMode); return ok })
}

// guarded is what an error of the guards means.
func guarded(err error, opens bool) *obstacle {
	u, ok := errors.AsType[*platform.Untrusted](err)
	switch {
	case err == nil, !ok && !opens:
		return nil
	case !ok:
		return &obstacle{reason: "untold", with: fix.With{"error": err}}
	}
	o := &obstacle{reason: "stranger", with: fix.With{"who": u.Whose(), "dir": u.Dir}, evidence: []fix.Evidence{{
		Source: u.Dir, Expected: rootOnly, Observed: othersCan.Fill(fix.With{"who": u.Whose()}),
	}}}
	if opens {
		o.reason = "way"
	}
	return o
}

// withhold turns a remedy into advice that says why lixfix leaves it alone.
func (x *cause) withhold(o *obstacle) {
	o.with["does"] = x.remedy.Changes
	x.remedy = &fix.Remedy{Class: fix.Advice, Changes: withheld[o.reason].Fill(o.with)}
	x.evidence = append(x.evidence, o.evidence...)
	x.steps, x.edit, x.open, x.named = nil, nil, false, false
}

// written is the step that brings /etc/resolv.conf where some remedies want it; nil where that is nowhere else.
func (s *survey) written(causes []cause) plan.Step {
	info, data := s.way.info, s.data
	before := platform.Content{Data: s.data, Mode: info.Mode, UID: info.UID, GID: info.GID}
	after := before
	var why []string
	for _, x := range causes {
		if x.open {
			after.Mode |= 0o044
		}
		if x.edit != nil {
			data = x.edit(data)
			if !slices.Contains(why, x.why) {
				why = append(why, x.why)
			}
		}
	}
	after.Data = data
	switch opens := after.Mode != before.Mode; {
	case bytes.Equal(data, s.data) && !opens:
		return nil
	case bytes.Equal(data, s.data):
		return step.SetMode{Name: conf.File, From: before.Mode.Perm(), To: after.Mode.Perm(), Why: letBuildersReadIt}
	case opens:
		why = append(why, letBuildersReadIt)
	}
	return step.WriteFile{
		Name: conf.File, Before: step.NewFileState(before), After: step.NewFileState(after),
		Why: strings.Join(why, "; "),
	}
}

// entries are the steps of what is allowed, in the order of the causes, restarts last; notes are what to know of them.
func (d *diagnosis) entries(req fix.Request) (entries []plan.Entry, notes []string) {
	once := func(e plan.Entry) {
		same := func(other plan.Entry) bool { return reflect.DeepEqual(other.Step, e.Step) }
		if !slices.ContainsFunc(entries, same) { // a restart that two remedies need
			entries = append(entries, e)
		}
	}
	add := func(s plan.Step, k *fix.Kind) { once(plan.Entry{Step: s, For: k.ID}) }
	var edits []cause
	var last []plan.Entry
	for _, x := range d.causes {
		if x.remedy == nil || !x.does() || !req.Allowed(x.kind.ID, x.remedy.Class) {
			continue
		}
		if x.remedy.Class == fix.Risky && !x.broken && d.broken() > 0 && !x.named {
			continue // what is only slow can wait for a repair of its own
		}
		if x.edit != nil || x.open {
			edits = append(edits, x)
		}
		for _, s := range x.steps {
			if _, restart := s.(step.RestartUnit); restart {
				last = append(last, plan.Entry{Step: s, For: x.kind.ID})
				continue
			}
			add(s, x.kind)
		}
		if x.remedy.Class == fix.Risky {
			notes = append(notes, x.kind.ID+": "+x.remedy.Changes)
		}
	}
	if s := d.written(edits); s != nil {
		add(s, edits[0].kind)
		if w, ok := s.(step.WriteFile); ok {
			notes = append(notes, reads(w.After.Data()))
		}
	}
	for _, e := range last {
		once(e)
	}
	if len(entries) > 0 {
		notes = append(notes, thenLooks)
	}
	return entries, notes
}

// reads says what /etc/resolv.conf is going to hold, where that is little.
func reads(data []byte) string {
	const few = 12
	var list []string
	for line := range strings.Lines(string(data)) {
		list = append(list, fmt.Sprintf("%q", strings.TrimSuffix(line, "\n")))
	}
	if len(list) > few {
		return willHave.Fill(fix.With{"file": conf.File, "count": len(list)})
	}
	return willRead.Fill(fix.With{"lines": strings.Join(list, ", ")})
}
