package resolvconf

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/lookup"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
)

// theFile looks at what /etc/resolv.conf is, and who may read it.
func theFile(d *diagnosis) []cause {
	x := cause{
		evidence: []fix.Evidence{d.wayEvidence(), d.whose()},
		cure: func(w World) World { // as if the file were there, with a server that answers
			w.Shape, w.Data = Regular, []byte(nameserverLine.Fill(fix.With{"server": loop4.String()}))
			w.FileOpen, w.PathOpen = Yes, Yes
			w.Ask = func(netip.Addr, bool) Reach { return Answers }
			return w
		},
	}
	switch d.way.shape {
	case Dangling, Loop:
		if x.kind = dangling; d.owner == WSL {
			x.kind = wsl
		}
	case Missing:
		x.kind = missing
	case Directory:
		x.kind = notFile
	case Special:
		x.kind, x.special, x.with = notFile, "special", fix.With{"what": special(d.way.info.Mode)}
	case Regular:
		return closedFile(d, x)
	case Hidden:
		return nil
	}
	return []cause{x}
}

// closedFile looks for what keeps build users from reading the file.
func closedFile(d *diagnosis, x cause) []cause {
	if len(d.closed) == 0 {
		return nil
	}
	x.kind, x.cure = closed, func(w World) World { w.FileOpen, w.PathOpen = Yes, Yes; return w }
	x.with = fix.With{"user": d.user.Name, "name": d.closed[0].name}
	if n := d.listed(); n != nil {
		x.special, x.with["name"] = caseList, n.name
		x.evidence = append(x.evidence, d.shut(*n, readForBuilders))
		return []cause{x}
	}
	for _, n := range d.closed {
		right := readForOthers
		if n.info.Mode.IsDir() {
			right = enterForOthers
		}
		x.evidence = append(x.evidence, d.shut(n, right))
	}
	return []cause{x}
}

// listed is what keeps build users out by an access control list, nil for nothing.
func (d *diagnosis) listed() *node {
	i := slices.IndexFunc(d.closed, func(n node) bool { return n.info.ACL })
	if i < 0 {
		return nil
	}
	return &d.closed[i]
}

// lines looks for lines that not every reader takes for a server.
func lines(d *diagnosis) []cause {
	if !d.readable() {
		return nil
	}
	all, fixed := conf.Differences(d.data), conf.Normalise(d.data)
	var found []cause
	for _, kind := range []*fix.Kind{pastaSkips, glibcSkips} {
		x := cause{kind: kind, cure: func(w World) World { w.Data = fixed; return w }, evidence: []fix.Evidence{d.whose()}}
		for _, o := range all {
			if (kind == pastaSkips) != (o.Glibc && !o.Pasta) {
				continue
			}
			if x.with == nil {
				x.with = fix.With{"line": o.Line, "trouble": o.Trouble, "server": o.Address}
			}
			can := map[bool]string{true: "read", false: "ignored"}
			x.evidence = append(x.evidence, fix.Evidence{
				Source: atLine.Fill(fix.With{"file": conf.File, "line": o.Line}), Expected: quotedServer.Fill(fix.With{"server": o.Address.String()}),
				Observed: lineRead.Fill(fix.With{"line": fmt.Sprintf("%q", o.Text), "trouble": o.Trouble, "glibc": can[o.Glibc], "go": can[o.Go], "pasta": can[o.Pasta]}),
			})
		}
		if x.with == nil {
			continue
		}
		if len(all) == conf.Kept {
			x.evidence = append(x.evidence, fix.Evidence{
				Source: conf.File, Expected: fewLines,
				Observed: moreLines.Fill(fix.With{"count": len(all)}),
			})
		}
		found = append(found, x)
	}
	return found
}

// longLine looks for a line at which pasta stops reading, with the servers behind it.
func longLine(d *diagnosis) []cause {
	if !d.readable() || !d.nix.usesPasta() {
		return nil
	}
	n, listed := conf.PastaStops(d.data), conf.Glibc(d.data)
	i := slices.IndexFunc(listed, func(s conf.Server) bool { return n > 0 && s.Line > n })
	if i < 0 {
		return nil
	}
	return []cause{{
		kind: pastaStops, with: fix.With{"line": n, "server": listed[i].Address},
		cure: func(w World) World { w.Data = conf.Ahead(w.Data); return w },
		evidence: []fix.Evidence{d.whose(), {
			Source: atLine.Fill(fix.With{"file": conf.File, "line": n}), Expected: shortLine, Observed: "more",
		}},
	}}
}

// noLine looks for a file that names no server, however it is read.
func noLine(d *diagnosis) []cause {
	if !d.readable() {
		return nil
	}
	if fixed := conf.Normalise(d.data); len(conf.Glibc(fixed)) > 0 || len(conf.Pasta(fixed)) > 0 {
		return nil
	}
	x := cause{
		kind: noServer, evidence: []fix.Evidence{d.wayEvidence(), d.whose()},
		cure: func(w World) World {
			w.Data = []byte(nameserverLine.Fill(fix.With{"server": loop4.String()}))
			w.Ask = func(netip.Addr, bool) Reach { return Answers }
			return w
		},
	}
	if d.nss != "" {
		x.evidence = append(x.evidence, fix.Evidence{
			Source: hostsSource, Expected: otherMeans, Observed: d.nss,
		})
	}
	return []cause{x}
}

// replacedFiles looks at what sandbox-paths puts into the sandbox.
func replacedFiles(d *diagnosis) []cause {
	var found []cause
	for _, r := range d.replaced {
		x := cause{
			kind: replaced, with: fix.With{"target": r.Target, "source": r.Source, "setting": r.Setting},
			cure: func(w World) World {
				w.Replaced = slices.DeleteFunc(slices.Clone(w.Replaced), func(o Replaced) bool { return o.Target == r.Target })
				return w
			},
		}
		shown := fix.Evidence{Source: r.Source}
		switch {
		case r.Missing:
			x.special, shown.Expected, shown.Observed = "missing", aFile, notThere
		case r.Open == No:
			x.special = "closed"
			shown.Expected, shown.Observed = builderReadable, unreadableFor.Fill(fix.With{"user": d.user.Name})
		case r.Target == nsswitch && !lookup.AsksDNS(r.Data):
			x.special, shown.Expected, shown.Observed = "no-dns", hostsFilesDNS, hostsAre.Fill(fix.With{"sources": hostsLine(r.Data)})
		case r.Target == conf.File:
			w := d.world
			if through(w, Prediction{Starts: Yes, Network: networkOf(w)}).Works == Yes {
				continue
			}
			var list []string
			for _, server := range conf.Glibc(r.Data) {
				list = append(list, server.Address.String()+" "+does[w.Ask(server.Address, false)])
			}
			if len(list) == 0 {
				list = []string{noServers}
			}
			shown.Expected, shown.Observed = reachableServer, strings.Join(list, ", ")
		default:
			continue
		}
		x.evidence = []fix.Evidence{
			{Source: r.Setting, Expected: nothingFor.Fill(fix.With{"target": r.Target}), Observed: r.Target + "=" + r.Source}, shown,
		}
		found = append(found, x)
	}
	return found
}
