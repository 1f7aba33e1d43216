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
	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
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
		return plan.SetMode{Name: conf.File, From: before.Mode.Perm(), To: after.Mode.Perm(), Why: "let build users read it"}
	case opens:
		why = append(why, "let build users read it")
	}
	return plan.WriteFile{
		Name: conf.File, Before: plan.NewFileState(before), After: plan.NewFileState(after),
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
				undoMode, plan.SetMode{
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
				outside, undoMode, plan.SetMode{
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
				"lixfix undo removes the module again", plan.LoadModule{Module: "tun", On: true, Why: "make /dev/net/tun"})
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
	state, err := plan.ReadFileState(c.ctx, c.v, set.File)
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
	x.risky(changes, undoFile, plan.WriteFile{Name: set.File, Before: state, After: plan.NewFileState(content), Why: why})
	if active, err := systemd.Active(c.ctx, c.v, daemonUnit); err == nil && active {
		x.steps = append(x.steps, plan.RestartUnit{Unit: daemonUnit, Why: "read nix.conf again"})
	}
}

// file looks at what /etc/resolv.conf is, and who may read it.
func (c *collector) file() {
	evidence := []fix.Evidence{c.wayEvidence(), c.whose()}
	good := func(w World) World { // as if the file were there, with a server that answers
		w.Shape, w.Data = Regular, []byte("nameserver "+loop4.String()+"\n")
		w.FileOpen, w.PathOpen = Yes, Yes
		w.Ask = func(netip.Addr, bool) Reach { return Answers }
		return w
	}
	switch c.way.shape {
	case Dangling, Loop:
		x := cause{id: idDangling, cure: good, evidence: evidence, summary: "/etc/resolv.conf is a link to what is not there"}
		if c.owner == WSL {
			x.id = idWSL
			x.summary = "WSL has not made the file that /etc/resolv.conf leads to"
		}
		unit := byOwner[c.owner].unit
		file, owner := c.stub()
		switch last := len(c.way.links) - 1; {
		case c.owner == WSL, c.nixos:
			x.remedy = c.advise("have the target of the link made")
		case unit != "" && c.stopped(unit):
			x.risky("start "+unit+", which writes the target of the link", "lixfix undo stops it", plan.StartUnit{
				Unit: unit,
				On:   true, Why: "write " + c.way.end,
			})
		case file != "" && len(c.way.links) == 1:
			x.risky(fmt.Sprintf("let /etc/resolv.conf lead to %s, the file of %s, which answers", file, owner), undoLink,
				plan.SetLink{Name: conf.File, From: c.way.links[last].info.Target, To: file, Why: "lead to a file that is there"})
		default:
			x.remedy = c.advise("have the target of the link made, or let the link lead to a file that is there")
		}
		c.add(x)
	case Missing:
		x := cause{id: idMissing, cure: good, evidence: evidence, summary: "there is no /etc/resolv.conf, so that " +
			"lookups turn to 127.0.0.1"}
		file, owner := c.stub()
		switch {
		case c.nixos:
			x.remedy = c.advise("have the file made")
		case file != "":
			x.risky(fmt.Sprintf("link /etc/resolv.conf to %s, the file of %s, which answers", file, owner),
				"lixfix undo removes the link",
				plan.SetLink{Name: conf.File, To: file, Why: "name a server that answers"})
		case len(c.extra) > 0:
			x.risky("write /etc/resolv.conf with the servers that you named", "lixfix undo removes the file", plan.WriteFile{
				Name: conf.File, After: plan.NewFileState(platform.Content{
					Data: []byte(c.named()),
					Mode: 0o644,
				}), Why: "name servers",
			})
		default:
			x.remedy = c.nameOne("no manager's file is there either")
		}
		c.add(x)
	case Directory:
		c.add(cause{
			id: idDirectory, cure: good, evidence: evidence, summary: "/etc/resolv.conf is a directory",
			remedy: &fix.Remedy{Class: fix.Advice, Changes: "move the directory away; it is often left by a mount of a " +
				"container whose file was not there"},
		})
	case Special:
		c.add(cause{
			id: idDirectory, cure: good, evidence: evidence, summary: fmt.Sprintf(
				"/etc/resolv.conf is %s: a build waits for what comes out of it, and may wait for ever", special(c.way.info.Mode)),
			remedy: &fix.Remedy{Class: fix.Advice, Changes: "move it away, and have whoever writes " + conf.File + " make a file"},
		})
	case Regular:
		c.closedFile(evidence)
	case Hidden:
	}
}

// nameOne is the advice where a server is needed and the host knows none.
func (c *collector) nameOne(why string) *fix.Remedy {
	return &fix.Remedy{
		Class: fix.Advice, Changes: "name a server that you trust; lixfix knows none (" + why + ")",
		Command: "sudo lixfix repair " + Name + " --" + optServer + " ADDRESS",
	}
}

// closedFile looks for what keeps build users from reading the file.
func (c *collector) closedFile(evidence []fix.Evidence) {
	if len(c.closed) == 0 {
		return
	}
	x := cause{
		id: idClosed, evidence: evidence, cure: func(w World) World { w.FileOpen, w.PathOpen = Yes, Yes; return w },
		summary: fmt.Sprintf("build users such as %s cannot read /etc/resolv.conf, because of the mode of %s", c.user.Name,
			c.closed[0].name),
	}
	if i := slices.IndexFunc(c.closed, func(n node) bool { return n.info.ACL }); i >= 0 {
		n := c.closed[i]
		x.summary = fmt.Sprintf("build users such as %s cannot read /etc/resolv.conf, because of the access control list of %s",
			c.user.Name, n.name)
		x.evidence = append(x.evidence, c.shut(n, "r for build users"))
		x.remedy = c.unlist(n)
		c.add(x)
		return
	}
	directories := false
	for _, n := range c.closed {
		right, to := "r for others", n.info.Mode.Perm()|0o044
		if n.info.Mode.IsDir() {
			right, to, directories = "x for others", n.info.Mode.Perm()|0o001, true
		}
		x.evidence = append(x.evidence, fix.Evidence{
			Source: n.name, Expected: right,
			Observed: fmt.Sprintf("mode %04o, owner %d:%d", n.info.Mode.Perm(), n.info.UID, n.info.GID),
		})
		x.steps = append(x.steps, plan.SetMode{
			Name: n.name, From: n.info.Mode.Perm(), To: to,
			Why: "let build users read " + conf.File,
		})
	}
	steps := x.steps
	home := slices.ContainsFunc(c.closed, func(n node) bool {
		return n.name == "/root" || strings.HasPrefix(n.name, "/root/") || strings.HasPrefix(n.name, "/home/")
	})
	switch {
	case home:
		x.steps = nil
		x.remedy = &fix.Remedy{
			Class: fix.Advice,
			Changes: "move the file out of the home directory, which is to stay closed, and let the link lead " +
				"there",
		}
	case c.editable() && !directories:
		x.steps, x.open = nil, true
		x.safe("make /etc/resolv.conf readable for all", undoMode)
	case c.owner == Nobody || c.owner == Stranger:
		x.risky("open the way to the file for all users", undoMode, steps...)
	default:
		x.steps = nil
		x.remedy = c.advise("have the file made readable for all")
	}
	c.add(x)
}

// shut tells what keeps build users out.
func (c *collector) shut(n node, wanted string) fix.Evidence {
	seen := fmt.Sprintf("mode %04o, owner %d:%d", n.info.Mode.Perm(), n.info.UID, n.info.GID)
	if line := c.user.denies(n); line != "" {
		seen += ", and the line " + line + " of its access control list"
	} else if n.info.ACL {
		seen += ", and an access control list"
	}
	return fix.Evidence{Source: n.name, Expected: wanted, Observed: seen}
}

// unlist is the advice about an access control list: a mode says less than it, and lixfix does not write lists.
func (c *collector) unlist(n node) *fix.Remedy {
	change := "-b"
	if line := c.user.denies(n); line != "" {
		change = "-x " + line
	}
	return &fix.Remedy{Class: fix.Advice, Changes: fmt.Sprintf("look at the list with \"getfacl %s\", and take the line out with "+
		"\"setfacl %s %s\"", n.name, change, n.name)}
}

// lines looks for lines that not every reader takes for a server, and for a file without one.
func (c *collector) lines() {
	if c.way.shape != Regular || c.dataErr != nil {
		return
	}
	all := conf.Differences(c.data)
	fixed := conf.Normalise(c.data)
	cure := func(w World) World { w.Data = fixed; return w }
	for _, id := range []string{idPastaSkips, idGlibcSkips} {
		x := cause{id: id, cure: cure, evidence: []fix.Evidence{c.whose()}}
		var first *conf.Difference
		for i, d := range all {
			if (id == idPastaSkips) != (d.Glibc && !d.Pasta) {
				continue
			}
			if first == nil {
				first = &all[i]
			}
			can := map[bool]string{true: "read", false: "ignored"}
			x.evidence = append(x.evidence, fix.Evidence{
				Source: fmt.Sprintf("%s, line %d", conf.File, d.Line), Expected: "\"nameserver " + d.Address.String() + "\"",
				Observed: fmt.Sprintf("%q: %s; %s by glibc, %s by Go, %s by pasta", d.Text, d.Trouble, can[d.Glibc], can[d.Go],
					can[d.Pasta]),
			})
		}
		if first == nil {
			continue
		}
		if len(all) == conf.Kept {
			x.evidence = append(x.evidence, fix.Evidence{
				Source: conf.File, Expected: "few lines that readers take differently",
				Observed: fmt.Sprintf("%d, and perhaps more, which are not shown", len(all)),
			})
		}
		x.summary = fmt.Sprintf("line %d of /etc/resolv.conf has %s, so that pasta ignores the server %s", first.Line,
			first.Trouble, first.Address)
		if id == idGlibcSkips {
			x.summary = fmt.Sprintf("line %d of /etc/resolv.conf has %s, so that the C library ignores the server %s",
				first.Line, first.Trouble, first.Address)
		}
		switch {
		case c.owner == WSL:
			x.remedy = c.advise("have the line written without that")
		case c.editable():
			x.safe("write the lines of servers as every reader takes them", undoFile)
			x.text("write the lines of servers as every reader takes them", conf.Normalise)
		default:
			x.remedy = c.advise("have the line written without that")
		}
		c.add(x)
	}
	if len(conf.Glibc(fixed)) > 0 || len(conf.Pasta(fixed)) > 0 {
		return
	}
	x := cause{
		id: idNoServer, summary: "/etc/resolv.conf names no server", evidence: []fix.Evidence{c.wayEvidence(), c.whose()},
		cure: func(w World) World {
			w.Data = []byte("nameserver " + loop4.String() + "\n")
			w.Ask = func(netip.Addr, bool) Reach { return Answers }
			return w
		},
	}
	if c.nss != "" {
		x.evidence = append(x.evidence, fix.Evidence{Source: "/etc/nsswitch.conf hosts", Expected: "the host may " +
			"resolve by other means", Observed: c.nss})
	}
	file, owner := c.stub()
	switch {
	case !c.editable():
		x.remedy = c.advise("have a server written into the file")
	case len(c.extra) > 0:
		x.risky("add the servers that you named to /etc/resolv.conf", undoFile)
		x.text("name servers", appending(c.named()))
	case owner == Resolved:
		x.risky("add the server "+stubServer+" of systemd-resolved, which answers", undoFile)
		x.text("name the server of "+file, appending("nameserver "+stubServer+"\n"))
	default:
		x.remedy = c.nameOne("no manager's file is there either")
	}
	c.add(x)
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

// reachable looks at the servers that the sandbox depends on.
func (c *collector) reachable() {
	if c.way.shape != Regular || c.dataErr != nil {
		return
	}
	var listed []asked // as the C library lists them
	for _, server := range conf.Glibc(conf.Normalise(c.data)) {
		if a := c.server(server.Address); a != nil {
			listed = append(listed, *a)
		}
	}
	if len(listed) == 0 {
		return
	}
	evidence := []fix.Evidence{c.whose()}
	for _, a := range listed {
		where := ""
		if len(a.lines) > 0 {
			where = fmt.Sprintf(" (line %d)", a.lines[0])
		}
		evidence = append(evidence, fix.Evidence{
			Source: "server " + a.address.String() + where, Expected: "answers",
			Observed: a.text(),
		})
	}
	bad := func(a asked) bool {
		return a.udpR != Answers && a.udpR != Unasked
	}
	live := slices.IndexFunc(listed, func(a asked) bool { return a.udpR == Answers })
	first := listed[0]
	if live >= 0 && c.nix.usesPasta() {
		// pasta looks at families apart: a dead server of one does not hide a live one of the other.
		for _, a := range listed {
			if a.address.Is4() == listed[live].address.Is4() {
				first = a
				break
			}
		}
	}
	if !bad(first) {
		return
	}
	x := cause{evidence: evidence, waits: true, silent: first.udpR == Silent}
	unit := c.resolverAt(first.address)
	tailscale := first.address.String() == "100.100.100.100" || c.owner == Tailscale
	order := c.data
	switch {
	case live >= 0:
		order = conf.First(c.data, listed[live].address)
		x.cure = func(w World) World { w.Data = order; return w }
	default:
		x.cure = func(w World) World { w.Ask = func(netip.Addr, bool) Reach { return Answers }; return w }
	}
	switch {
	case tailscale:
		x.id, x.summary = idTailscale, fmt.Sprintf("the server of Tailscale, %s, gives no answer: it %s", first.address,
			verb(first.udpR))
		unit = ""
		if c.stopped("tailscaled.service") {
			unit = "tailscaled.service"
		}
	case c.owner == WSL:
		x.id, x.summary = idWSL, fmt.Sprintf("the server of Windows, %s, gives no answer: it %s", first.address,
			verb(first.udpR))
	case c.owner == Container:
		x.id, x.summary = idContainer, fmt.Sprintf("the server of the container, %s, gives no answer: it %s",
			first.address, verb(first.udpR))
	case live >= 0 && (first.udpR == Nameless || first.udpR == Truncates):
		x.id, x.summary = idFirstUseless, fmt.Sprintf("the first server, %s, %s, and its word is the last; %s has an address",
			first.address, verb(first.udpR), listed[live].address)
	case live < 0 && (first.udpR != Refuses || !first.address.IsLoopback()):
		x.id, x.summary = idNoneAnswers, fmt.Sprintf("no server of /etc/resolv.conf answers; the first, %s, %s",
			first.address, verb(first.udpR))
		if first.udpR == Nameless {
			x.summary = fmt.Sprintf("no server of /etc/resolv.conf has an address for %s, which exists; builds cannot fetch from it",
				c.name)
		}
	case first.udpR == Silent || first.udpR == Unreachable:
		x.id, x.summary = idFirstDead, fmt.Sprintf("the first server, %s, %s, and %s answers; pasta never turns to "+
			"another one", first.address, verb(first.udpR), listed[max(live, 0)].address)
	default:
		x.id, x.summary = idFirstRefuses, fmt.Sprintf("the first server, %s, %s", first.address, verb(first.udpR))
		if live >= 0 {
			x.summary += fmt.Sprintf(", and %s answers; pasta never turns to another one", listed[live].address)
		}
	}
	if !c.nix.usesPasta() {
		x.summary = strings.TrimSuffix(x.summary, "; pasta never turns to another one")
		if live >= 0 && x.id != idFirstUseless {
			x.summary += "; every lookup waits for the first"
		}
	}
	x.evidence = append(x.evidence, c.choice()...)
	switch {
	case unit != "":
		x.risky("start "+unit+", which is to answer on "+first.address.String(), "lixfix undo stops it",
			plan.StartUnit{Unit: unit, On: true, Why: "answer on " + first.address.String()})
	case c.editable() && len(c.extra) > 0:
		x.risky("put the servers that you named before all others", undoFile)
		x.text("ask servers first that you named", c.inFront)
	case c.editable() && live >= 0:
		x.risky(fmt.Sprintf("move the line of %s, which answers, before all others", listed[live].address), undoFile)
		x.text("ask a server first that answers", func(data []byte) []byte { return conf.First(data, listed[live].address) })
	case c.editable():
		x.remedy = c.nameOne(c.unusable(len(listed)))
	default:
		x.remedy = c.advise("have a server that answers named first")
		if live >= 0 {
			x.remedy.Changes = strings.ReplaceAll(x.remedy.Changes, "ADDRESS", listed[live].address.String())
		}
	}
	c.add(x)
}

// unusable says of the servers in the file why none of them is to be asked. Resolvers do not look beyond the third.
func (c *collector) unusable(used int) string {
	named := 0
	for _, a := range c.servers {
		if len(a.lines) == 0 {
			continue
		}
		if named++; named > used && a.udpR == Answers {
			return fmt.Sprintf("none of the first %d in the file answers, and resolvers use no more; %s in line %d would", used,
				a.address, a.lines[0])
		}
	}
	return "none of those in the file answers"
}

// inFront puts the servers that the user named before all others.
func (c *collector) inFront(data []byte) []byte {
	first := max(bytes.Index(slices.Concat([]byte("\n"), data), []byte("\nnameserver")), 0)
	return slices.Concat(data[:first], []byte(c.named()), data[first:])
}

func verb(r Reach) string {
	switch r {
	case Silent:
		return "does not answer"
	case Nameless:
		return "says that there is no such name, or has no address for it"
	case Truncates:
		return "answers over UDP with what does not fit, and not over TCP"
	case Refuses:
		return "is not listening: the port is closed"
	case Fails:
		return "answers with an error"
	case Unreachable:
		return "cannot be reached: the host has no route to it"
	case Answers:
		return "answers"
	}
	return "could not be asked"
}

// choice says which servers pasta uses.
func (c *collector) choice() []fix.Evidence {
	if !c.nix.usesPasta() {
		return nil
	}
	text := func(w Way) string {
		if w.Server == nil {
			return "none"
		}
		return w.Server.String()
	}
	return []fix.Evidence{{
		Source: "pasta forwards to", Expected: "a server that answers",
		Observed: fmt.Sprintf("IPv4: %s, IPv6: %s", text(c.predicts.V4), text(c.predicts.V6)),
	}}
}

// families looks at what a family of addresses can do.
func (c *collector) families() {
	if c.way.shape != Regular || c.dataErr != nil || !c.nix.usesPasta() {
		return
	}
	v4, v6 := conf.Choice(c.data)
	routes := fix.Evidence{
		Source: "routes", Expected: "of each family that a server is of",
		Observed: fmt.Sprintf("IPv4: %s, IPv6: %s", c.routes[0], c.routes[1]),
	}
	keeps := func(w World) World { w.Era = Era2026; return w }
	for _, f := range []struct {
		server *conf.Server
		own    Routes
		other  Routes
		name   string
	}{{v4, c.routes[0], c.routes[1], "IPv4"}, {v6, c.routes[1], c.routes[0], "IPv6"}} {
		if f.server == nil || c.world.family(f.own, f.other) ||
			c.era == Era2023 && f.own != DefaultRoute && f.other != DefaultRoute {
			continue
		}
		c.add(cause{
			id: idNoRoute, cure: keeps, summary: fmt.Sprintf("the server %s is of no use to this pasta, because the host "+
				"has no %s route", f.server.Address, f.name),
			evidence: []fix.Evidence{routes, {Source: c.survey.pasta.String(), Expected: "one that keeps both families " +
				"(2026-10)", Observed: fmt.Sprintf("of %d", c.era)}},
			remedy: &fix.Remedy{Class: fix.Advice, Changes: "install a newer passt and name it in pasta-path, or use a " +
				"server that the host has a route to; " + byOwner[c.owner].advice},
		})
		break
	}
	if v6 != nil && v6.Address.Zone() != "" && (c.era == Era2023 || c.iface != "" && v6.Address.Zone() != c.iface) {
		c.add(cause{
			id: idScoped, cure: func(w World) World { w.Era, w.Template = Era2026, v6.Address.Zone(); return w },
			summary: fmt.Sprintf("pasta cannot use the server %s, which belongs to one interface", v6.Address),
			evidence: []fix.Evidence{
				{Source: fmt.Sprintf("%s, line %d", conf.File, v6.Line), Expected: "an address without an " +
					"interface", Observed: v6.Address.String()},
				{Source: "interface that pasta copies", Expected: v6.Address.Zone(), Observed: c.iface},
			},
			remedy: c.advise("use the local server of systemd-resolved, or an address without an interface"),
		})
	}
	if v4 == nil && v6 != nil && c.world.bothFamilies() {
		c.add(cause{
			id: idOnlyIPv6, waits: true, summary: "all servers are IPv6 addresses: each program waits 5 s for the silent IPv4 address " +
				"of pasta first",
			evidence: []fix.Evidence{{
				Source: conf.File, Expected: "a server with an IPv4 address first",
				Observed: v6.Address.String(),
			}},
			remedy: c.advise("have a server with an IPv4 address, or a local one, named first"),
		})
	}
	c.overTCP(v4)
	if v4 != nil && v6 == nil && c.world.bothFamilies() {
		if a := c.server(v4.Address); a != nil && a.udpR == Answers && a.aaaa.Answered() && !a.aaaa.Good() {
			c.add(cause{
				id: idSlow, waits: true, summary: fmt.Sprintf("the server %s answers AAAA questions with %s: each lookup waits 10 s for "+
					"the silent IPv6 address of pasta", v4.Address, rcode(a.aaaa.RCode)),
				evidence: []fix.Evidence{{Source: "server " + v4.Address.String() + ", AAAA", Expected: "an answer, even an " +
					"empty one", Observed: outcome(a.aaaa)}},
				remedy: &fix.Remedy{Class: fix.Advice, Changes: "let the server answer such questions with an empty answer; " +
					"lookups work, only slowly"},
			})
		}
	}
}

// overTCP looks for what a pasta of 2023 does not forward.
func (c *collector) overTCP(v4 *conf.Server) {
	words := conf.Options(c.data)
	useVC := slices.Contains(words, "use-vc")
	if c.era != Era2023 || !useVC && (v4 == nil || !c.long(v4.Address)) {
		return
	}
	x := cause{
		id: idTCP, cure: func(w World) World { w.Era = Era2025; return w },
		summary: "\"options use-vc\" sends all lookups over TCP, which this pasta does not forward",
		evidence: []fix.Evidence{{
			Source: conf.File + " options", Expected: "no use-vc with a pasta of 2023",
			Observed: strings.Join(words[:min(len(words), optionsMost)], " "),
		}},
		remedy: &fix.Remedy{Class: fix.Advice, Changes: "install a newer passt and name it in pasta-path, or have " +
			"the option removed; " + byOwner[c.owner].advice},
	}
	if !useVC {
		x.summary = fmt.Sprintf("the answers of %s do not fit and have to be asked for over TCP, which this pasta does not "+
			"forward", v4.Address)
		x.evidence = []fix.Evidence{{
			Source: "server " + v4.Address.String(), Expected: "answers that fit", Observed: c.server(v4.Address).text(),
		}}
		x.remedy.Changes = "install a newer passt and name it in pasta-path, or use a server whose answers fit; " +
			byOwner[c.owner].advice
	}
	c.add(x)
}

// slow looks for lookups that work and take long, where no other cause says so.
func (c *collector) slow() {
	if c.way.shape != Regular || c.dataErr != nil || slices.ContainsFunc(c.list, func(x cause) bool { return x.waits }) {
		return
	}
	for _, a := range c.servers {
		if len(a.lines) == 0 || a.udpR != Answers || a.lost || a.udp.Took < probe.SlowAfter {
			continue
		}
		c.add(cause{
			id: idSlowLookups, summary: fmt.Sprintf("the server %s takes %.1f s to answer, and so does every lookup of a build",
				a.address, a.udp.Took.Seconds()),
			evidence: []fix.Evidence{{
				Source: "server " + a.address.String(), Expected: "an answer within a second", Observed: a.text(),
			}},
			remedy: c.advise("have a faster server named first; names resolve, only slowly"),
		})
		return
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
			x.risky("let /etc/resolv.conf lead to "+byOwner[Resolved].stub+", which knows them", undoLink, plan.SetLink{
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

// nameless reports whether the servers of the file that answer all say that there is no such name, or no address.
func (s *survey) nameless() bool {
	if s.name == probe.DefaultName {
		return false
	}
	answered, unknown := 0, 0
	for _, a := range s.servers {
		if len(a.lines) == 0 || a.udpR != Answers && a.udpR != Nameless {
			continue
		}
		answered++
		if !a.udp.Truncated && len(a.udp.Addresses)+len(a.aaaa.Addresses) == 0 {
			unknown++
		}
	}
	return answered > 0 && unknown == answered
}
