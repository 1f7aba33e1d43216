package resolvconf_test

import (
	"context"
	"io/fs"
	"slices"
	"testing"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/resolvconf"
	"github.com/lixfix/lixfix/platform"
)

// BenchmarkPassive is a bare check of a host on which all is well. It spawns two tools, which are shell scripts here.
func BenchmarkPassive(b *testing.B) {
	h := newHost(b)
	f := resolvconf.New()
	for b.Loop() {
		found, err := f.Detect(b.Context(), h, nil)
		if err != nil || len(found) != 1 || found[0].Status != fix.OK {
			b.Fatal(found, err)
		}
	}
}

// blind is a host as a user sees it who may not read /etc/resolv.conf.
type blind struct{ *host }

func (b blind) Facts() platform.Facts {
	f := b.host.Facts()
	f.UID = 1000
	return f
}

func (b blind) ReadFile(ctx context.Context, name string) ([]byte, error) {
	if name == "/etc/resolv.conf" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return b.host.ReadFile(ctx, name)
}

// TestUnreadable: what lixfix cannot read is neither fine nor absent; what it can see of the mode it says.
func TestUnreadable(t *testing.T) {
	h := newHost(t)
	h.Put("etc/resolv.conf", "nameserver "+live+"\n", 0o600)
	found, err := resolvconf.New().Detect(t.Context(), blind{h}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(found, fix.Unknown); !slices.Equal(got, []string{"not-known"}) {
		t.Errorf("not known: %v", got)
	}
	if got := ids(found, fix.AtRisk); !slices.Equal(got, []string{"not-readable-by-builders"}) {
		t.Errorf("at risk: %v", got)
	}
	if last := found[0]; !last.NeedsRoot && !found[len(found)-1].NeedsRoot {
		t.Errorf("root could tell, and that is not said: %+v", found)
	}
	if len(ids(found, fix.OK)) > 0 {
		t.Errorf("something is fine: %+v", found)
	}
}

// TestOthersNix: the nix of another user is not run by root.
func TestOthersNix(t *testing.T) {
	h := newHost(t)
	h.Put("usr/bin/nix", "#!/bin/sh\n: >'"+h.Root+"/run/ran'\n", 0o777)
	found, err := resolvconf.New().Detect(t.Context(), h, nil)
	if err != nil {
		t.Fatal(err)
	}
	if h.exists("run/ran") {
		t.Error("a program that everybody can write to was run")
	}
	if len(ids(found, fix.OK)) > 0 || len(ids(found, fix.Unknown)) == 0 {
		t.Errorf("%+v", found)
	}
}

// TestNoToolIsRun: where files tell the release and all settings that matter, no nix is run, whatever it would say.
func TestNoToolIsRun(t *testing.T) {
	for _, test := range []struct {
		name, pack, conf string
		runs             bool
	}{
		{name: "Nix has no pasta", pack: "nix-bin"},
		{name: "Lix, and nix.conf names the pasta", pack: "lix", conf: "pasta-path = /usr/bin/pasta\n"},
		{name: "Lix, and pasta is off", pack: "lix", conf: "pasta-path =\n"},
		{name: "Lix, and what it was built with counts", pack: "lix", conf: "sandbox = true\n", runs: true},
		{name: "no database tells the release", conf: "pasta-path =\n", runs: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			h.Put("usr/bin/nix", "#!/bin/sh\nexit 1\n", 0o755)
			if test.pack != "" {
				h.Put("var/lib/dpkg/info/"+test.pack+".list", "/usr/bin/nix\n", 0o644)
				h.Put("var/lib/dpkg/status", "Package: "+test.pack+"\nVersion: 2.93.4-1\n", 0o644)
			}
			h.Put("etc/nix/nix.conf", test.conf, 0o644)
			found, err := resolvconf.New().Detect(t.Context(), h, nil)
			if err != nil {
				t.Fatal(err)
			}
			if runs := len(ids(found, fix.OK)) == 0; runs != test.runs {
				t.Errorf("a nix that only fails was asked: %v, want %v: %+v", runs, test.runs, found)
			}
		})
	}
}
