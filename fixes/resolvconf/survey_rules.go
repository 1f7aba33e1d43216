package resolvconf

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/lixfix/lixfix/platform"
)

// ruleFacts are rules that treat users differently, and what AppArmor denied pasta. Only root can read them.
type ruleFacts struct {
	asked     bool
	err       string   // why they could not be read, or not all of them
	lines     []string // of the firewall and of routing that look at users
	denied    []string // by AppArmor
	kernelLog string   // where that is written
}

// ruleWords are what a rule has that looks at who sends: the user, or the group, of the socket.
var ruleWords = map[string][]string{
	"nft": {"skuid", "skgid"}, "iptables-save": {"--uid-owner", "--gid-owner"}, "ip6tables-save": {"--uid-owner", "--gid-owner"},
	"ip": {"uidrange"},
}

// kernels are the kinds of rules that a tool lists. Where the kernel proves that it has none, the tool is not run: to start
// nft and ip takes longer than all else that a check does.
var kernels = map[string]platform.Rules{"nft": platform.FirewallTables, "ip": platform.RoutesByUser}

// read reads them; what AppArmor denied pasta is of interest only where pasta is used.
func (r *ruleFacts) read(ctx context.Context, v platform.View, pasta bool) {
	r.asked = true
	if !v.Facts().Root() {
		r.err = onlyRoot
		return
	}
	type call struct {
		tool string
		args []string
	}
	calls := []call{
		{"nft", []string{"list", "ruleset"}},
		{"iptables-save", nil},
		{"ip6tables-save", nil},
		{"ip", []string{"rule", "show"}},
		{"ip", []string{"-6", "rule", "show"}},
	}
	ruled := map[platform.Rules]bool{}
	for _, kind := range []platform.Rules{platform.FirewallTables, platform.RoutesByUser} {
		is, err := v.Ruled(ctx, kind)
		ruled[kind] = is || err != nil
	}
	calls = slices.DeleteFunc(calls, func(c call) bool {
		if kind, ok := kernels[c.tool]; ok {
			return !ruled[kind]
		}
		// Where the kernel has no table of theirs, the older tools are not run: they would make the tables.
		return tableless(ctx, v, c.tool)
	})
	found, failed := make([][]string, len(calls)), make([]error, len(calls))
	var all sync.WaitGroup
	for i, c := range calls {
		all.Go(func() {
			for _, tool := range platform.SystemTool(c.tool) {
				if !exists(ctx, v, tool) {
					continue
				}
				out, err := v.Query(ctx, tool, c.args...)
				if err != nil {
					failed[i] = err // perhaps a kernel without that firewall
					return
				}
				for line := range strings.Lines(string(out)) {
					if slices.ContainsFunc(ruleWords[c.tool], func(w string) bool { return strings.Contains(line, w) }) {
						found[i] = append(found[i], strings.TrimSpace(line))
					}
				}
				return
			}
		})
	}
	if pasta {
		all.Go(func() { r.readDenied(ctx, v) })
	}
	all.Wait()
	for i, list := range found {
		r.lines = append(r.lines, list...)
		if failed[i] != nil {
			r.err = failed[i].Error()
		}
	}
}

// tables are where the kernel lists the tables of a tool that are in use (net/netfilter/x_tables.c of Linux).
var tables = map[string]string{
	"iptables-save": "/proc/net/ip_tables_names", "ip6tables-save": "/proc/net/ip6_tables_names",
}

// tableless reports whether a tool of the firewall has no table in the kernel, and so no rule.
func tableless(ctx context.Context, v platform.View, tool string) bool {
	name, ok := tables[tool]
	if !ok {
		return false
	}
	data, err := platform.ReadSmall(ctx, v, name)
	return err == nil && strings.TrimSpace(string(data)) == ""
}

// readDenied looks for what AppArmor denied pasta. A kernel in which it is not enabled denies nothing. (security/
// apparmor/lsm.c of Linux.)
func (r *ruleFacts) readDenied(ctx context.Context, v platform.View) {
	const enabled = "/sys/module/apparmor/parameters/enabled"
	if !exists(ctx, v, enabled) {
		return
	}
	if data, err := platform.ReadSmall(ctx, v, enabled); err == nil && strings.TrimSpace(string(data)) != "Y" {
		return
	}
	r.kernelLog = "dmesg"
	out, ok := asking(ctx, v, "dmesg")
	if !ok {
		// The job that checks after each start of the system may not read the kernel's own log.
		r.kernelLog = kernelLog
		out, _ = asking(ctx, v, "journalctl", "-q", "--no-pager", "-b", "-k", "-o", "cat", "-n", "10000")
	}
	for line := range strings.Lines(out) {
		if !strings.Contains(line, `apparmor="DENIED"`) {
			continue
		}
		if strings.Contains(line, `profile="pasta"`) || strings.Contains(line, `profile="passt"`) ||
			strings.Contains(line, "/pasta") {
			r.denied = append(r.denied, strings.TrimSpace(line))
		}
	}
}
