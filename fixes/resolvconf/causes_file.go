package resolvconf

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
)

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
			x.risky("start "+unit+", which writes the target of the link", "lixfix undo stops it", step.StartUnit{
				Unit: unit,
				On:   true, Why: "write " + c.way.end,
			})
		case file != "" && len(c.way.links) == 1:
			x.risky(fmt.Sprintf("let /etc/resolv.conf lead to %s, the file of %s, which answers", file, owner), undoLink,
				step.SetLink{Name: conf.File, From: c.way.links[last].info.Target, To: file, Why: "lead to a file that is there"})
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
				step.SetLink{Name: conf.File, To: file, Why: "name a server that answers"})
		case len(c.extra) > 0:
			x.risky("write /etc/resolv.conf with the servers that you named", "lixfix undo removes the file", step.WriteFile{
				Name: conf.File, After: step.NewFileState(platform.Content{
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
		x.steps = append(x.steps, step.SetMode{
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
	c.longLine()
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

// longLine looks for a line at which pasta stops reading, with the servers behind it.
func (c *collector) longLine() {
	n := conf.PastaStops(c.data)
	i := slices.IndexFunc(conf.Glibc(c.data), func(s conf.Server) bool { return n > 0 && s.Line > n })
	if i < 0 || !c.nix.usesPasta() {
		return
	}
	server := conf.Glibc(c.data)[i]
	x := cause{
		id: idPastaStops, cure: func(w World) World { w.Data = conf.Ahead(w.Data); return w },
		summary: fmt.Sprintf("line %d of /etc/resolv.conf is too long for pasta, which stops there and never sees the server %s",
			n, server.Address),
		evidence: []fix.Evidence{c.whose(), {
			Source: fmt.Sprintf("%s, line %d", conf.File, n), Expected: "at most 8192 bytes", Observed: "more",
		}},
	}
	if c.editable() {
		x.safe("move the lines of servers before the long one", undoFile)
		x.text("let pasta see the servers", conf.Ahead)
	} else {
		x.remedy = c.advise("have the servers named before that line")
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
