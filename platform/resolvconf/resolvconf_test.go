package resolvconf_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/platform/resolvconf"
)

func names(list []resolvconf.Server) string {
	var words []string
	for _, s := range list {
		words = append(words, fmt.Sprintf("%d=%s", s.Line, s.Address))
	}
	return strings.Join(words, " ")
}

func TestReaders(t *testing.T) {
	for _, c := range []struct {
		name, data       string
		glibc, gos, past string
		v4, v6           string // what pasta forwards to
	}{
		{name: "empty"},
		{name: "one", data: "nameserver 192.0.2.1\n", glibc: "1=192.0.2.1", gos: "1=192.0.2.1", past: "1=192.0.2.1", v4: "192.0.2.1"},
		{name: "no line feed at the end", data: "search x\nnameserver ::1", glibc: "2=::1", gos: "2=::1", past: "2=::1", v6: "::1"},
		{name: "two blanks", data: "nameserver  192.0.2.1\n", glibc: "1=192.0.2.1", gos: "1=192.0.2.1", past: "1=192.0.2.1", v4: "192.0.2.1"},
		{name: "tab", data: "nameserver\t192.0.2.1\n", glibc: "1=192.0.2.1", gos: "1=192.0.2.1"},
		{name: "blank and tab", data: "nameserver \t192.0.2.1\n", glibc: "1=192.0.2.1", gos: "1=192.0.2.1"},
		{name: "blank behind", data: "nameserver 192.0.2.1 \n", glibc: "1=192.0.2.1", gos: "1=192.0.2.1"},
		{name: "comment behind", data: "nameserver 192.0.2.1 # office\n", glibc: "1=192.0.2.1", gos: "1=192.0.2.1"},
		{
			name: "an address in the comment", data: "nameserver 192.0.2.1 # was 192.0.2.9\n",
			glibc: "1=192.0.2.1", gos: "1=192.0.2.1", past: "1=192.0.2.9", v4: "192.0.2.9",
		},
		{name: "CRLF", data: "nameserver 192.0.2.1\r\n", gos: "1=192.0.2.1"},
		{name: "byte order mark", data: "\ufeffnameserver 192.0.2.1\n"},
		{name: "leading blank", data: "  nameserver 192.0.2.1\n", gos: "1=192.0.2.1"},
		{name: "comments", data: ";nameserver 192.0.2.1\n#nameserver 192.0.2.2\n"},
		{name: "host name", data: "nameserver dns.example\nnameserver 192.0.2.1\n", glibc: "2=192.0.2.1", gos: "2=192.0.2.1", past: "2=192.0.2.1", v4: "192.0.2.1"},
		{name: "no address", data: "nameserver\nnameserver \nnameservers 192.0.2.1\n"},
		{
			name: "0.0.0.0 counts as none for pasta", data: "nameserver 0.0.0.0\nnameserver 192.0.2.1\n",
			glibc: "1=0.0.0.0 2=192.0.2.1", gos: "1=0.0.0.0 2=192.0.2.1", past: "1=0.0.0.0 2=192.0.2.1", v4: "192.0.2.1",
		},
		{
			name: "scope", data: "nameserver fe80::1%eth0\nnameserver 192.0.2.1\n",
			glibc: "1=fe80::1%eth0 2=192.0.2.1", gos: "1=fe80::1%eth0 2=192.0.2.1", past: "1=fe80::1%eth0 2=192.0.2.1",
			v4: "192.0.2.1", v6: "fe80::1%eth0",
		},
		{
			name: "the fourth server is of the other family", data: "nameserver ::1\nnameserver ::2\nnameserver ::3\nnameserver 192.0.2.1\n",
			glibc: "1=::1 2=::2 3=::3", gos: "1=::1 2=::2 3=::3", past: "1=::1 2=::2 3=::3 4=192.0.2.1", v4: "192.0.2.1", v6: "::1",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := []byte(c.data)
			if got := names(resolvconf.Glibc(data)); got != c.glibc {
				t.Errorf("glibc takes %q, want %q", got, c.glibc)
			}
			if got := names(resolvconf.Go(data)); got != c.gos {
				t.Errorf("Go takes %q, want %q", got, c.gos)
			}
			if got := names(resolvconf.Pasta(data)); got != c.past {
				t.Errorf("pasta takes %q, want %q", got, c.past)
			}
			v4, v6 := resolvconf.Choice(data)
			for _, f := range []struct {
				got  *resolvconf.Server
				want string
			}{{v4, c.v4}, {v6, c.v6}} {
				got := ""
				if f.got != nil {
					got = f.got.Address.String()
				}
				if got != f.want {
					t.Errorf("pasta forwards to %q, want %q", got, f.want)
				}
			}
		})
	}
}

// TestRewrite compares with what real builds of Lix found in their sandboxes.
func TestRewrite(t *testing.T) {
	data, err := os.ReadFile("testdata/lix-rewrites.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct{ Lix, Name, Host, Sandbox string }
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 30 {
		t.Fatalf("%d captured sandboxes, want at least 30", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Lix+" "+c.Name, func(t *testing.T) {
			got := resolvconf.Rewrite([]byte(c.Host), c.Lix == "2.95.3")
			if diff := cmp.Diff(c.Sandbox, string(got)); diff != "" {
				t.Errorf("the sandbox of Lix %s (-captured +predicted):\n%s", c.Lix, diff)
			}
		})
	}
}

func TestDifferencesAndNormalise(t *testing.T) {
	for _, c := range []struct {
		data, fixed string
		trouble     resolvconf.Trouble
		who         string // who can read it as it is
	}{
		{"nameserver\t192.0.2.1\n", "nameserver 192.0.2.1\n", resolvconf.Tab, "glibc go"},
		{"nameserver 192.0.2.1 \n", "nameserver 192.0.2.1\n", resolvconf.Trailing, "glibc go"},
		{"nameserver 192.0.2.1 # lan\n", "nameserver 192.0.2.1\n", resolvconf.Comment, "glibc go"},
		{"nameserver 192.0.2.1\r\nsearch x\r\n", "nameserver 192.0.2.1\nsearch x\n", resolvconf.Return, "go"},
		{"\ufeffnameserver 192.0.2.1\n", "nameserver 192.0.2.1\n", resolvconf.ByteOrder, ""},
		{"  nameserver 192.0.2.1", "nameserver 192.0.2.1", resolvconf.LeadingBlank, "go"},
		{"# a\tb \nsearch  x \nnameserver  192.0.2.1\nnameserver dns.example \n", "", "", ""},
	} {
		t.Run(fmt.Sprintf("%q", c.data), func(t *testing.T) {
			all := resolvconf.Differences([]byte(c.data))
			if c.fixed == "" {
				c.fixed = c.data
			}
			if got := string(resolvconf.Normalise([]byte(c.data))); got != c.fixed {
				t.Errorf("normalised to %q, want %q", got, c.fixed)
			}
			if c.trouble == "" {
				if len(all) > 0 {
					t.Errorf("%+v, want no difference", all)
				}
				return
			}
			if len(all) != 1 || all[0].Trouble != c.trouble {
				t.Fatalf("%+v, want one line with %s", all, c.trouble)
			}
			who := ""
			for _, w := range []struct {
				name string
				can  bool
			}{{"glibc", all[0].Glibc}, {"go", all[0].Go}, {"pasta", all[0].Pasta}} {
				if w.can {
					who += " " + w.name
				}
			}
			if who = strings.TrimSpace(who); who != c.who {
				t.Errorf("%q can read it, want %q", who, c.who)
			}
		})
	}
}

func TestFirst(t *testing.T) {
	for _, c := range []struct{ data, server, want string }{
		{"# x\nnameserver 192.0.2.1\nsearch a\nnameserver 192.0.2.2\n", "192.0.2.2", "# x\nnameserver 192.0.2.2\nnameserver 192.0.2.1\nsearch a\n"},
		{"nameserver 192.0.2.1\nnameserver 192.0.2.2", "192.0.2.2", "nameserver 192.0.2.2\nnameserver 192.0.2.1"},
		{"nameserver 192.0.2.1\n", "192.0.2.1", "nameserver 192.0.2.1\n"},
		{"nameserver 192.0.2.1\n", "192.0.2.7", "nameserver 192.0.2.1\n"},
	} {
		if got := string(resolvconf.First([]byte(c.data), netip.MustParseAddr(c.server))); got != c.want {
			t.Errorf("%s first in %q: %q, want %q", c.server, c.data, got, c.want)
		}
	}
}

func TestHeaderAndOptions(t *testing.T) {
	data := []byte("# Generated by NetworkManager\n;more\n\nsearch x\n# late\noptions edns0 use-vc\noptions\ttimeout:1\noptionsx\n")
	if got := resolvconf.Header(data); got != "Generated by NetworkManager\nmore" {
		t.Errorf("header %q", got)
	}
	if got := strings.Join(resolvconf.Options(data), " "); got != "edns0 use-vc timeout:1" {
		t.Errorf("options %q", got)
	}
}

func FuzzReaders(f *testing.F) {
	for _, s := range []string{
		"nameserver 192.0.2.1\n", "nameserver\t::1 # x\r\n", "\ufeffnameserver fe80::1%lo\n\n", " nameserver 1.2.3.4", "\r\n\x00nameserver  \n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		glibc, gos, pasta := resolvconf.Glibc(data), resolvconf.Go(data), resolvconf.Pasta(data)
		if len(glibc) > 3 || len(gos) > 3 {
			t.Fatalf("more than three servers: %v %v", glibc, gos)
		}
		for _, s := range append(append(glibc, gos...), pasta...) {
			if !s.Address.IsValid() || s.Line < 1 || s.Line > bytes.Count(data, []byte("\n"))+1 {
				t.Fatalf("server %+v of %q", s, data)
			}
		}
		v4, v6 := resolvconf.Choice(data)
		if v4 != nil && !v4.Address.Is4() || v6 != nil && !v6.Address.Is6() {
			t.Fatalf("chosen: %v %v", v4, v6)
		}
		fixed := resolvconf.Normalise(data)
		if again := resolvconf.Normalise(fixed); !bytes.Equal(again, fixed) {
			t.Fatalf("normalised %q to %q, and that to %q", data, fixed, again)
		}
		if left := resolvconf.Differences(fixed); len(left) > 0 {
			t.Fatalf("after the repair of %q: %+v", data, left)
		}
		// Nobody loses a server by it; glibc may see more of them, and so fewer of those behind its third.
		if after := resolvconf.Glibc(fixed); len(after) < len(glibc) {
			t.Fatalf("glibc took %v of %q, and %v of %q", glibc, data, after, fixed)
		}
		for _, s := range resolvconf.Glibc(fixed) {
			moved := resolvconf.First(data, s.Address)
			if bytes.Count(moved, []byte("nameserver")) != bytes.Count(data, []byte("nameserver")) || len(moved) != len(data) {
				t.Fatalf("moving %s in %q gave %q", s.Address, data, moved)
			}
		}
		for _, both := range []bool{false, true} {
			sandbox := resolvconf.Rewrite(data, both)
			for _, s := range resolvconf.Glibc(sandbox) {
				a := s.Address.String()
				if a != resolvconf.PastaV4 && s.Address != netip.MustParseAddr(resolvconf.PastaV6) {
					t.Fatalf("%s of %q is left in the sandbox: %q", a, data, sandbox)
				}
			}
		}
	})
}
