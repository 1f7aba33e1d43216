package resolvconf

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/record"
	"github.com/lixfix/lixfix/platform/redact"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// TestCanariesOfTheProbe: what a build, its Nix and its pasta print is recorded without the secrets and names in it.
func TestCanariesOfTheProbe(t *testing.T) {
	secret := func(n int) string { return fmt.Sprintf("S3cretCanary%02d", n) }
	r := probe.Result{Result: sandbox.Result{
		Outcome: sandbox.Ran,
		Reason:  "cannot read /home/queenie/.config: password=" + secret(1),
		Hook:    "/home/queenie/bin/hook --token " + secret(2),
		Client:  "nix of Lix",
		Stderr: []string{
			"warning: error: unable to download 'https://dormouse:" + secret(3) + "@cache.example/x?token=" + secret(4) + "': HTTP error 403",
			"access-tokens = github.com=ghp_" + secret(5) + "aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			"Authorization: Bearer " + secret(6),
		},
		Pasta:         []string{"env: GITHUB_TOKEN=" + secret(7) + " HOME=/home/queenie"},
		SettingsError: "error: illegal configuration line '" + secret(8) + " is no setting' in '/etc/nix/nix.conf'",
		Settings:      []sandbox.Setting{{Name: "substituters", Value: "https://dormouse:" + secret(9) + "@cache.example"}},
		Report: &sandbox.Report{
			Nonce: "n1", Cwd: "/build",
			Files: map[string]sandbox.File{
				sandbox.ResolvConf: {Data: []byte("# api_token=" + secret(10) + "\n# \"password\": \"" + secret(11) + "\"\n# https://queenie:" + secret(12) + "@vpn.looking-glass.example/\nsearch looking-glass.example\nnameserver 127.0.0.9\n")},
				sandbox.Hosts:      {Data: []byte("203.0.113.77 cheshirecat.looking-glass.example cheshirecat # password: " + secret(13) + "\n")},
				sandbox.NSSwitch:   {Error: "open: API_KEY='" + secret(14) + "'", Link: "/home/queenie/nsswitch.conf"},
			},
			Queries: []sandbox.Query{{Server: "127.0.0.9", Error: "token: " + secret(15)}},
		},
	}}
	host := platform.Local()
	rec := record.New(host)
	b := builtOf(r)
	if err := rec.Watch("resolv-conf", host).Tried([]string{"probe", "x.example", ""}, &b, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	clean, err := rec.Clean(redact.NewRecorder(false), "cheshirecat")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	if err := clean.Write(&packed); err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(&packed)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(plain), "127.0.0.9") {
		t.Error("nothing of the report is in the record")
	}
	canaries := []string{"queenie", "looking-glass", "cheshirecat", "203.0.113.77", "dormouse"}
	for n := range 15 {
		canaries = append(canaries, secret(n+1))
	}
	for _, canary := range canaries {
		at := strings.Index(string(plain), canary)
		for shift := range 3 {
			enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + canary))
			if strings.Contains(string(plain), enc[4:len(enc)-4]) {
				t.Errorf("%s is there in base64", canary)
			}
		}
		if at >= 0 {
			t.Errorf("%s is in the record: %.200q", canary, plain[max(0, at-80):])
		}
	}
}
