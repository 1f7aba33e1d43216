package probe

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/resolvconf"
)

// telling are the settings that decide what a build has for a network.
var telling = []string{
	"allowed-users", "auto-allocate-uids", "build-users-group", "builders", "extra-sandbox-paths", "keep-build-log",
	"max-jobs",
	"pasta-path", "sandbox", "sandbox-fallback", "sandbox-paths", "store", "substitute", "trusted-users",
}

// private are those of them whose values name people or machines: only whether they are set is told.
var private = []string{"allowed-users", "builders", "store", "trusted-users"}

// Paste describes a result for the developers of Lix, as Markdown, without names and without anything that a terminal
// or Markdown would act on.
func Paste(ctx context.Context, v platform.View, o Options, r Result) []string {
	h := newHider(ctx, v, o)
	facts := v.Facts()
	out := []string{"### " + h.text(r.Verdict()), ""}
	item := func(format string, args ...any) { out = append(out, "- "+h.text(fmt.Sprintf(format, args...))) }
	who := r.Implementation + " " + r.Version
	if strings.TrimSpace(who) == "" {
		who = "not known"
	}
	through := "the store itself"
	if r.Daemon {
		through = "its daemon"
	}
	client := r.Client
	if client == "" {
		client = "no tool of Nix that tells its version"
	}
	switch {
	case r.Unknown():
		item("built by: nobody; asked with: %s", client)
	case r.Report == nil:
		item("tried by: %s, through %s; asked with: %s", strings.TrimSpace(who), through, client)
	default:
		item("built by: %s, through %s; asked with: %s", strings.TrimSpace(who), through, client)
	}
	if r.Trusted != nil {
		item("trusted by the daemon: %t", *r.Trusted)
	}
	item("outcome: %s, after %.1f s, exit status %d", r.Outcome, r.Millis/1000, r.Exit)
	system := facts.Product
	if !strings.Contains(system, facts.Version) {
		system += " " + facts.Version
	}
	item("host: %s, %s, kernel %s", system, facts.Arch, kernel(ctx, v))
	if r.Report != nil {
		item("sandbox: %t; network: %s; user %d, group %d, in %s; /dev/net/tun in it: %s", r.Sandbox, r.Network, r.Report.UID,
			r.Report.GID, r.Report.Cwd, r.Report.Tun)
		if r.Report.RouteLate {
			item("it waited %.0f ms for an address and a default route", r.Report.RouteWait)
		}
	}
	block := func(heading string, lines []string) {
		out = append(out, "", "### "+heading, "", "```")
		if len(lines) == 0 {
			lines = []string{"(nothing)"}
		}
		for _, l := range lines {
			out = append(out, h.text(l))
		}
		out = append(out, "```")
	}
	block(ResolvConf+" of the host", h.resolvConf(hostFile(ctx, v)))
	if r.Report != nil {
		block(ResolvConf+" of the sandbox", h.resolvConf(r.Report.Files[ResolvConf]))
		hosts := func(l string) bool { return strings.HasPrefix(l, "hosts") }
		block(NSSwitch+" of the sandbox", fileLines(r.Report.Files[NSSwitch], hosts))
		var list []string
		for _, q := range r.Report.Queries {
			list = append(list, fmt.Sprintf("%s %s %s: %s, %.0f ms", q.Server, q.Protocol, q.Type, q.Says(), q.Millis))
		}
		block("Name servers, asked from the sandbox", list)
		list = nil
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
		// Outside of a private network these are the host's own, which are nobody's business.
		if r.Network == HostNetwork || r.Network == OtherNetwork {
			list = []string{fmt.Sprintf("%d interfaces and %d routes, of the host or another network",
				len(r.Report.Interfaces), len(r.Report.Routes))}
		}
		block("Network of the sandbox", list)
	}
	if len(r.Pasta) > 0 {
		block("pasta said", r.Pasta)
	}
	if r.Outcome != Ran {
		block("Last lines", r.Stderr)
	}
	if o.Settings {
		block("Settings, as Nix has them here", effective(r))
	}
	block("Settings of "+nixconf.File, h.settings(ctx, v))
	return out
}

func via(s string) string {
	if s == "" {
		return ""
	}
	return "via " + s + " "
}

// Says is the answer in words.
func (q Query) Says() string {
	if q.Error != "" {
		return q.Error
	}
	// RFC 1035, 4.1.1.
	switch q.RCode {
	case 0:
		if len(q.Answers) == 0 {
			return "no such record"
		}
		return strings.Join(q.Answers, " ")
	case 1:
		return "FORMERR"
	case 2:
		return "SERVFAIL"
	case 3:
		return "NXDOMAIN"
	case 4:
		return "NOTIMP"
	case 5:
		return "REFUSED"
	}
	return fmt.Sprintf("rcode %d", q.RCode)
}

func kernel(ctx context.Context, v platform.View) string {
	data, err := platform.ReadSmall(ctx, v, "/proc/sys/kernel/osrelease")
	if err != nil {
		return "not known"
	}
	return plain(string(data))
}

// hostFile is the resolv.conf of the host, as the builder reports its own.
func hostFile(ctx context.Context, v platform.View) File {
	var f File
	if info, err := v.Stat(ctx, ResolvConf); err == nil {
		f.Link = info.Target
	}
	data, err := platform.ReadUpTo(ctx, v, ResolvConf, resolvconf.Limit)
	if err != nil {
		f.Error = err.Error()
	}
	f.Data = data
	return f
}

func fileLines(f File, wanted func(string) bool) []string {
	var out []string
	if f.Error != "" {
		return []string{"(" + f.Error + ")"}
	}
	for l := range strings.Lines(string(f.Data)) {
		if l = plain(l); wanted(l) {
			out = append(out, l)
		}
	}
	return out
}

// hider replaces what names people and machines.
type hider struct{ rules []rule }

type rule struct {
	find *regexp.Regexp
	with string
}

// newHider collects the names of this host.
func newHider(ctx context.Context, v platform.View, o Options) hider {
	var h hider
	add := func(name, with string) {
		if len(name) > 1 {
			word := regexp.MustCompile(`(^|[^A-Za-z0-9_])` + regexp.QuoteMeta(name) + `($|[^A-Za-z0-9_])`)
			h.rules = append(h.rules, rule{word, "${1}" + with + "${2}"})
		}
	}
	if data, err := v.ReadFile(ctx, "/etc/passwd"); err == nil {
		const people = 1000 // user IDs from here on are people's (login.defs(5), UID_MIN)
		for line := range strings.Lines(string(data)) {
			f := strings.Split(strings.TrimSpace(line), ":")
			var uid int
			if len(f) != 7 || f[0] == "nobody" || strings.HasPrefix(strings.TrimPrefix(f[0], "_"), "nixbld") {
				continue
			}
			if _, err := fmt.Sscan(f[2], &uid); err != nil || uid < people {
				continue
			}
			add(f[5], "HOME")
			add(f[0], "USER")
		}
	}
	for _, name := range []string{"/etc/hostname", "/proc/sys/kernel/hostname"} {
		if data, err := platform.ReadSmall(ctx, v, name); err == nil {
			full := strings.TrimSpace(string(data))
			if full != "localhost" {
				add(full, "HOST")
				first, _, _ := strings.Cut(full, ".")
				add(first, "HOST")
			}
		}
	}
	// A name that the user chose to look up may be one of theirs.
	if o.Name != "" && o.Name != DefaultName {
		add(strings.TrimSuffix(o.Name, "."), "NAME")
	}
	return h
}

// text is one line of Markdown without names.
func (h hider) text(s string) string {
	s = plain(s)
	for _, r := range h.rules {
		// Twice: names next to each other share the character between them.
		for range 2 {
			s = r.find.ReplaceAllString(s, r.with)
		}
	}
	return strings.ReplaceAll(s, "```", "'''")
}

// resolvConf is a resolv.conf line by line, with what cannot be seen spelled out, for that may be what is wrong with
// it, and without the names in it.
func (h hider) resolvConf(f File) []string {
	var out []string
	if f.Link != "" {
		out = append(out, "(link to "+f.Link+")")
	}
	if f.Error != "" {
		return append(out, "("+f.Error+")")
	}
	// Nobody reads more; resolvers look at three servers.
	const most = 100
	n := 0
	for l := range strings.Lines(string(f.Data)) {
		if n++; n > most {
			continue
		}
		l, end := strings.CutSuffix(l, "\n")
		words := strings.Fields(l)
		if len(words) > 1 && (words[0] == "search" || words[0] == "domain") {
			out = append(out, fmt.Sprintf("%s (%d names)", words[0], len(words)-1))
			continue
		}
		l = visible(l)
		if !end {
			l += " (no newline)"
		}
		out = append(out, l)
	}
	if n > most {
		out = append(out, fmt.Sprintf("(%d more lines)", n-most))
	}
	return out
}

// visible spells out what a line has that does not show.
func visible(l string) string {
	const longest = 300
	if len(l) > longest {
		l = l[:longest] + "…"
	}
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
func effective(r Result) []string {
	if r.SettingsError != "" {
		return []string{"(it does not tell: " + r.SettingsError + ")"}
	}
	if len(r.Settings) == 0 {
		return []string{"(no Nix was asked)"}
	}
	out := make([]string, 0, len(r.Settings))
	for _, s := range r.Settings {
		out = append(out, strings.TrimSpace(s.Name+" = "+s.Value))
	}
	return out
}

// settings are those that matter, as nix.conf has them, without the values that name people or machines.
func (h hider) settings(ctx context.Context, v platform.View) []string {
	conf, err := nixconf.Read(ctx, v, nixconf.File)
	if err != nil {
		return []string{"(nix.conf could not be read)"}
	}
	var out []string
	for _, name := range telling {
		s, ok := conf[name]
		switch {
		case !ok:
		case slices.Contains(private, name):
			out = append(out, fmt.Sprintf("%s = (%d words)", name, len(strings.Fields(s.Value))))
		default:
			out = append(out, name+" = "+s.Value)
		}
	}
	if len(out) == 0 {
		out = []string{"(none of those that matter here are set in nix.conf)"}
	}
	return out
}
