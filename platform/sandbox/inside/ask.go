package inside

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/lookup"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/sandbox"
)

const (
	// patience is how long one server is waited for before the others are asked as well: a program would wait for longer,
	// and the time that it would take is reckoned, not spent.
	patience = time.Second
	// most is what one question is waited for where resolv.conf lets readers wait for longer.
	most = 10 * time.Second
	// apart is how long the second question to a server waits for the answer to the first: some servers drop what comes
	// too fast.
	apart = 300 * time.Millisecond
)

// question is one of a lookup.
type question struct {
	server   netip.Addr
	protocol dnsquery.Protocol
	name     string
	kind     dnsquery.Type
	try      int // resolvers ask again where nobody answered
}

// exchange is a question on its way, or its answer.
type exchange struct {
	done   chan struct{}
	answer dnsquery.Answer
}

func (e *exchange) over() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// asker puts the questions that a lookup leads to, each once.
type asker struct {
	ctx     context.Context
	send    func(context.Context, netip.AddrPort, dnsquery.Protocol, string, dnsquery.Type) dnsquery.Answer
	servers []netip.Addr
	limit   time.Duration // of one question
	mu      sync.Mutex
	sent    map[question]*exchange
	tries   map[question]int // by a question with no try
}

func newAsker(ctx context.Context, servers []string) *asker {
	a := &asker{ctx: ctx, limit: dnsquery.Limit, send: dnsquery.Ask, sent: map[question]*exchange{}, tries: map[question]int{}}
	for _, s := range servers {
		if addr, err := netip.ParseAddr(s); err == nil {
			a.servers = append(a.servers, addr)
		}
	}
	return a
}

// start sends a question, unless that has been done.
func (a *asker) start(q question) *exchange {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.sent[q]
	if e == nil {
		e = &exchange{done: make(chan struct{})}
		a.sent[q] = e
		go func() {
			defer close(e.done)
			ctx, cancel := context.WithTimeout(a.ctx, a.limit)
			defer cancel()
			e.answer = a.send(ctx, dnsquery.Server(q.server), q.protocol, q.name, q.kind)
		}()
	}
	return e
}

// everywhere sends a question to all servers.
func (a *asker) everywhere(q question) {
	for _, s := range a.servers {
		q.server = s
		a.start(q)
	}
}

// ask is a lookup.Ask. A server that takes its time has the others asked meanwhile.
func (a *asker) ask(server netip.Addr, p dnsquery.Protocol, name string, kind dnsquery.Type, _ time.Duration) dnsquery.Answer {
	q := question{server: server, protocol: p, name: name, kind: kind}
	a.mu.Lock()
	try := a.tries[q]
	a.tries[q]++
	a.mu.Unlock()
	q.try = try
	if kind == dnsquery.AAAA {
		other := q
		other.kind = dnsquery.A
		select {
		case <-a.start(other).done:
		case <-time.After(apart):
		}
	}
	if try > 0 {
		a.everywhere(q)
	}
	e := a.start(q)
	select {
	case <-e.done:
	case <-time.After(patience):
		a.everywhere(q)
		<-e.done
	}
	return e.answer
}

// ask looks a name up as the C library would with this resolv.conf, and reports the questions that were asked. With
// all, or where there is no address, every server is asked everything, and so it is where other resolvers ask otherwise.
func ask(ctx context.Context, data []byte, servers []string, name string, all bool) []sandbox.Query {
	none := len(servers) == 0
	if none {
		servers = []string{fallback}
	}
	set := lookup.Read(data, conf.Glibc(data))
	a := newAsker(ctx, servers)
	a.limit = min(set.Timeout, most)
	got := lookup.Glibc(set, name, a.ask)
	plain := []question{
		{protocol: dnsquery.UDP, name: name, kind: dnsquery.A},
		{protocol: dnsquery.TCP, name: name, kind: dnsquery.A},
		{protocol: dnsquery.UDP, name: name, kind: dnsquery.AAAA},
	}
	// musl knows no use-vc: what it would ask is not asked by who has heard of that.
	if all || got.Verdict != lookup.Found || set.TCP {
		for _, q := range plain {
			a.everywhere(q)
		}
		a.wait()
	}
	return a.report(servers, plain, none)
}

// wait waits for the answers to all questions.
func (a *asker) wait() {
	a.mu.Lock()
	list := slices.Collect(maps.Values(a.sent))
	a.mu.Unlock()
	for _, e := range list {
		<-e.done
	}
}

// report lists the questions by server, in the order of the file; those of a search list come last.
func (a *asker) report(servers []string, plain []question, none bool) []sandbox.Query {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []sandbox.Query
	written := map[question]bool{}
	add := func(as string, q question, always bool) {
		q.try = 0
		e := a.sent[q]
		if e == nil && !always || written[q] {
			return
		}
		written[q] = true
		// The last try tells: what was lost once may be answered then.
		for again := q; e != nil; {
			again.try++
			next := a.sent[again]
			if next == nil || !next.over() {
				break
			}
			e = next
		}
		r := sandbox.Query{
			Server: as, Protocol: string(q.protocol), Name: q.name, Type: string(q.kind), Fallback: none,
			Error: dnsquery.NotWaited, RCode: -1,
		}
		if e != nil && e.over() {
			r.Error, r.RCode, r.Millis = e.answer.Error, e.answer.RCode, millis(e.answer.Took)
			r.Truncated, r.Lame = e.answer.Truncated, e.answer.Lame
			for _, addr := range e.answer.Addresses {
				r.Answers = append(r.Answers, addr.String())
			}
		}
		out = append(out, r)
	}
	for i, s := range a.servers {
		for j, q := range plain {
			q.server = s
			add(servers[i], q, j < 2)
		}
	}
	var rest []question
	for q := range a.sent {
		if q.try == 0 {
			rest = append(rest, q)
		}
	}
	slices.SortFunc(rest, func(a, b question) int {
		if a.name != b.name {
			if a.name < b.name {
				return -1
			}
			return 1
		}
		return a.server.Compare(b.server)
	})
	for _, q := range rest {
		add(q.server.String(), q, false)
	}
	return out
}
