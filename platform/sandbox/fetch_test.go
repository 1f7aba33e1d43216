package sandbox

import (
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform"
)

// TestFetched: what real Nix 2.34.8 and Lix 2.93.4 and 2.95.3 printed, and Nix 2.8.
func TestFetched(t *testing.T) {
	const before = "this derivation will be built:\n  /nix/store/vxsn51r9dldazybyrgkkl5mqn0pshb3w-fetch-extra.drv\n" +
		"building '/nix/store/vxsn51r9dldazybyrgkkl5mqn0pshb3w-fetch-extra.drv'...\n"
	const lix = "error: unable to download 'http://cache.example.test:8080/f': "
	const nix = "error:\n       … writing file \"/nix/store/pr5f9l5ycafsrc1cfw9wz1fr4v8zfahy-fetch-extra\"\n\n       " + lix
	for _, c := range []struct {
		name, stderr string
		want         Lookup
	}{
		{"Nix 2.34, no name", nix + "Could not resolve hostname (6) Could not resolve host: cache.example.test", LookupFailed},
		{"Nix 2.34, no answer", nix + "Timeout was reached (28) Connection timed out after 2000 milliseconds", LookupWorked},
		{"Nix 2.8, no name", lix + "Couldn't resolve host name (6)", LookupFailed},
		{"Nix 2.8, no name, tried again", "warning: unable to download 'http://x.test:9/f': Couldn't resolve host name (6); retrying in 256 ms", LookupFailed},
		{"Nix 2.8, nobody there", lix + "Couldn't connect to server (7)", LookupWorked},
		{"Nix 2.8, slow, and nobody knows at what", lix + "Timeout was reached (28)", LookupUnknown},
		{"Lix 2.93, no name", lix + "Could not resolve host: cache.example.test (curl error code=6)", LookupFailed},
		{"Lix 2.93, no answer", lix + "Connection timed out after 2002 milliseconds (curl error code=28)", LookupWorked},
		{"Lix 2.95, no name", "Couldn't get any nameserver address\n" + lix + "Could not resolve host: cache.example.test (curl error code=6)", LookupFailed},
		{"Lix 2.95, the silent address of pasta", lix + "Resolving timed out after 5001 milliseconds (curl error code=28)", LookupUnknown},
		{"Lix 2.95, no answer", lix + "Failed to connect to cache.example.test:8080 after 3054 ms: Could not connect to server (curl error code=7)", LookupWorked},
		{"a proxy that is not there", lix + "Could not resolve proxy: proxy.test (curl error code=5)", LookupUnknown},
		{"somebody serves it", "error: hash mismatch in fixed-output derivation '/nix/store/x.drv':", LookupWorked},
		{"there is no such page", lix + "HTTP error 404", LookupWorked},
		{"an old daemon", "error: unsupported builtin function 'fetchurl'", LookupUnknown},
		{"the daemon is gone", "error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused", LookupUnknown},
		{"nothing", "", LookupUnknown},
	} {
		got := fetched(platform.Built{Stderr: []byte(before + c.stderr + "\nerror: builder for 'x.drv' failed with exit code 1\n")})
		if got.Lookup != c.want {
			t.Errorf("%s: %+v, want %s", c.name, got, c.want)
		}
		if c.want == LookupFailed && !strings.Contains(got.Text, "resolve host") {
			t.Errorf("%s: it is told as %q", c.name, got.Text)
		}
	}
}
