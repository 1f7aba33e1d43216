package lookup_test

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/lookup"
)

// TestSystem holds whom each resolver asks, beside what was seen on hosts: with "hosts: files" alone glibc and Go say that
// there is no such name without a question, and musl asks all the same.
func TestSystem(t *testing.T) {
	t.Parallel()
	const good = "nameserver 192.0.2.10\n"
	for _, tt := range []struct {
		name            string
		nss, hosts      string
		resolv          string
		glibc, musl, gO lookup.Verdict
		asked           bool // by glibc
	}{
		{name: "of the sandbox", nss: "hosts: files dns\nservices: files\n", glibc: "found", musl: "found", gO: "found", asked: true},
		{name: "no file", glibc: "found", musl: "found", gO: "found", asked: true},
		{name: "no line", nss: "passwd: files\n", glibc: "found", musl: "found", gO: "found", asked: true},
		{name: "files alone", nss: "hosts: files\n", glibc: "no-name", musl: "found", gO: "no-name"},
		{name: "a comment", nss: "hosts: files # dns\n", glibc: "no-name", musl: "found", gO: "no-name"},
		{name: "in hosts", nss: "hosts: files\n", hosts: "192.0.2.80 other probe.test # x\n", glibc: "found", musl: "found", gO: "found"},
		{name: "in a comment of hosts", nss: "hosts: files\n", hosts: "# 192.0.2.80 probe.test\n", glibc: "no-name", musl: "found", gO: "no-name"},
		{name: "Debian with mDNS", nss: "hosts: files mdns4_minimal [NOTFOUND=return] dns\n", glibc: "found", musl: "found", gO: "found", asked: true},
		{name: "resolved, not in the sandbox", nss: "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\n", glibc: "found", musl: "found", gO: "found", asked: true},
		{name: "files has the last word", nss: "hosts: files [NOTFOUND=return] dns\n", glibc: "no-name", musl: "found", gO: "found"},
		{name: "files has it unless it is not there", nss: "hosts:files[!UNAVAIL=return]dns\n", glibc: "no-name", musl: "found", gO: "found"},
		{name: "CRLF", nss: "hosts: files dns\n", resolv: "nameserver 192.0.2.10\r\n", glibc: "failed", musl: "failed", gO: "found", asked: true},
		{name: "use-vc, and no TCP", nss: "hosts: files dns\n", resolv: good + "options use-vc\n", glibc: "failed", musl: "found", gO: "failed", asked: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := lookup.System{Resolv: []byte(good), NSSwitch: []byte(tt.nss), Hosts: []byte(tt.hosts)}
			if tt.resolv != "" {
				s.Resolv = []byte(tt.resolv)
			}
			for reader, want := range map[lookup.Reader]lookup.Verdict{lookup.ByGlibc: tt.glibc, lookup.ByMusl: tt.musl, lookup.ByGo: tt.gO} {
				var asked atomic.Bool
				got := s.Resolve(reader, "probe.test", func(
					server netip.Addr, p dnsquery.Protocol, name string, kind dnsquery.Type, _ time.Duration,
				) dnsquery.Answer {
					asked.Store(true)
					if server != second || p == dnsquery.TCP {
						return closed(p, name, kind)
					}
					return knows(p, name, kind)
				})
				if got.Verdict != want {
					t.Errorf("%s: %s, want %s", reader, got.Verdict, want)
				}
				if reader == lookup.ByGlibc && asked.Load() != tt.asked || got.Unasked && asked.Load() {
					t.Errorf("%s: asked %t, want %t; %+v", reader, asked.Load(), tt.asked, got)
				}
			}
			if tt.hosts == "" && tt.name != "in hosts" && lookup.AsksDNS([]byte(tt.nss)) != tt.asked {
				t.Errorf("AsksDNS: %t", !tt.asked)
			}
		})
	}
}
