package resolvconf_test

import (
	"fmt"
	"net/netip"
	"strings"
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

// TestLarge reads large files in every way. Work that grows with the square of the lines takes minutes for them.
func TestLarge(t *testing.T) {
	server := netip.MustParseAddr("2001:db8::53")
	for name, data := range large() {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			glibc, goes, pasta := resolvconf.Glibc(data), resolvconf.Go(data), resolvconf.Pasta(data)
			v4, v6 := resolvconf.Choice(data)
			differ := resolvconf.Differences(data)
			header := resolvconf.Header(data)
			words := resolvconf.Options(data)
			moved := resolvconf.First(data, server)
			resolvconf.Normalise(data)
			resolvconf.Rewrite(data, true)
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
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
