package resolvconf_test

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lixfix/lixfix/platform/resolvconf"
)

// large are files as large as they are read, each of another kind of line.
func large() map[string][]byte {
	files := map[string][]byte{}
	for name, line := range map[string]string{
		"comments": "# nobody's\n", "servers": "nameserver 192.0.2.1\n", "tabs": "nameserver\t192.0.2.1\n",
		"two addresses":   "nameserver 192.0.2.1 192.0.2.2\n", // glibc takes one, pasta the other
		"carriage return": "nameserver 192.0.2.1\r\n", "options": "options ndots:1 use-vc\n", "empty": "\n",
		"alternating": "nameserver 192.0.2.1 192.0.2.2\nnameserver\t192.0.2.3\n",
	} {
		const last = "nameserver 2001:db8::53\n"
		files[name] = []byte(strings.Repeat(line, (resolvconf.Limit-len(last))/len(line)) + last)
	}
	var b strings.Builder
	for i := 0; b.Len() < resolvconf.Limit-40; i++ {
		fmt.Fprintf(&b, "nameserver 10.%d.%d.%d x\n", i>>16&255, i>>8&255, i&255)
	}
	files["all different"] = []byte(b.String())
	return files
}

// worked is the time that the processors have worked for this program. No other test runs beside one that is not parallel.
func worked(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// TestLarge reads large files in every way. Work that grows with the square of the lines takes minutes for them.
func TestLarge(t *testing.T) {
	server := netip.MustParseAddr("2001:db8::53")
	for name, data := range large() {
		t.Run(name, func(t *testing.T) {
			began := worked(t)
			glibc, goes, pasta := resolvconf.Glibc(data), resolvconf.Go(data), resolvconf.Pasta(data)
			v4, v6 := resolvconf.Choice(data)
			differ := resolvconf.Differences(data)
			header := resolvconf.Header(data)
			words := resolvconf.Options(data)
			moved := resolvconf.First(data, server)
			resolvconf.Normalise(data)
			resolvconf.Rewrite(data, true)
			if took := worked(t) - began; took > 20*time.Second {
				t.Errorf("it took %v of a processor", took)
			}
			if len(glibc) > 3 || len(goes) > 3 || len(pasta) > resolvconf.Kept ||
				len(differ) > resolvconf.Kept || len(words) > 2 || len(header) > 4<<10 {
				t.Errorf("kept: %d, %d, %d servers, %d differences, %d options, %d bytes of a header",
					len(glibc), len(goes), len(pasta),
					len(differ), len(words), len(header))
			}
			if len(moved) != len(data) {
				t.Errorf("moving a line makes %d bytes of %d", len(moved), len(data))
			}
			// The last line counts as much as the first, for the readers that have not had enough by then.
			if name == "all different" {
				return
			}
			if v6 == nil || v6.Address != server {
				t.Errorf("pasta's choice: %v, %v", v4, v6)
			}
			if name == "comments" && (len(glibc) != 1 || glibc[0].Address != server || len(differ) > 0) {
				t.Errorf("a file of comments: %v, %v", glibc, differ)
			}
		})
	}
}

// TestLongLine: pasta stops at a line that does not fit into its buffer, and what stands before and behind it counts for
// all others.
func TestLongLine(t *testing.T) {
	t.Parallel()
	const server, other = "nameserver 192.0.2.10\n", "nameserver 192.0.2.11\n"
	long := "# " + strings.Repeat("x", 9000) + "\n"
	for _, tt := range []struct {
		name, data, ahead string
		stops, pasta      int
	}{
		{"none", server, server, 0, 1},
		{"before", long + server, server + long, 1, 0},
		{"behind", server + long, server + long, 2, 1},
		{"between", server + long + "search a\n" + other, server + other + long + "search a\n", 2, 1},
		{"as long as may be", strings.Repeat("x", 8191) + "\n" + server, strings.Repeat("x", 8191) + "\n" + server, 0, 1},
		{"one byte more", strings.Repeat("x", 8192) + "\n" + server, server + strings.Repeat("x", 8192) + "\n", 1, 0},
		{"no end", server + strings.Repeat("x", 8192), server + strings.Repeat("x", 8192), 2, 1},
	} {
		data := []byte(tt.data)
		if n := resolvconf.PastaStops(data); n != tt.stops || len(resolvconf.Pasta(data)) != tt.pasta || string(resolvconf.Ahead(data)) != tt.ahead {
			t.Errorf("%s: stops at %d, %d servers; ahead: %.40q", tt.name, n, len(resolvconf.Pasta(data)), resolvconf.Ahead(data))
		}
		if len(resolvconf.Glibc(data)) != strings.Count(tt.data, "nameserver") {
			t.Errorf("%s: glibc takes %d", tt.name, len(resolvconf.Glibc(data)))
		}
	}
}
