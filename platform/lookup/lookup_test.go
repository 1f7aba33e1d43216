package lookup_test

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/lookup"
	conf "github.com/lixfix/lixfix/platform/resolvconf"
)

var (
	first  = netip.MustParseAddr("127.0.0.2")
	second = netip.MustParseAddr("192.0.2.10")
	found  = netip.MustParseAddr("192.0.2.80")
)

// server answers one question; limit is what the reader would wait.
type server func(p dnsquery.Protocol, name string, kind dnsquery.Type) dnsquery.Answer

func after(took time.Duration, a dnsquery.Answer) server {
	return func(_ dnsquery.Protocol, _ string, kind dnsquery.Type) dnsquery.Answer {
		a := a
		if kind != dnsquery.A {
			a.Addresses = nil
		}
		a.Took = took
		return a
	}
}

func rcode(n int) dnsquery.Answer { return dnsquery.Answer{RCode: n} }

var (
	knows   = after(time.Millisecond, dnsquery.Answer{Addresses: []netip.Addr{found}})
	nothing = after(time.Millisecond, rcode(dnsquery.NoError))
	noName  = after(time.Millisecond, rcode(dnsquery.NXDomain))
	lame    = after(time.Millisecond, dnsquery.Answer{Lame: true})
	refuses = after(time.Millisecond, rcode(dnsquery.RefusedQ))
	fails   = after(time.Millisecond, rcode(dnsquery.ServFail))
	closed  = after(0, dnsquery.Answer{Error: dnsquery.Refused, RCode: -1})
	silent  = after(time.Hour, dnsquery.Answer{Error: dnsquery.Timeout, RCode: -1})
	unasked = after(0, dnsquery.Answer{Error: dnsquery.Cancelled, RCode: -1})
)

func slow(d time.Duration) server { return after(d, dnsquery.Answer{Addresses: []netip.Addr{found}}) }

// truncating says over UDP that its answer does not fit.
func truncating(tcp server) server {
	return func(p dnsquery.Protocol, name string, kind dnsquery.Type) dnsquery.Answer {
		if p == dnsquery.TCP {
			return tcp(p, name, kind)
		}
		return dnsquery.Answer{Truncated: true, Took: time.Millisecond}
	}
}

// inside answers for one name alone.
func inside(name string, known server) server {
	return func(p dnsquery.Protocol, asked string, kind dnsquery.Type) dnsquery.Answer {
		if asked == name {
			return known(p, asked, kind)
		}
		return noName(p, asked, kind)
	}
}

const two = "nameserver 127.0.0.2\nnameserver 192.0.2.10\n"

// TestLookups holds the model against what real programs were seen to do, and against their source where nobody looked.
// The times are what the program waits, to half a second.
func TestLookups(t *testing.T) {
	type want struct {
		verdict lookup.Verdict
		took    time.Duration
	}
	s := time.Second
	tests := []struct {
		name            string
		conf            string
		servers         []server
		glibc, golang   want
		musl            want
		asked           string // "cache.nixos.org" unless given
		onlyFirstServer bool   // to glibc, the second one is never asked
	}{
		{
			name: "all is well", conf: two, servers: []server{knows, knows}, onlyFirstServer: true,
			glibc: want{lookup.Found, 0}, golang: want{lookup.Found, 0}, musl: want{lookup.Found, 0},
		},
		{
			name: "the first server knows no public name", conf: two, servers: []server{noName, slow(s / 10)}, onlyFirstServer: true,
			glibc: want{lookup.NoName, 0}, golang: want{lookup.NoName, 0}, musl: want{lookup.NoName, 0},
		},
		{
			name: "the first server answers with nothing", conf: two, servers: []server{nothing, slow(s / 10)}, onlyFirstServer: true,
			glibc: want{lookup.Nothing, 0}, golang: want{lookup.Nothing, 0}, musl: want{lookup.Nothing, 0},
		},
		{
			name: "the first server is lame", conf: two, servers: []server{lame, knows},
			glibc: want{lookup.Found, 0}, golang: want{lookup.Found, 0}, musl: want{lookup.Found, 0},
		},
		{
			name: "the first server refuses the question", conf: two, servers: []server{refuses, knows},
			glibc: want{lookup.Found, 0}, golang: want{lookup.Found, 0}, musl: want{lookup.Found, 0},
		},
		{
			name: "the first server is down", conf: two, servers: []server{closed, knows},
			glibc: want{lookup.Found, 0}, golang: want{lookup.Found, 0}, musl: want{lookup.Found, 0},
		},
		{
			name: "the first server is silent", conf: two, servers: []server{silent, knows},
			glibc: want{lookup.Found, 5 * s}, golang: want{lookup.Found, 5 * s}, musl: want{lookup.Found, 0},
		},
		{
			name: "the only server takes three seconds", conf: "nameserver 127.0.0.2\n", servers: []server{slow(3 * s)},
			glibc: want{lookup.Found, 3 * s}, golang: want{lookup.Found, 3 * s}, musl: want{lookup.Found, 3 * s},
		},
		{
			name: "the reader gives up before the server answers", conf: "nameserver 127.0.0.2\noptions timeout:1 attempts:1\n",
			servers: []server{slow(1500 * time.Millisecond)},
			glibc:   want{lookup.Failed, s}, golang: want{lookup.Failed, s}, musl: want{lookup.Failed, s},
		},
		{
			name: "truncated, and TCP is closed", conf: "nameserver 127.0.0.2\n", servers: []server{truncating(closed)},
			glibc: want{lookup.Failed, 0}, golang: want{lookup.Failed, 0}, musl: want{lookup.Failed, 5 * s},
		},
		{
			name: "truncated, and TCP has it", conf: "nameserver 127.0.0.2\n", servers: []server{truncating(knows)},
			glibc: want{lookup.Found, 0}, golang: want{lookup.Found, 0}, musl: want{lookup.Found, 0},
		},
		{
			name: "use-vc, and TCP is closed", conf: "nameserver 127.0.0.2\noptions use-vc\n",
			servers: []server{func(p dnsquery.Protocol, n string, k dnsquery.Type) dnsquery.Answer {
				if p == dnsquery.TCP {
					return closed(p, n, k)
				}
				return knows(p, n, k)
			}},
			glibc: want{lookup.Failed, 0}, golang: want{lookup.Failed, 0}, musl: want{lookup.Found, 0},
		},
		{
			name: "everybody is silent", conf: two, servers: []server{silent, silent},
			glibc: want{lookup.Failed, 20 * s}, golang: want{lookup.Failed, 20 * s}, musl: want{lookup.Failed, 5 * s},
		},
		{
			name: "everybody fails", conf: two, servers: []server{fails, fails},
			glibc: want{lookup.Failed, 0}, golang: want{lookup.Failed, 0}, musl: want{lookup.Failed, 5 * s},
		},
		{
			name: "nobody was asked", conf: two, servers: []server{unasked, unasked},
			glibc: want{lookup.Unknown, 0}, golang: want{lookup.Unknown, 0}, musl: want{lookup.Unknown, 5 * s},
		},
		{
			name: "a name of the search list", conf: "nameserver 127.0.0.2\nsearch corp.test\noptions ndots:5\n",
			servers: []server{inside("cache.nixos.org.corp.test", knows)},
			glibc:   want{lookup.Found, 0}, golang: want{lookup.Found, 0}, musl: want{lookup.Found, 0},
		},
		{
			name: "the search list comes to nothing", conf: "nameserver 127.0.0.2\nsearch a.test b.test\noptions ndots:5\n",
			servers: []server{inside("cache.nixos.org", knows)},
			glibc:   want{lookup.Found, 0}, golang: want{lookup.Found, 0}, musl: want{lookup.Found, 0},
		},
		{
			name: "silent for a name of the search list", conf: "nameserver 127.0.0.2\nsearch a.test\noptions ndots:5\n",
			servers: []server{func(p dnsquery.Protocol, n string, k dnsquery.Type) dnsquery.Answer {
				if n == "cache.nixos.org" {
					return knows(p, n, k)
				}
				return silent(p, n, k)
			}},
			glibc: want{lookup.Failed, 10 * s}, golang: want{lookup.Found, 10 * s}, musl: want{lookup.Failed, 5 * s},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.Mutex
			var asked []netip.Addr
			ask := func(a netip.Addr, p dnsquery.Protocol, name string, kind dnsquery.Type, _ time.Duration) dnsquery.Answer {
				mu.Lock()
				asked = append(asked, a)
				mu.Unlock()
				return tt.servers[slices.Index([]netip.Addr{first, second}, a)](p, name, kind)
			}
			set := lookup.Read([]byte(tt.conf), conf.Glibc([]byte(tt.conf)))
			for _, r := range []struct {
				name string
				f    func(lookup.Settings, string, lookup.Ask) lookup.Result
				want want
			}{{"glibc", lookup.Glibc, tt.glibc}, {"Go", lookup.Go, tt.golang}, {"musl", lookup.Musl, tt.musl}} {
				asked = nil
				got := r.f(set, "cache.nixos.org", ask)
				if d := got.Took - r.want.took; got.Verdict != r.want.verdict || d < 0 || d > s/2 {
					t.Errorf("%s: %+v, want %+v", r.name, got, r.want)
				}
				if r.want.verdict == lookup.Found && !slices.Equal(got.Addresses, []netip.Addr{found}) {
					t.Errorf("%s: %v", r.name, got.Addresses)
				}
				if r.name == "glibc" && tt.onlyFirstServer && slices.Contains(asked, second) {
					t.Error("glibc does not ask the second server")
				}
			}
		})
	}
}

func TestRead(t *testing.T) {
	data := []byte("search a.test\ndomain b.test c.test\nsearch d.test e.test\noptions ndots:99 timeout:0\noptions attempts:9 use-vc\n")
	got := lookup.Read(data, nil)
	want := lookup.Settings{
		Servers: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Search: []string{"d.test", "e.test"},
		Timeout: time.Second, Attempts: 5, NDots: 15, TCP: true,
	}
	if !slices.Equal(got.Servers, want.Servers) || !slices.Equal(got.Search, want.Search) || got.Timeout != want.Timeout ||
		got.Attempts != want.Attempts || got.NDots != want.NDots || got.TCP != want.TCP {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
