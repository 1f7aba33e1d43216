// Package lookup follows a name through the resolvers that programs are linked with: that of glibc, that of musl, that
// of Go. They ask other servers, wait for other times and take other answers for the last word, so that whether a server
// answers says little about whether a program gets an address.
package lookup

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lixfix/lixfix/platform/dnsquery"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
)

// Settings are what resolv.conf(5) says about how to ask.
type Settings struct {
	Servers  []netip.Addr
	Search   []string
	Timeout  time.Duration // of one question to one server
	Attempts int           // rounds over all servers
	NDots    int           // with as many dots, a name is tried as it is before the search list is
	TCP      bool          // use-vc
}

// The limits of glibc (resolv.h): RES_TIMEOUT, RES_MAXRETRANS, RES_DFLRETRY, RES_MAXRETRY, RES_MAXNDOTS.
const (
	defaultTimeout  = 5 * time.Second
	mostTimeout     = 30 * time.Second
	defaultAttempts = 2
	mostAttempts    = 5
	mostNDots       = 15
)

// loopback is who resolvers ask where no server is named (resolv.conf(5)).
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// Read reads a resolv.conf as glibc does. What of a file belongs to which reader, package resolvconf knows.
func Read(data []byte, servers []conf.Server) Settings {
	s := Settings{Timeout: defaultTimeout, Attempts: defaultAttempts, NDots: 1}
	for _, o := range servers {
		s.Servers = append(s.Servers, o.Address)
	}
	if len(s.Servers) == 0 {
		s.Servers = []netip.Addr{loopback}
	}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		// Of several such lines, the last one counts.
		if len(words) > 1 && (strings.HasPrefix(line, "search") || strings.HasPrefix(line, "domain")) &&
			(words[0] == "search" || words[0] == "domain") {
			s.Search = words[1:]
			if words[0] == "domain" {
				s.Search = words[1:2]
			}
		}
	}
	for _, o := range conf.Options(data) {
		name, value, _ := strings.Cut(o, ":")
		n, err := strconv.Atoi(value)
		switch {
		case name == "use-vc":
			s.TCP = true
		case err != nil || n < 0:
		case name == "timeout":
			// glibc takes 0 as no time at all, and then waits for a second (resolv/res_send.c).
			s.Timeout = min(max(time.Duration(n)*time.Second, time.Second), mostTimeout)
		case name == "attempts":
			s.Attempts = min(n, mostAttempts)
		case name == "ndots":
			s.NDots = min(n, mostNDots)
		}
	}
	return s
}

// names are the names that a lookup asks for, in their order.
func (s Settings) names(name string) []string {
	if strings.HasSuffix(name, ".") {
		return []string{name}
	}
	var list []string
	for _, domain := range s.Search {
		if domain = strings.Trim(domain, "."); domain != "" {
			list = append(list, name+"."+domain)
		}
	}
	if strings.Count(name, ".") >= s.NDots {
		return append([]string{name}, list...)
	}
	return append(list, name)
}

// Ask puts one question to one server. It returns within limit, with Timeout for an error where nobody answered.
type Ask func(server netip.Addr, p dnsquery.Protocol, name string, kind dnsquery.Type, limit time.Duration) dnsquery.Answer

// Verdict is what a program is told.
type Verdict string

// The verdicts, the better one first.
const (
	Found   Verdict = "found"      // it has an address
	Nothing Verdict = "no-address" // the name exists, without an address (EAI_NODATA)
	NoName  Verdict = "no-name"    // there is no such name (EAI_NONAME)
	Failed  Verdict = "failed"     // nobody could say (EAI_AGAIN)
	Unknown Verdict = ""           // it could not be told, because somebody was not asked
)

// Result is what becomes of a lookup.
type Result struct {
	Verdict   Verdict       `json:"verdict"`
	Addresses []netip.Addr  `json:"addresses,omitempty"`
	Took      time.Duration `json:"took"`            // until the program was told
	By        netip.Addr    `json:"by,omitzero"`     // whose answer was the last word
	Error     string        `json:"error,omitempty"` // the last error, where nobody could say
	// Unasked says that no name server was to be asked, by nsswitch.conf.
	Unasked bool `json:"unasked,omitempty"`
}

// walk is one lookup of one type.
type walk struct {
	Settings
	ask  Ask
	kind dnsquery.Type
	res  Result
	// unasked: a server could not be asked, so that a failure is none.
	unasked bool
}

// Glibc is getaddrinfo(3) of glibc: one server after the other, twice; the first that knows the name, or knows that
// there is none, has the last word (resolv/res_send.c, resolv/res_query.c).
func Glibc(s Settings, name string, ask Ask) Result {
	return both(s, name, ask, func(i int) time.Duration {
		if i == 0 {
			return s.Timeout
		}
		return max(s.Timeout<<i/time.Duration(len(s.Servers)), time.Second)
	}, false)
}

// Go is net.Resolver, where it does not call the C library: as glibc, with the same time for every server, and a
// failure of one name of the search list does not end the lookup (net/dnsclient_unix.go).
func Go(s Settings, name string, ask Ask) Result {
	return both(s, name, ask, func(int) time.Duration { return s.Timeout }, true)
}

// both asks for addresses of both families at once, as programs do that take either.
func both(s Settings, name string, ask Ask, limit func(server int) time.Duration, goesOn bool) Result {
	one := func(kind dnsquery.Type) Result {
		w := &walk{Settings: s, ask: ask, kind: kind}
		return w.through(name, limit, goesOn)
	}
	done := make(chan Result, 1)
	go func() { done <- one(dnsquery.AAAA) }()
	return join(one(dnsquery.A), <-done)
}

// join is what a program is told that asked for both families.
func join(a, aaaa Result) Result {
	order := []Verdict{Found, Unknown, Failed, Nothing, NoName}
	r, other := a, aaaa
	if slices.Index(order, other.Verdict) < slices.Index(order, r.Verdict) {
		r, other = other, r
	}
	// Who has an address of one family is not held up by a failure of the other, but waits for it.
	if other.Verdict == Found {
		r.Addresses = slices.Concat(r.Addresses, other.Addresses)
	}
	r.Took = max(r.Took, other.Took)
	return r
}

// through looks for the name and then along the search list, as far as the answers let it.
func (w *walk) through(name string, limit func(int) time.Duration, goesOn bool) Result {
	last := NoName
	for _, n := range w.names(name) {
		switch v, servfail := w.query(n, limit); v {
		case Found:
			w.res.Verdict = Found
			return w.res
		case Nothing:
			last = Nothing
		case Failed:
			last = Failed
			if !servfail && !goesOn {
				return w.end(Failed)
			}
		}
	}
	return w.end(last)
}

func (w *walk) end(v Verdict) Result {
	if v == Failed && w.unasked {
		v = Unknown
	}
	w.res.Verdict = v
	return w.res
}

// query asks for one name. servfail says that it failed, and that the last server said SERVFAIL: of all failures, only
// that one lets glibc go on with the search list.
func (w *walk) query(name string, limit func(int) time.Duration) (v Verdict, servfail bool) {
	for range w.Attempts {
		for i, server := range w.Servers {
			a, ok := w.exchange(server, name, limit(i))
			if !ok {
				servfail = a.RCode == dnsquery.ServFail
				continue
			}
			w.res.By, w.res.Error = server, ""
			switch {
			case len(a.Addresses) > 0:
				w.res.Addresses = a.Addresses
				return Found, false
			case a.RCode == dnsquery.NXDomain:
				return NoName, false
			}
			return Nothing, false
		}
	}
	return Failed, servfail
}

// exchange asks one server, over TCP as well where its answer did not fit. ok says that it has the last word.
func (w *walk) exchange(server netip.Addr, name string, limit time.Duration) (a dnsquery.Answer, ok bool) {
	p := dnsquery.UDP
	if w.TCP {
		p = dnsquery.TCP
	}
	a = w.one(server, p, name, limit)
	if a.Answered() && a.Truncated && p == dnsquery.UDP {
		a = w.one(server, dnsquery.TCP, name, limit)
	}
	switch {
	case !a.Answered():
		w.res.Error = a.Error
		w.unasked = w.unasked || a.Error == dnsquery.Cancelled
		return a, false
	case a.RCode != dnsquery.NoError && a.RCode != dnsquery.NXDomain, a.Lame:
		w.res.Error = "rcode " + strconv.Itoa(a.RCode)
		return a, false
	}
	return a, true
}

// one asks once. What takes longer than the reader waits is silence to it.
func (w *walk) one(server netip.Addr, p dnsquery.Protocol, name string, limit time.Duration) dnsquery.Answer {
	a := w.ask(server, p, name, w.kind, limit)
	if a.Took > limit || a.Error == dnsquery.Timeout {
		w.res.Took += limit
		return dnsquery.Answer{Error: dnsquery.Timeout, RCode: -1, Took: limit}
	}
	w.res.Took += a.Took
	return a
}

// Musl is getaddrinfo(3) of musl: all servers at once, and the first of them that knows the name or knows that there is
// none has the last word; five seconds in all unless the file says otherwise (src/network/res_msend.c). It knows no
// use-vc, and turns to TCP for what did not fit since 1.2.4.
func Musl(s Settings, name string, ask Ask) Result {
	s.TCP = false
	one := func(kind dnsquery.Type) Result {
		var all Result
		for _, n := range s.names(name) {
			r := race(s, n, kind, ask)
			r.Took += all.Took
			all = r
			if r.Verdict != NoName {
				break
			}
		}
		return all
	}
	done := make(chan Result, 1)
	go func() { done <- one(dnsquery.AAAA) }()
	return join(one(dnsquery.A), <-done)
}

// race asks all servers for one name at once.
func race(s Settings, name string, kind dnsquery.Type, ask Ask) Result {
	results := make(chan Result, len(s.Servers))
	for _, server := range s.Servers {
		go func() {
			only := s
			only.Servers, only.Attempts = []netip.Addr{server}, 1
			w := &walk{Settings: only, ask: ask, kind: kind}
			v, _ := w.query(name, func(int) time.Duration { return s.Timeout })
			results <- w.end(v)
		}()
	}
	best := Result{Verdict: Failed, Took: s.Timeout}
	decided := false
	for range s.Servers {
		r := <-results
		switch {
		case r.Verdict == Unknown && !decided:
			best.Verdict = Unknown
		case r.Verdict == Unknown, r.Verdict == Failed:
			if !decided && best.Error == "" {
				best.Error = r.Error
			}
		case !decided || r.Took < best.Took:
			best, decided = r, true
		}
	}
	return best
}
