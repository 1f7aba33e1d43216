package inside

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/sandbox"
)

func TestRoutes(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		// As the kernel of a sandbox behind pasta has them; numbers are in the machine's byte order.
		got := routes4([]byte("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
			"eth0\t00000000\t0101FEA9\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
			"eth0\t0000FEA9\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n" +
			"*\t0000000A\t00000000\t0201\t0\t0\t0\t000000FF\t0\t0\t0\n" +
			"broken line\n"))
		want := []sandbox.Route{
			{Family: 4, To: "0.0.0.0/0", Via: "169.254.1.1", Interface: "eth0"},
			{Family: 4, To: "169.254.0.0/16", Interface: "eth0"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	got := routes6([]byte(`0064ff9b00014b8e0000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 0064ff9b00014b8e472ea5c8a9fe0101 00000400 00000001 00000000 00000003 eth0
0064ff9b00014b8e472ea5c8a9fe0102 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000003 00000000 80200001 eth0
ff000000000000000000000000000000 08 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo
`))
	want := []sandbox.Route{
		{Family: 6, To: "64:ff9b:1:4b8e::/64", Interface: "eth0"},
		{Family: 6, To: "::/0", Via: "64:ff9b:1:4b8e:472e:a5c8:a9fe:101", Interface: "eth0"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestServers(t *testing.T) {
	for conf, want := range map[string][]string{
		"nameserver 192.0.2.1\nnameserver ::1\nnameserver 192.0.2.1\n": {"192.0.2.1", "::1"},
		"\xef\xbb\xbfnameserver 192.0.2.1":                             {"192.0.2.1"},
		" nameserver\t192.0.2.1 # mine\r\n":                            {"192.0.2.1"},
		"nameserver fe80::1%ext0\n":                                    {"fe80::1%ext0"},
		"# nameserver 192.0.2.1\nnameserver\nnameserver dns.example\n": nil,
		"": nil,
	} {
		if got := Servers([]byte(conf)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", conf, got, want)
		}
	}
}

func TestFinished(t *testing.T) {
	routed := []sandbox.Route{{Family: 4, To: "0.0.0.0/0", Interface: "eth0"}}
	half := []sandbox.Route{{Family: 4, To: "169.254.0.0/16", Interface: "eth0"}}
	for _, tt := range []struct {
		name      string
		addresses []string
		routes    []sandbox.Route
		want      bool
	}{
		{"as pasta leaves it", []string{"169.254.1.2/16", "fe80::1/64"}, routed, true},
		{"no address yet", []string{"fe80::1/64"}, routed, false},
		{"no default route yet", []string{"169.254.1.2/16"}, half, false},
		{"nothing yet", nil, nil, false},
		{"IPv6 alone", []string{"64:ff9b:1:4b8e:472e:a5c8:a9fe:102/64"}, []sandbox.Route{{Family: 6, To: "::/0", Interface: "eth0"}}, true},
	} {
		if got := finished(sandbox.Interface{Name: "eth0", Up: true, Addresses: tt.addresses}, tt.routes); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

// TestLook looks at the machine that runs the test: whatever there is, it has to say who looked and where.
func TestLook(t *testing.T) {
	r := Look(t.Context(), platform.Local(), Who{UID: 7, GID: 8, Cwd: "/here"}, "n1", "localhost", false)
	if r.Nonce != "n1" || r.UID != 7 || r.GID != 8 || r.Cwd != "/here" || len(r.Files) != 3 || r.Tun == "" || len(r.Queries) == 0 {
		t.Errorf("%+v", r)
	}
	if !slices.ContainsFunc(r.Interfaces, func(i sandbox.Interface) bool { return i.Loopback }) {
		t.Errorf("interfaces: %+v", r.Interfaces)
	}
	for _, q := range r.Queries {
		if q.Error == "" && q.RCode < 0 || q.Error != "" && q.RCode != -1 {
			t.Errorf("neither an answer nor an error: %+v", q)
		}
	}
}
