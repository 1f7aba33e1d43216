package lookup

import (
	"bytes"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lixfix/lixfix/platform/dnsquery"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
)

// Reader is the resolver that a program is linked with.
type Reader string

// The resolvers that builds come with. Go is that of programs without cgo; with it, the C library is asked.
const (
	ByGlibc Reader = "glibc"
	ByMusl  Reader = "musl"
	ByGo    Reader = "Go"
)

// Readers are all of them; the first is the one that most builds use.
var Readers = []Reader{ByGlibc, ByMusl, ByGo}

// System is what resolvers read: the text of the three files, nil where there is none.
type System struct {
	Resolv   []byte // /etc/resolv.conf
	NSSwitch []byte // /etc/nsswitch.conf
	Hosts    []byte // /etc/hosts
}

// settings reads resolv.conf as a resolver does.
func (s System) settings(r Reader) Settings {
	if r == ByGo {
		return Read(s.Resolv, conf.Go(s.Resolv))
	}
	return Read(s.Resolv, conf.Glibc(s.Resolv))
}

// Resolve follows a name through the sources that a program would ask.
func (s System) Resolve(r Reader, name string, ask Ask) Result {
	if r == ByMusl { // It knows no nsswitch.conf (src/network/lookup_name.c).
		if a := hosts(s.Hosts, name); len(a) > 0 {
			return Result{Verdict: Found, Addresses: a}
		}
		return Musl(s.settings(r), name, ask)
	}
	list := Sources(s.NSSwitch)
	if r == ByGo && !goKnows(list) {
		list = Sources(nil)
	}
	result := Result{Verdict: NoName, Unasked: true}
	for _, source := range list {
		status := unavailable
		switch source.Name {
		case "files":
			if a := hosts(s.Hosts, name); len(a) > 0 {
				return Result{Verdict: Found, Addresses: a}
			}
			if status = notFound; s.Hosts == nil {
				status = unavailable
			}
		case "dns":
			if r == ByGo {
				result = Go(s.settings(r), name, ask)
			} else {
				result = Glibc(s.settings(r), name, ask)
			}
			switch result.Verdict {
			case Found:
				return result
			case Failed, Unknown:
				status = tryAgain
			case NoName, Nothing:
				status = notFound
			}
		case "mdns", "mdns4", "mdns6", "mdns_minimal", "mdns4_minimal", "mdns6_minimal":
			// They leave names alone that do not end in .local.
			if strings.HasSuffix(strings.TrimSuffix(name, "."), ".local") {
				status = notFound
			}
		}
		if source.returns(status) {
			break
		}
	}
	return result
}

// The words of nsswitch.conf(5) for what became of asking a source.
const (
	notFound    = "NOTFOUND"
	unavailable = "UNAVAIL"
	tryAgain    = "TRYAGAIN"
)

// Source is one of the hosts line of nsswitch.conf(5).
type Source struct {
	Name    string
	Actions []string // "NOTFOUND=return", "!UNAVAIL=return"
}

// returns reports whether no further source is asked.
func (s Source) returns(status string) bool {
	over := false
	for _, a := range s.Actions {
		on, what, _ := strings.Cut(a, "=")
		other := strings.HasPrefix(on, "!")
		if strings.EqualFold(strings.TrimPrefix(on, "!"), status) != other {
			over = strings.EqualFold(what, "return")
		}
	}
	return over
}

// Sources reads the hosts line of an nsswitch.conf. Without a file, or without the line, both glibc and Go take files
// and dns.
func Sources(nsswitch []byte) []Source {
	for line := range bytes.Lines(nsswitch) {
		text, _, _ := strings.Cut(string(line), "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(text), "hosts:")
		if !ok {
			continue
		}
		var list []Source
		rest = strings.NewReplacer("[", " [ ", "]", " ] ").Replace(rest)
		inside := false
		for word := range strings.FieldsSeq(rest) {
			switch {
			case word == "[":
				inside = true
			case word == "]":
				inside = false
			case inside && len(list) > 0:
				last := &list[len(list)-1]
				last.Actions = append(last.Actions, word)
			case !inside:
				list = append(list, Source{Name: word})
			}
		}
		if len(list) > 0 {
			return list
		}
	}
	return []Source{{Name: "files"}, {Name: "dns"}}
}

// AsksDNS reports whether a program that reads this nsswitch.conf ever asks a name server for a name that is not in
// /etc/hosts.
func AsksDNS(nsswitch []byte) bool {
	var asked atomic.Bool
	System{NSSwitch: nsswitch, Hosts: []byte{}}.Resolve(ByGlibc, "name.invalid", func(
		netip.Addr, dnsquery.Protocol, string, dnsquery.Type, time.Duration,
	) dnsquery.Answer {
		asked.Store(true)
		return dnsquery.Answer{}
	})
	return asked.Load()
}

// goKnows reports whether the resolver of Go takes a list of sources as it is; without cgo it goes back to files and dns
// for all others (hostLookupOrder in net/conf.go).
func goKnows(list []Source) bool {
	for _, s := range list {
		if s.Name != "files" && s.Name != "dns" {
			return false
		}
		for _, a := range s.Actions {
			on, what, _ := strings.Cut(strings.ToLower(a), "=")
			standard := on == "success" && what == "return" ||
				(on == "notfound" || on == "unavail" || on == "tryagain") && what == "continue"
			if !standard {
				return false
			}
		}
	}
	return true
}

// hosts are the addresses that hosts(5) has for a name.
func hosts(data []byte, name string) []netip.Addr {
	var found []netip.Addr
	name = strings.TrimSuffix(name, ".")
	for line := range bytes.Lines(data) {
		text, _, _ := strings.Cut(string(line), "#")
		words := strings.Fields(text)
		if len(words) < 2 {
			continue
		}
		a, err := netip.ParseAddr(words[0])
		if err != nil {
			continue
		}
		for _, w := range words[1:] {
			if strings.EqualFold(w, name) {
				found = append(found, a)
				break
			}
		}
	}
	return found
}
