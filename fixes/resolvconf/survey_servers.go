package resolvconf

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/lookup"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
)

// errSilent ends the wait of those who ask only where a server is silent.
var errSilent = errors.New("the server is silent")

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

// servers are those of the file, and those that stand for it.
type servers []asked

const (
	askedMost = 8                // servers that are asked; who lists more has other worries
	tcpLimit  = 2 * time.Second  // where nobody reads over TCP
	mostLimit = 10 * time.Second // for one question, where resolv.conf lets readers wait for longer
)

// ask asks every server of the file, and that of the host itself, which resolvers and pasta turn to where the file names
// none.
func (l *servers) ask(ctx context.Context, v platform.View, name string, data []byte) {
	for _, list := range [][]conf.Server{conf.Glibc(data), conf.Go(data), conf.Pasta(data)} {
		for _, server := range list {
			l.list(server.Address, server.Line)
		}
	}
	for _, d := range conf.Differences(data) {
		l.list(d.Address, d.Line)
	}
	l.list(loop4, 0)
	l.askFrom(ctx, v, 0, name, lookup.Read(data, nil))
}

// askMore asks the servers of the file that stands for resolv.conf in the sandbox.
func (l *servers) askMore(ctx context.Context, v platform.View, name string, data []byte) {
	before := len(*l)
	for _, server := range conf.Glibc(data) {
		l.list(server.Address, 0)
	}
	l.askFrom(ctx, v, before, name, lookup.Read(data, nil))
}

// list adds a server to those that are asked.
func (l *servers) list(a netip.Addr, line int) {
	if a.IsUnspecified() {
		return
	}
	i := slices.IndexFunc(*l, func(o asked) bool { return o.address == a })
	if i < 0 && len(*l) < askedMost {
		*l = append(*l, asked{address: a})
		i = len(*l) - 1
	}
	if i >= 0 && line > 0 && !slices.Contains((*l)[i].lines, line) {
		(*l)[i].lines = append((*l)[i].lines, line)
	}
}

// askFrom asks the servers from the nth on.
func (l servers) askFrom(ctx context.Context, v platform.View, n int, name string, set lookup.Settings) {
	var all sync.WaitGroup
	for i := n; i < len(l); i++ {
		all.Go(func() { l[i].ask(ctx, v, name, set) })
	}
	all.Wait()
}

// of returns what a server said, nil where it was not asked.
func (l servers) of(a netip.Addr) *asked {
	i := slices.IndexFunc(l, func(o asked) bool { return o.address == a })
	if i < 0 {
		return nil
	}
	return &l[i]
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
	patient, silent := context.WithCancelCause(early)
	defer silent(nil)
	after := func(what string, d time.Duration) bool {
		err := v.Pause(patient, what+" of "+a.address.String(), d)
		return err == nil || !errors.Is(err, context.Canceled)
	}
	var rest sync.WaitGroup
	again := dnsquery.Answer{RCode: -1, Error: dnsquery.NotWaited}
	rest.Go(func() {
		if set.Attempts > 1 && after(secondQuestion, limit/2) {
			again = one(platform.Second(early), dnsquery.UDP, dnsquery.A, limit)
		}
	})
	rest.Go(func() {
		if after(tcpQuestion, time.Second) {
			a.tcp = one(early, dnsquery.TCP, dnsquery.A, min(limit, tcpLimit))
		}
	})
	a.udp = one(ctx, dnsquery.UDP, dnsquery.A, limit)
	if a.udp.Error == dnsquery.Timeout {
		silent(errSilent)
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

// text says what became of a question: "answers in 3 ms".
func (a *asked) text() string {
	if a.overTCP {
		return tcpOnly.Fill(fix.With{"tcp": outcome(a.tcp)})
	}
	return udpAndTCP.Fill(fix.With{"udp": outcome(a.udp), "tcp": outcome(a.tcp)})
}

func outcome(a dnsquery.Answer) string {
	switch {
	case a.Good() && a.RCode == dnsquery.NXDomain:
		return saysNoName
	case a.Good() && a.Truncated:
		return saysTooMuch
	case a.Good() && len(a.Addresses) == 0:
		return saysNoAddress
	case a.Good():
		return saysIn.Fill(fix.With{"ms": a.Took.Milliseconds()})
	case a.Answered():
		return saysCode.Fill(fix.With{"code": rcode(a.RCode)})
	case a.Error == dnsquery.Timeout:
		return silentFor.Fill(fix.With{"seconds": fmt.Sprintf("%.0f", a.Took.Seconds())})
	case a.Error == dnsquery.NotWaited:
		return notAsked
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
	return codeNumber.Fill(fix.With{"code": n})
}
