package probe

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/redact"
	"github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// telling are the settings that decide what a build has for a network.
var telling = []string{
	"allowed-users", "auto-allocate-uids", "build-users-group", "builders", "extra-sandbox-paths", "keep-build-log",
	"max-jobs",
	"pasta-path", "sandbox", "sandbox-fallback", "sandbox-paths", "store", "substitute", "trusted-users",
}

// Paste describes a result for the developers of Lix, as Markdown, without names and without anything that a terminal
// or Markdown would act on.
func Paste(ctx context.Context, v platform.View, o sandbox.Options, r Result) []string {
	names := redact.Read(ctx, v)
	if r.Report != nil {
		names.ResolvConf(string(r.Report.Files[sandbox.ResolvConf].Data))
		names.Hosts(string(r.Report.Files[sandbox.Hosts].Data))
	}
	// A name that the user chose to look up may be one of theirs.
	if o.Name != "" && o.Name != sandbox.DefaultName {
		names.Machine(o.Name)
	}
	page := redact.NewPage(names)
	page.Heading("%s", r.Verdict())
	r.paste(ctx, v, page)
	block := func(heading string, lines []string) {
		page.Heading(heading)
		if len(lines) == 0 {
			lines = []string{"(nothing)"}
		}
		page.Code(lines, 0)
	}
	block(fileOfHost, resolvConf(hostFile(ctx, v)))
	if r.Report != nil {
		block(fileOfSandbox, resolvConf(r.Report.Files[sandbox.ResolvConf]))
		hosts := func(l string) bool { return strings.HasPrefix(l, "hosts") }
		block(sourcesOfSandbox, fileLines(r.Report.Files[sandbox.NSSwitch], hosts))
		block(serversAsked, asked(r.Report))
		block(networkInside, r.links())
	}
	if len(r.Pasta) > 0 {
		block(pastaSaid, r.Pasta)
	}
	if r.Outcome != sandbox.Ran {
		block(lastLines, r.Stderr)
	}
	if o.Settings {
		block(settingsOfNix, effective(r, names))
	}
	block(settingsOfFile, settings(ctx, v, names))
	return page.Lines()
}

// paste tells who built what, where.
func (r Result) paste(ctx context.Context, v platform.View, page *redact.Page) {
	facts := v.Facts()
	var who any = redact.Own(notKnown)
	if name := strings.TrimSpace(r.Implementation + " " + r.Version); name != "" {
		who = name
	}
	through := redact.Own(storeItself)
	if r.Daemon {
		through = itsDaemon
	}
	var client any = redact.Own(noTool)
	if r.Client != "" {
		client = r.Client
	}
	switch {
	case r.Unknown():
		page.Item(builtByNobody, client)
	case r.Report == nil:
		page.Item(triedBy, who, through, client)
	default:
		page.Item(builtBy, who, through, client)
	}
	if r.Trusted != nil {
		page.Item(trusted, *r.Trusted)
	}
	if r.Hook != "" {
		page.Item(hookRan, r.Hook)
	}
	page.Item(outcomeIs, r.Outcome, r.Millis/1000, r.Exit)
	system := facts.Product
	if !strings.Contains(system, facts.Version) {
		system += " " + facts.Version
	}
	page.Item(hostIs, system, facts.Arch, kernel(ctx, v))
	if r.Report != nil {
		page.Item(sandboxIs, r.Sandbox, r.Network, r.Report.UID,
			r.Report.GID, r.Report.Cwd, r.Report.Tun)
		if r.Report.RouteLate {
			page.Item(waitedFor, r.Report.RouteWait)
		}
	}
}

// asked are the questions that were put to name servers, and what came of them.
func asked(r *sandbox.Report) []string {
	var list []string
	for _, q := range r.Queries {
		list = append(list, queryAnswered.Fill(fix.With{"server": q.Server, "protocol": q.Protocol, "type": q.Type, "says": q.Says(), "ms": fmt.Sprintf("%.0f", q.Millis)}))
	}
	return list
}

// links are the interfaces and routes of the sandbox.
func (r Result) links() []string {
	// Outside of a private network these are the host's own, which are nobody's business.
	if r.Network == sandbox.HostNetwork || r.Network == sandbox.OtherNetwork {
		return []string{networkOf.Fill(fix.With{"interfaces": len(r.Report.Interfaces), "routes": len(r.Report.Routes)})}
	}
	var list []string
	for _, i := range r.Report.Interfaces {
		state := "down"
		if i.Up {
			state = "up"
		}
		list = append(list, i.Name+" "+state+" "+strings.Join(i.Addresses, " "))
	}
	for _, t := range r.Report.Routes {
		list = append(list, strings.TrimSpace("route "+t.To+" "+via(t.Via)+"dev "+t.Interface))
	}
	return list
}

func via(s string) string {
	if s == "" {
		return ""
	}
	return viaGateway.Fill(fix.With{"gateway": s})
}

func kernel(ctx context.Context, v platform.View) any {
	data, err := platform.ReadSmall(ctx, v, "/proc/sys/kernel/osrelease")
	if err != nil {
		return redact.Own(notKnown)
	}
	return sandbox.Plain(string(data))
}

// hostFile is the resolv.conf of the host, as the builder reports its own.
func hostFile(ctx context.Context, v platform.View) sandbox.File {
	var f sandbox.File
	if info, err := v.Stat(ctx, sandbox.ResolvConf); err == nil {
		f.Link = info.Target
	}
	data, err := platform.ReadUpTo(ctx, v, sandbox.ResolvConf, resolvconf.Limit)
	if err != nil {
		f.Error = err.Error()
	}
	f.Data = data
	return f
}

func fileLines(f sandbox.File, wanted func(string) bool) []string {
	var out []string
	if f.Error != "" {
		return []string{"(" + f.Error + ")"}
	}
	for l := range strings.Lines(string(f.Data)) {
		if l = sandbox.Plain(l); wanted(l) {
			out = append(out, l)
		}
	}
	return out
}

// resolvConf is a resolv.conf line by line, with what cannot be seen spelled out, for that may be what is wrong with
// it, and without the names in it.
func resolvConf(f sandbox.File) []string {
	var out []string
	if f.Link != "" {
		out = append(out, linkTo.Fill(fix.With{"target": f.Link}))
	}
	if f.Error != "" {
		return append(out, "("+f.Error+")")
	}
	// Nobody reads more; resolvers look at three servers.
	const most = 100
	n, comments := 0, 0
	// Secrets are looked for before white space is spelled out.
	for l := range strings.Lines(redact.Block(string(f.Data))) {
		// What people and managers write there names machines, networks and themselves.
		if c := strings.TrimLeft(l, "\ufeff \t"); strings.HasPrefix(c, "#") || strings.HasPrefix(l, ";") {
			comments++
			continue
		}
		if n++; n > most {
			continue
		}
		l, end := strings.CutSuffix(l, "\n")
		words := strings.Fields(l)
		if len(words) > 1 && (words[0] == "search" || words[0] == "domain") {
			out = append(out, namesOf.Fill(fix.With{"words": words[0], "count": len(words) - 1}))
			continue
		}
		l = visible(l)
		if !end {
			l += noNewline
		}
		out = append(out, l)
	}
	if n > most {
		out = append(out, moreLines.Fill(fix.With{"count": n - most}))
	}
	if comments > 0 {
		out = append(out, commentsLeftOut.Fill(fix.With{"count": comments}))
	}
	return out
}

// visible spells out what a line has that does not show.
func visible(l string) string {
	const longest = 300
	l = redact.Cut(l, longest)
	var b strings.Builder
	trimmed := strings.TrimRight(l, " ")
	for i, r := range l {
		switch {
		case r == '\uFEFF':
			b.WriteString("<BOM>")
		case r == '\t':
			b.WriteString("<TAB>")
		case r == '\r':
			b.WriteString("<CR>")
		case r == utf8.RuneError, r < ' ', r == 0x7f:
			fmt.Fprintf(&b, "<%02X>", l[i])
		case r == ' ' && i >= len(trimmed):
			b.WriteString("<SPACE>")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// effective are the settings that Nix has told.
func effective(r Result, names *redact.Names) []string {
	if r.SettingsError != "" {
		return []string{daemonSilent.Fill(fix.With{"why": r.SettingsError})}
	}
	if len(r.Settings) == 0 {
		return []string{nobodyAsked}
	}
	out := make([]string, 0, len(r.Settings))
	for _, s := range r.Settings {
		value := s.Value
		if value != "(set)" && value != "(default)" {
			value = names.Setting(s.Name, value)
		}
		out = append(out, strings.TrimSpace(s.Name+" = "+value))
	}
	return out
}

// settings are those that matter, as nix.conf has them, without the values that name people or machines.
func settings(ctx context.Context, v platform.View, names *redact.Names) []string {
	conf, err := nixconf.Read(ctx, v, nixconf.File)
	if err != nil {
		return []string{unreadable}
	}
	var out []string
	for _, name := range telling {
		if s, ok := conf[name]; ok {
			out = append(out, name+" = "+names.Setting(name, sandbox.Plain(s.Value)))
		}
	}
	if len(out) == 0 {
		out = []string{noneSet}
	}
	return out
}
