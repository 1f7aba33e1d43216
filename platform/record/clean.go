package record

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/accounts"
	"github.com/lixfix/lixfix/platform/plistfile"
	"github.com/lixfix/lixfix/platform/redact"
)

// Clean returns the record without names and secrets, and what stands for them. machine is what the host calls itself;
// it may be empty.
func (r *Record) Clean(red *redact.Recorder, machine string) (*Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := cleaner{Recorder: red, bodies: map[string][]byte{}}
	c.learn(r, machine)
	out := &Record{Manifest: r.Manifest, scopes: map[string]map[string]*asked{}, any: map[string]*asked{}}
	// What one text says of a secret is known only when it was read: what comes before it is done again.
	red.Settled()
	var done []*asked
	for range 4 {
		done = done[:0]
		for _, q := range r.order {
			clean := &asked{scope: q.scope, ask: q.ask, of: c.question(q)}
			for _, a := range q.answers {
				answer, err := c.answer(q, a)
				if err != nil {
					return nil, err
				}
				clean.answers = append(clean.answers, answer)
			}
			done = append(done, clean)
		}
		if red.Settled() {
			break
		}
		c.bodies = map[string][]byte{}
	}
	for _, q := range done {
		// Two questions can be one without names.
		same := out.asked(q.scope, q.ask, q.of)
		same.answers = append(same.answers, q.answers...)
	}
	m := &out.Manifest
	for _, words := range [][]string{m.Unseen, m.Differs} {
		for i := range words {
			words[i] = Line(red.Text(words[i]))
		}
	}
	// os-release(5) is a file like any other.
	m.Host.Product = Line(red.Text(m.Host.Product))
	m.Host.Version, m.Host.Build = Line(m.Host.Version), Line(m.Host.Build)
	m.Replaced = red.Used()
	return out, nil
}

// Prepare has red parse what was answered up to now, so that Clean need not. Others may still be asking.
func (r *Record) Prepare(red *redact.Recorder) {
	r.mu.Lock()
	var bodies [][]byte
	for _, q := range r.order {
		for _, a := range q.answers {
			if a.data != nil {
				bodies = append(bodies, a.data)
			}
		}
	}
	r.mu.Unlock()
	for _, data := range bodies {
		red.Prepare(data)
	}
}

// Line is a text as one line that can be printed.
func Line(s string) string {
	return strings.Map(func(c rune) rune {
		if !clean(string(c)) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

type cleaner struct {
	*redact.Recorder
	bodies map[string][]byte // what was made of content, by the name of its file and the content
}

// question is what was asked, without names.
func (c *cleaner) question(q *asked) []string {
	switch q.ask {
	case "ask":
		of := slices.Clone(q.of)
		if server, err := netip.ParseAddrPort(of[0]); err == nil {
			of[0] = c.AddressPort(server).String()
		}
		of[2] = c.Text(of[2])
		return of
	case "query":
		return c.Arguments(q.of)
	}
	of := make([]string, len(q.of))
	for i, w := range q.of {
		of[i] = c.Text(w)
	}
	return of
}

func (c *cleaner) answer(q *asked, a *answer) (*answer, error) {
	w := a.wired()
	data := a.data
	if data != nil {
		name := q.of[0]
		k := name + "\x00" + string(data)
		done, ok := c.bodies[k]
		if !ok {
			done = c.Body(name, data)
			c.bodies[k] = done
		}
		data = done
	}
	if w.Error != nil {
		e := *w.Error
		e.texts(c.Text)
		w.Error = &e
	}
	if w.Names != nil {
		names := make([]string, len(w.Names))
		for i, n := range w.Names {
			names[i] = c.Text(n)
		}
		if q.ask == "list" {
			slices.Sort(names)
		}
		w.Names = names
	}
	w.Text = c.Text(w.Text)
	if w.File != nil {
		w.File.Target = c.Text(w.File.Target)
	}
	for i := range w.Sockets {
		s := &w.Sockets[i]
		s.Path = c.Text(s.Path)
		s.Local, s.Remote = c.port(s.Local), c.port(s.Remote)
	}
	if w.DNS != nil {
		d := *w.DNS
		d.Error, d.Addresses = c.Text(d.Error), slices.Clone(d.Addresses)
		for i, addr := range d.Addresses {
			d.Addresses[i] = c.Address(addr)
		}
		w.DNS = &d
	}
	if w.Daemon != nil {
		w.Daemon.Text, w.Daemon.Version = c.Text(w.Daemon.Text), c.Text(w.Daemon.Version)
		w.Daemon.Error.texts(c.Text)
	}
	done, err := w.answer(data)
	if err != nil {
		return nil, fmt.Errorf("clean %s: %w", q.ask, err)
	}
	done.times = a.times
	return done, nil
}

func (c *cleaner) port(s string) string {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return c.AddressPort(a).String()
	}
	return s
}

// learn makes the names known that a record tells of by itself.
func (c *cleaner) learn(r *Record, machine string) {
	n := c.Names()
	if machine != "" {
		n.Host(machine)
	}
	mac := r.Manifest.Host.OS == platform.Darwin
	// Who is a person decides what a name is, so that comes before what texts say.
	// Twice, because groups can come before the accounts that their members are.
	var told []*asked
	seen := map[string]bool{}
	for _, q := range r.order {
		for _, a := range q.answers {
			// Several ask the same, and are told the same.
			if len(q.of) == 0 || a.data == nil && a.names == nil {
				continue
			}
			k := strings.Join(append(append([]string{q.ask}, q.of...), string(a.data)), "\x00")
			if a.data == nil || !seen[k] {
				seen[k] = true
				told = append(told, &asked{ask: q.ask, of: q.of, answers: []*answer{a}})
			}
		}
	}
	for range 2 {
		for _, q := range told {
			c.structure(q, q.answers[0], mac)
		}
	}
	clear(seen)
	for _, q := range r.order {
		c.Learn(q.of...)
		for _, a := range q.answers {
			c.Learn(a.text, a.info.Target)
			c.Learn(a.names...)
			for _, s := range a.sockets {
				c.Learn(s.Path)
			}
			if p, ok := errors.AsType[*fs.PathError](a.err); ok {
				c.Learn(p.Path, p.Err.Error()) // of thousands, most names are known, and few errors are new
			} else if a.err != nil {
				c.Learn(a.err.Error())
			}
			if len(a.data) > 0 && !seen[string(a.data)] {
				seen[string(a.data)] = true
				c.LearnBody(q.of[0], a.data)
			}
		}
	}
}

// structure reads the names out of what is made of them.
func (c *cleaner) structure(q *asked, a *answer, mac bool) {
	n, name := c.Names(), q.of[0]
	if q.ask == "list" && redact.Homes(name) {
		for _, who := range a.names {
			if who != "lost+found" && who != "Shared" && !strings.HasPrefix(who, ".") {
				n.Person(who)
			}
		}
	}
	if a.data == nil {
		return
	}
	switch {
	case name == accounts.PasswdFile:
		n.Passwd(a.data, redact.FirstPerson(mac))
	case name == accounts.GroupFile:
		n.Group(a.data, redact.FirstPerson(mac))
	case name == "/etc/hosts":
		n.Hosts(string(a.data))
	case name == "/etc/hostname", name == "/proc/sys/kernel/hostname":
		n.Host(strings.TrimSpace(string(a.data)))
	case path.Base(name) == "resolv.conf", path.Base(name) == "stub-resolv.conf":
		n.ResolvConf(string(a.data))
	case name == "/etc/nix/machines":
		n.Machines(string(a.data))
	case q.ask == "query" && path.Base(name) == "resolvectl":
		for line := range strings.Lines(string(a.data)) {
			_, list, _ := strings.Cut(line, ":")
			n.ResolvConf("search " + strings.TrimSpace(list))
		}
	case q.ask == "query" && path.Base(name) == "dscl":
		c.directory(q.of, a.data, mac)
	}
}

// directory reads people out of what dscl(1) prints of the accounts of a Mac.
func (c *cleaner) directory(args []string, data []byte, mac bool) {
	n := c.Names()
	first := redact.FirstPerson(mac)
	people := slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "/Users") })
	if !slices.Contains(args, "-plist") {
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			if len(f) < 2 || !people {
				continue
			}
			if uid, err := strconv.Atoi(f[len(f)-1]); err == nil && (uid >= first || uid < 0) && slices.Contains(args, "UniqueID") {
				n.User(strings.Join(f[:len(f)-1], " "), uid, first)
			}
		}
		return
	}
	lists, err := plistfile.Records(data)
	if err != nil { // of one record
		lists = nil
		for _, doc := range plistfile.Documents(data) {
			var many []map[string][]string
			if plistfile.Decode(doc, &many) != nil {
				var one map[string][]string
				if plistfile.Decode(doc, &one) != nil {
					continue
				}
				many = append(many, one)
			}
			lists = append(lists, many)
		}
	}
	for _, many := range lists {
		for _, r := range many {
			get := func(key string) []string {
				return slices.Concat(r["dsAttrTypeStandard:"+key], r["dsAttrTypeNative:"+key], r[key])
			}
			id := 0
			if v := slices.Concat(get("UniqueID"), get("PrimaryGroupID")); len(v) > 0 {
				id, _ = strconv.Atoi(v[0])
			}
			switch {
			case len(get("UniqueID")) > 0:
				for _, name := range get("RecordName") {
					n.User(name, id, first)
				}
				if id >= first {
					for _, v := range get("RealName") {
						n.FullName(v)
					}
					for i, home := range get("NFSHomeDirectory") {
						if names := get("RecordName"); i < len(names) {
							n.Home(home, names[i])
						}
					}
				}
			default:
				for _, name := range get("RecordName") {
					n.GroupName(name, id, first)
				}
			}
			for _, member := range slices.Concat(get("GroupMembership"), get("GroupMembers")) {
				n.Member(member)
			}
		}
	}
}
