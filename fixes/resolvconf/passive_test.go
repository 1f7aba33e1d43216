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
	h.put("etc/resolv.conf", "nameserver "+live+"\n", 0o600)
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
	h.put("usr/bin/nix", "#!/bin/sh\n: >'"+h.root+"/run/ran'\n", 0o777)
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
