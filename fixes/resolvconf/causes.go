package resolvconf

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/nixconf"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/systemd"
)

// The IDs of what can be found, without the name of the fix.
const (
	idFirstDead    = "first-server-dead"
	idFirstRefuses = "first-server-refuses"
	idFirstUseless = "first-server-useless"
	idNoneAnswers  = "no-server-answers"
	idDangling     = "dangling-link"
	idMissing      = "file-missing"
	idDirectory    = "not-a-file"
	idReplaced     = "sandbox-file-replaced"
	idClosed       = "not-readable-by-builders"
	idPastaSkips   = "pasta-skips-line"
	idPastaStops   = "pasta-stops-at-line"
	idGlibcSkips   = "glibc-skips-line"
	idNoServer     = "no-nameserver"
	idOnlyIPv6     = "only-ipv6-servers"
	idNoRoute      = "no-route-for-family"
	idScoped       = "scoped-server"
	idTunClosed    = "tun-not-accessible"
	idTunMissing   = "tun-missing"
	idPastaGone    = "pasta-not-usable"
	idDaemonApart  = "daemon-elsewhere"
	idDaemonConf   = "daemon-configuration"
	idPastaEnds    = "pasta-ends"
	idPastaQuoted  = "pasta-path-quoted"
	idWSL          = "wsl"
	idContainer    = "container-file"
	idNotInDNS     = "name-not-in-dns"
	idSplit        = "split-dns"
	idTailscale    = "tailscale"
	idFirewall     = "firewall-by-user"
	idTCP          = "dns-over-tcp"
	idSlow         = "slow-refusals"
	idSlowLookups  = "slow-lookups"
	idAppArmor     = "apparmor"
	idSandboxOff   = "sandbox-off"
	idRace         = "start-race"
	idFetcher      = "daemon-fetcher"

	idWorks        = "works"
	idNotKnown     = "not-known"
	idUnexplained  = "unexplained"
	idContradicted = "prediction-contradicted"
	idNoNix        = "no-nix"
	idNoDaemon     = "daemon-down"
	idBadConf      = "bad-nix-conf"
	idNotProbed    = "not-probed"
)

// cause is something on the host that keeps DNS in the sandbox from working, or makes it slow or lucky.
type cause struct {
	id       string
	summary  string
	evidence []fix.Evidence
	remedy   *fix.Remedy
	steps    []plan.Step // of a remedy that lixfix does
	// edit is what the remedy does to the text of /etc/resolv.conf, and why; open, that it lets all users read it. A
	// plan writes the file once, with all of that.
	edit func([]byte) []byte
	why  string
	open bool
	// cure returns the world without this cause; nil where the prediction does not depend on it.
	cure func(World) World
	// waits says that it tells of lookups that take long; silent, that it rests on a server that said nothing to lixfix.
	waits, silent bool
	// broken says that it is why DNS does not work.
	broken bool
}

const daemonUnit = "nix-daemon.service"

// causes returns all that is worth telling about the host. extra are servers that the user named.
func (s *survey) causes(ctx context.Context, extra []netip.Addr, pastaOff bool) []cause {
	c := &collector{survey: s, ctx: ctx, extra: extra, pastaOff: pastaOff}
	c.network()
	c.replacedFiles()
	c.file()
	c.lines()
	c.reachable()
	c.families()
	c.slow()
	c.surroundings()
	return c.list
}

type collector struct {
	*survey
	ctx      context.Context
	extra    []netip.Addr
	pastaOff bool
	list     []cause
}

func (c *collector) add(x cause) { c.list = append(c.list, x) }

// editable reports whether /etc/resolv.conf is a file that nobody else writes.
func (c *collector) editable() bool {
	return c.owner == Nobody && c.way.shape == Regular && len(c.way.links) == 0
}

// advise is the remedy in the terms of the owner of the file.
func (c *collector) advise(what string) *fix.Remedy {
	return &fix.Remedy{Class: fix.Advice, Changes: fmt.Sprintf("%s; the file belongs to %s: %s", what, c.owner,
		byOwner[c.owner].advice)}
}

func (c *collector) whose() fix.Evidence {
	seen := string(c.owner)
	if c.owner == Nobody {
		seen = "nobody: no manager's header, no link, no mount"
	}
	return fix.Evidence{Source: "who writes " + conf.File, Expected: "-", Observed: seen}
}

func (s *survey) wayEvidence() fix.Evidence {
	return fix.Evidence{Source: conf.File, Expected: "a file that build users can read", Observed: s.way.String()}
}

// rewrite is the step that brings /etc/resolv.conf where some remedies want it; nil where that is nowhere else.
func (s *survey) rewrite(causes []cause) plan.Step {
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
		return step.SetMode{Name: conf.File, From: before.Mode.Perm(), To: after.Mode.Perm(), Why: "let build users read it"}
	case opens:
		why = append(why, "let build users read it")
	}
	return step.WriteFile{
		Name: conf.File, Before: step.NewFileState(before), After: step.NewFileState(after),
		Why: strings.Join(why, "; "),
	}
}

// text says that the remedy of a cause edits /etc/resolv.conf.
func (x *cause) text(why string, edit func([]byte) []byte) { x.edit, x.why = edit, why }

// named are the lines of the servers that the user named.
func (c *collector) named() string {
	var b strings.Builder
	for _, a := range c.extra {
		b.WriteString("nameserver " + a.String() + "\n")
	}
	return b.String()
}

const (
	undoFile = "lixfix undo writes the old content back"
	undoMode = "lixfix undo sets the old mode"
	undoLink = "lixfix undo makes the old link again"
)

func repairing(id string) string {
	return "sudo lixfix repair " + Name + " --accept " + Name + "/" + id
}

// risky fills in a remedy that a person has to decide on.
func (x *cause) risky(changes, undo string, steps ...plan.Step) {
	x.remedy = &fix.Remedy{Class: fix.Risky, Changes: changes, Command: repairing(x.id), Undo: undo}
	x.steps = steps
}

func (x *cause) safe(changes, undo string, steps ...plan.Step) {
	x.remedy = &fix.Remedy{Class: fix.Safe, Changes: changes, Command: "sudo lixfix repair " + Name, Undo: undo}
	x.steps = steps
}

// stopped reports whether a unit is installed and does not run, by systemd's own word.
func (c *collector) stopped(unit string) bool {
	if !systemd.ValidUnit(unit) || !systemd.Installed(c.ctx, c.v, unit) {
		return false
	}
	active, err := systemd.Active(c.ctx, c.v, unit)
	return err == nil && !active
}

// resolverAt returns the unit that should answer on an address of the host and does not run; "" for none that is known.
func (c *collector) resolverAt(a netip.Addr) string {
	if a.String() == stubServer || a.String() == "127.0.0.54" {
		if c.stopped("systemd-resolved.service") {
			return "systemd-resolved.service"
		}
		return ""
	}
	if !a.IsLoopback() {
		return ""
	}
	for _, unit := range []string{
		"dnsmasq.service", "unbound.service", "named.service", "bind9.service",
		"dnscrypt-proxy.service",
	} {
		if c.stopped(unit) {
			return unit
		}
	}
	return ""
}

// stub returns a file of a manager that is there and names a server that answers; "" for none.
func (c *collector) stub() (file string, owner Owner) {
	for _, o := range []Owner{Resolved, NetworkManager, ConnMan} {
		name := byOwner[o].stub
		data, err := platform.ReadUpTo(c.ctx, c.v, name, conf.Limit)
		if err != nil {
			continue
		}
		servers := conf.Pasta(data)
		for _, server := range servers[:min(len(servers), askedMost)] {
			answer, err := c.v.Ask(c.ctx, dnsquery.Server(server.Address), dnsquery.UDP, c.name, dnsquery.A)
			if err == nil && answer.Good() {
				return name, o
			}
		}
	}
	return "", Nobody
}

// network looks for what keeps the network of the sandbox from being set up.
func (c *collector) network() {
	if !c.nix.usesPasta() {
		return
	}
	setting := fix.Evidence{Source: "pasta-path", Expected: "the path of pasta, or nothing", Observed: c.nix.pasta}
	if p := c.nix.confPasta; p != nil {
		setting.Source = "pasta-path in " + p.File
	}
	running := func(w World) World { w.PastaRuns = Yes; return w }
	switch {
	case c.nix.quoted():
		x := cause{
			id: idPastaQuoted, cure: running, evidence: []fix.Evidence{setting},
			summary: fmt.Sprintf("pasta-path is %s: Lix takes the quotes for the name of a program, and no build gets a network",
				c.nix.pasta),
		}
		c.editConf(&x)
		c.add(x)
	case c.runs == No:
		seen := c.place()
		x := cause{
			id: idPastaGone, cure: running, summary: "build users cannot run pasta, which pasta-path names",
			evidence: []fix.Evidence{setting, {
				Source: c.nix.pasta, Expected: "a program that build users can run",
				Observed: seen,
			}},
		}
		c.editConf(&x)
		c.add(x)
	case c.era == Era2023 && c.routes[0] != DefaultRoute && c.routes[1] != DefaultRoute:
		x := cause{
			id: idPastaGone, summary: "this pasta is too old for a host without a default route",
			cure: func(w World) World { w.Era = Era2025; return w },
			evidence: []fix.Evidence{
				setting,
				{Source: c.place(), Expected: "of 2024-12-11 or newer", Observed: "of 2023"},
				{Source: "/proc/net/route", Expected: "a default route", Observed: "none"},
			},
			remedy: &fix.Remedy{Class: fix.Advice, Changes: "install a passt of 2024-12-11 or newer and name it in " +
				"pasta-path; or give the host a default route"},
		}
		c.add(x)
	}
	container := c.owner == Container || exists(c.ctx, c.v, "/.dockerenv") || exists(c.ctx, c.v, "/run/.containerenv")
	const outside = "give the container the device from outside, such as \"docker run --device /dev/net/tun\""
	opened := func(w World) World { w.Tun = TunOpen; return w }
	switch c.tunState {
	case TunClosed:
		x := cause{
			id: idTunClosed, cure: opened, summary: "build users cannot open /dev/net/tun, so that Lix waits two minutes " +
				"for a network that never comes",
			evidence: []fix.Evidence{{
				Source: tunDevice, Expected: "a device with mode 0666",
				Observed: fmt.Sprintf("%s, owner %d:%d", c.tun.info.Mode, c.tun.info.UID, c.tun.info.GID),
			}},
		}
		switch {
		case len(c.tunShut) > 0:
			dir := c.tunShut[0]
			x.summary = fmt.Sprintf("build users cannot enter %s and so not open /dev/net/tun, so that Lix waits two minutes for a "+
				"network that never comes", dir.name)
			x.evidence = append(x.evidence, c.shut(dir, "x for build users"))
			if dir.info.ACL {
				x.remedy = c.unlist(dir)
				break
			}
			x.risky("let all users enter "+dir.name+", until the next start of the system; what makes the directory makes it last",
				undoMode, step.SetMode{
					Name: dir.name, From: dir.info.Mode.Perm(), To: dir.info.Mode.Perm() | 0o001,
					Why: "let pasta open /dev/net/tun as a build user",
				})
		case !isTun(c.tun.info):
			x.summary = "what is called /dev/net/tun is another file, so that Lix waits two minutes for a network that " +
				"never comes"
			x.evidence[0].Expected = "the character device 10:200, with mode 0666"
			if c.tun.info.Mode&fs.ModeDevice != 0 {
				x.evidence[0].Observed += fmt.Sprintf(", device %d:%d", c.tun.info.Major, c.tun.info.Minor)
			}
			x.remedy = &fix.Remedy{Class: fix.Advice, Changes: "put the device in its place: character device 10:200; in a " +
				"container, " + outside}
		case c.tun.info.ACL:
			x.evidence = append(x.evidence, c.shut(c.tun.last(), "rw for build users"))
			x.remedy = c.unlist(c.tun.last())
		default:
			x.risky("set the mode of /dev/net/tun to 0666, until the next start of the system; a rule of udev makes it "+
				"last, in a container "+
				outside, undoMode, step.SetMode{
				Name: tunDevice, From: c.tun.info.Mode.Perm(), To: 0o666,
				Why: "let pasta open it as a build user",
			})
		}
		c.add(x)
	case TunMissing:
		x := cause{
			id: idTunMissing, cure: opened, summary: "there is no /dev/net/tun, so that the sandbox has no network at all, " +
				"and nothing says so",
			evidence: []fix.Evidence{{Source: tunDevice, Expected: "a device with mode 0666", Observed: "not there"}},
		}
		switch {
		case container:
			x.remedy = &fix.Remedy{Class: fix.Advice, Changes: outside}
		case c.nixos:
			x.remedy = &fix.Remedy{Class: fix.Advice, Changes: "set boot.kernelModules = [ \"tun\" ]; in the configuration " +
				"of NixOS and rebuild"}
		case exists(c.ctx, c.v, "/usr/sbin/modprobe") && !exists(c.ctx, c.v, "/sys/module/tun"):
			x.risky("load the module tun into the kernel, until the next start of the system; /etc/modules-load.d makes it last",
				"lixfix undo removes the module again", step.LoadModule{Module: "tun", On: true, Why: "make /dev/net/tun"})
		default:
			x.remedy = &fix.Remedy{Class: fix.Advice, Changes: "make the device: \"mknod -m 666 /dev/net/tun c 10 200\", " +
				"with a kernel that has the module tun; in a container, " + outside}
		}
		c.add(x)
	case TunOpen, TunHidden:
	}
	if len(c.denied) > 0 {
		c.add(cause{
			id: idAppArmor, summary: "AppArmor keeps pasta from what it needs",
			evidence: []fix.Evidence{{Source: c.kernelLog, Expected: "no denial for pasta", Observed: c.denied[len(c.denied)-1]}},
			remedy: &fix.Remedy{Class: fix.Advice, Changes: "let pasta-path name the passt of the Nix store, which the " +
				"profile does not cover; or add to the profile of " +
				"the distribution in /etc/apparmor.d/local"},
		})
	}
}

// place tells what is at the place that pasta-path names.
func (c *collector) place() string {
	if c.pasta.name == "" {
		return "not an absolute path"
	}
	return c.survey.pasta.String()
}

// editConf is the remedy for a wrong pasta-path: without the line, what Lix was built with counts.
func (c *collector) editConf(x *cause) {
	set := c.nix.confPasta
	const off = "\"pasta-path =\", with nothing behind it, gives builds the network of the host, which " +
		"CVE-2025-46416 was about"
	restart := "; then restart the daemon"
	switch {
	case c.nixos:
		x.remedy = &fix.Remedy{Class: fix.Advice, Changes: "remove nix.settings.pasta-path from the configuration of " +
			"NixOS and rebuild; " + off}
		return
	case set == nil:
		x.remedy = &fix.Remedy{Class: fix.Advice, Changes: "install passt, or set pasta-path to one in " +
			"nix.conf" + restart + "; " + off}
		return
	}
	state, err := step.ReadFileState(c.ctx, c.v, set.File)
	if err != nil || state == nil || !strings.HasPrefix(set.File, "/etc/") {
		x.remedy = &fix.Remedy{
			Class: fix.Advice, Changes: "remove the line pasta-path from " + set.File + restart + "; " + off,
		}
		return
	}
	after := nixconf.Without(state.Data(), "pasta-path")
	why := "let the pasta count that Lix was built with"
	changes := "remove the line pasta-path from " + set.File + ", so that the pasta counts that Lix was built with"
	if c.pastaOff {
		if after, err = nixconf.With(state.Data(), "pasta-path", ""); err != nil {
			x.remedy = &fix.Remedy{Class: fix.Advice, Changes: err.Error()}
			return
		}
		why, changes = "build without pasta", "write \"pasta-path =\" into "+set.File+": builds share the network of "+
			"the host, and can reach what listens there "+
			"(CVE-2025-46416)"
	} else {
		changes += "; if you want no pasta, add --" + optPastaOff + ": " + off
	}
	content := platform.Content{Data: after, Mode: state.Mode, UID: state.UID, GID: state.GID}
	x.risky(changes, undoFile, step.WriteFile{Name: set.File, Before: state, After: step.NewFileState(content), Why: why})
	if active, err := systemd.Active(c.ctx, c.v, daemonUnit); err == nil && active {
		x.steps = append(x.steps, step.RestartUnit{Unit: daemonUnit, Why: "read nix.conf again"})
	}
}

// surroundings looks at what is neither the file nor pasta.
func (c *collector) surroundings() {
	if len(c.rules) > 0 {
		x := cause{
			id: idFirewall, summary: "the firewall treats users or groups differently, and build users are among those",
			remedy: &fix.Remedy{Class: fix.Advice, Changes: "allow the group of the build users in those rules; pasta and " +
				"builds run as " + c.user.Name + " and its like"},
		}
		if !c.drops {
			x.summary = "the firewall treats users or groups differently; build users may be among those"
		} else {
			x.cure = func(w World) World { return w }
		}
		for _, r := range c.rules {
			x.evidence = append(x.evidence, fix.Evidence{
				Source:   "rule",
				Expected: fmt.Sprintf("lets user ID %d, group ID %d, ask name servers", c.user.UID, c.user.GID), Observed: r,
			})
		}
		c.add(x)
	}
	if strings.Contains(c.domains, "~") {
		x := cause{
			id: idSplit, summary: "a VPN has domains of its own, and /etc/resolv.conf leads to the file of " +
				"systemd-resolved that does not know them",
			evidence: []fix.Evidence{c.wayEvidence(), {
				Source: "resolvectl domain", Expected: "no routed domain",
				Observed: strings.Join(strings.Fields(c.domains), " "),
			}},
		}
		if file, _ := c.stub(); file == byOwner[Resolved].stub && len(c.way.links) == 1 && !c.nixos {
			x.risky("let /etc/resolv.conf lead to "+byOwner[Resolved].stub+", which knows them", undoLink, step.SetLink{
				Name: conf.File, From: c.way.links[0].info.Target, To: byOwner[Resolved].stub, Why: "ask systemd-resolved, " +
					"which knows the domains",
			})
		} else {
			x.remedy = c.advise("let the link lead to " + byOwner[Resolved].stub)
		}
		c.add(x)
	}
	if c.nameless() {
		seen, summary := c.nss, fmt.Sprintf("the servers say that there is no %s", c.name)
		switch {
		case seen == "":
			seen = "unknown"
		case strings.Trim(strings.ReplaceAll(strings.ReplaceAll(seen, "files", ""), "dns", ""), " \t") != "":
			summary += "; what else may resolve it on the host is not in the sandbox"
		}
		c.add(cause{
			id: idNotInDNS, summary: summary,
			evidence: []fix.Evidence{
				{Source: "DNS, " + c.name, Expected: "an address", Observed: "no such name, from every server that answers"},
				{Source: "/etc/nsswitch.conf hosts", Expected: "files dns, as in the sandbox", Observed: seen},
			},
			remedy: &fix.Remedy{Class: fix.Advice, Changes: "make the name known to DNS, or write it into /etc/hosts, " +
				"which the sandbox has too; ask for another name with --name"},
		})
	}
	if c.nix.sandbox == "false" || c.nix.sandbox == "relaxed" {
		c.add(cause{
			id: idSandboxOff, summary: "the sandbox is " + map[string]string{
				"false":   "off",
				"relaxed": "open for fixed-output builds",
			}[c.nix.sandbox] + ", so that builds use the network and the files of the host",
			evidence: []fix.Evidence{{Source: "sandbox", Expected: "true", Observed: c.nix.sandbox}},
			remedy: &fix.Remedy{Class: fix.Advice, Changes: "nothing has to be done for DNS; \"sandbox = true\" in " +
				"nix.conf switches it on"},
		})
	}
}

// judge finds out which of the causes are why a prediction is bad: those without which it is not, each for itself; or
// else all that it depends on.
func (s *survey) judge(list []cause) {
	if s.predicts.Works != No {
		return
	}
	found := false
	for i := range list {
		x := &list[i]
		switch {
		case x.id == idFirewall && s.drops:
			x.broken = Predict(s.world).Works != No
		case x.cure != nil:
			x.broken = s.predict(x.cure(s.world)).Works != No
		}
		found = found || x.broken
	}
	if found {
		return
	}
	for i := range list {
		list[i].broken = list[i].cure != nil
	}
}
