package resolvconf

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/lookup"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
)

// asked is what a server said to root.
type asked struct {
	address    netip.Addr
	lines      []int // of the file
	udp, tcp   dnsquery.Answer
	aaaa       dnsquery.Answer
	udpR, tcpR Reach
	overTCP    bool // readers are to ask over TCP alone
	lost       bool // the first question had no answer, the second one had
}

// askServers asks every server of the file, and those of the host itself, which resolvers and pasta turn to where the
// file names none.
func (s *survey) askServers(ctx context.Context) {
	for _, list := range [][]conf.Server{conf.Glibc(s.data), conf.Go(s.data), conf.Pasta(s.data)} {
		for _, server := range list {
			s.list(server.Address, server.Line)
		}
	}
	for _, d := range conf.Differences(s.data) {
		s.list(d.Address, d.Line)
	}
	s.list(loop4, 0)
	s.askFrom(ctx, 0, lookup.Read(s.data, nil))
}

// list adds a server to those that are asked.
func (s *survey) list(a netip.Addr, line int) {
	if !a.IsUnspecified() {
		i := slices.IndexFunc(s.servers, func(o asked) bool { return o.address == a })
		if i < 0 && len(s.servers) < askedMost {
			s.servers = append(s.servers, asked{address: a})
			i = len(s.servers) - 1
		}
		if i >= 0 && line > 0 && !slices.Contains(s.servers[i].lines, line) {
			s.servers[i].lines = append(s.servers[i].lines, line)
		}
	}
}

// askReplaced asks the servers of the file that stands for resolv.conf in the sandbox.
func (s *survey) askReplaced(ctx context.Context) {
	before := len(s.servers)
	for _, r := range s.replaced {
		if r.Target == conf.File {
			for _, server := range conf.Glibc(r.Data) {
				s.list(server.Address, 0)
			}
			s.askFrom(ctx, before, lookup.Read(r.Data, nil))
		}
	}
}

// askFrom asks the servers from the nth on.
func (s *survey) askFrom(ctx context.Context, n int, set lookup.Settings) {
	var all sync.WaitGroup
	for i := n; i < len(s.servers); i++ {
		all.Go(func() { s.servers[i].ask(ctx, s.v, s.name, set) })
	}
	all.Wait()
	// The name that is asked for by default exists, whoever says that it does not.
	known := s.name == probe.DefaultName || slices.ContainsFunc(s.servers, func(a asked) bool {
		return len(a.udp.Addresses)+len(a.tcp.Addresses)+len(a.aaaa.Addresses) > 0
	})
	for i := range s.servers {
		s.servers[i].judge(known)
	}
}

// ask puts the questions to a server, the second when the first is answered: a server that limits how much it is asked
// drops what comes at once. Silence is judged by the time that readers give it, and asked again, as they do. TCP is asked
// where readers turn to it, and where silence may be that of UDP alone.
func (a *asked) ask(ctx context.Context, v platform.View, name string, set lookup.Settings) {
	limit := min(set.Timeout, mostLimit)
	one := func(ctx context.Context, p dnsquery.Protocol, kind dnsquery.Type, limit time.Duration) dnsquery.Answer {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		answer, err := v.Ask(ctx, dnsquery.Server(a.address), p, name, kind)
		if err != nil {
			return dnsquery.Answer{RCode: -1, Error: dnsquery.Cancelled}
		}
		return answer
	}
	a.tcp = dnsquery.Answer{RCode: -1, Error: dnsquery.NotWaited}
	if set.TCP {
		a.overTCP = true
		a.tcp = one(ctx, dnsquery.TCP, dnsquery.A, limit)
		a.udp, a.aaaa = a.tcp, a.tcp
		if a.tcp.Answered() {
			a.aaaa = one(ctx, dnsquery.TCP, dnsquery.AAAA, limit)
		}
		return
	}
	early, answered := context.WithCancel(ctx)
	defer answered()
	silent := make(chan struct{})
	after := func(d time.Duration) bool {
		select {
		case <-early.Done():
			return false
		case <-silent:
		case <-time.After(d):
		}
		return true
	}
	var rest sync.WaitGroup
	again := dnsquery.Answer{RCode: -1, Error: dnsquery.NotWaited}
	rest.Go(func() {
		if set.Attempts > 1 && after(limit/2) {
			again = one(early, dnsquery.UDP, dnsquery.A, limit)
		}
	})
	rest.Go(func() {
		if after(time.Second) {
			a.tcp = one(early, dnsquery.TCP, dnsquery.A, min(limit, tcpLimit))
		}
	})
	a.udp = one(ctx, dnsquery.UDP, dnsquery.A, limit)
	if a.udp.Error == dnsquery.Timeout {
		close(silent)
	} else {
		answered()
	}
	rest.Wait()
	if a.udp.Error == dnsquery.Timeout && again.Answered() {
		a.lost, a.udp = true, again
		a.udp.Took += limit // that a reader had waited before it asked again
	}
	a.aaaa = a.udp
	switch {
	case a.udp.Answered() && a.udp.Truncated && !a.tcp.Answered():
		a.tcp = one(ctx, dnsquery.TCP, dnsquery.A, limit)
	case a.udp.Answered() && !a.udp.Truncated:
		a.aaaa = one(ctx, dnsquery.UDP, dnsquery.AAAA, limit)
	}
}

// judge says what the answers are good for; known, that some server has an address for the name.
func (a *asked) judge(known bool) {
	a.tcpR = a.reach(a.tcp, known)
	if a.overTCP {
		a.udpR = a.tcpR
		return
	}
	a.udpR = a.reach(a.udp, known)
	if a.udp.Answered() && a.udp.Truncated {
		if a.udpR = a.tcpR; a.tcpR != Answers && a.tcpR != Nameless {
			a.udpR = Truncates
		}
	}
}

func (a *asked) reach(answer dnsquery.Answer, known bool) Reach {
	switch {
	case answer.Good() && answer.Lame:
		return Fails
	case answer.Good() && known && !answer.Truncated && len(answer.Addresses)+len(a.aaaa.Addresses) == 0:
		return Nameless
	case answer.Good():
		return Answers
	case answer.Answered():
		return Fails
	case answer.Error == dnsquery.Timeout:
		return Silent
	case answer.Error == dnsquery.Refused:
		return Refuses
	case answer.Error == dnsquery.Unreachable, answer.Error == dnsquery.Denied:
		return Unreachable
	}
	return Unasked
}

// server returns what a server said, nil where it was not asked.
func (s *survey) server(a netip.Addr) *asked {
	i := slices.IndexFunc(s.servers, func(o asked) bool { return o.address == a })
	if i < 0 {
		return nil
	}
	return &s.servers[i]
}

// text says what became of a question: "answers in 3 ms".
func (a *asked) text() string {
	if a.overTCP {
		return "TCP " + outcome(a.tcp)
	}
	return "UDP " + outcome(a.udp) + ", TCP " + outcome(a.tcp)
}

func outcome(a dnsquery.Answer) string {
	switch {
	case a.Good() && a.RCode == dnsquery.NXDomain:
		return "answers that there is no such name"
	case a.Good() && a.Truncated:
		return "answers with what does not fit"
	case a.Good() && len(a.Addresses) == 0:
		return "answers without an address"
	case a.Good():
		return fmt.Sprintf("answers in %d ms", a.Took.Milliseconds())
	case a.Answered():
		return "answers with " + rcode(a.RCode)
	case a.Error == dnsquery.Timeout:
		return fmt.Sprintf("silent for %.0f s", a.Took.Seconds())
	case a.Error == dnsquery.NotWaited:
		return "not asked"
	}
	return a.Error
}

func rcode(n int) string {
	switch n {
	case dnsquery.ServFail:
		return "SERVFAIL"
	case dnsquery.RefusedQ:
		return "REFUSED"
	}
	return "code " + strconv.Itoa(n)
}
