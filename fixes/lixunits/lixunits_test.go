package lixunits_test

import (
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/fixtest"
	"github.com/lixfix/lixfix/fixes/lixunits"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/platformtest/memory"
)

const (
	before = "nix/store/00000000000000000000000000000000-lix-2.94.2"
	after  = "nix/store/11111111111111111111111111111111-lix-2.95.3"
	etc    = "etc/systemd/system/"
	lib    = "/nix/var/nix/profiles/default/lib/systemd/system/"

	classic  = "[Unit]\nDescription=Nix Daemon Socket\n[Socket]\nListenStream=/nix/var/nix/daemon-socket/socket\n[Install]\nWantedBy=sockets.target\n"
	accept   = "[Unit]\nConflicts=nix-daemon.service\n[Socket]\nListenStream=/nix/var/nix/daemon-socket/socket\nAccept=yes\n[Install]\nWantedBy=sockets.target\n"
	profiles = "link /nix/var/nix/profiles/default /"
)

func service(path, more string) string {
	return "[Unit]\nDescription=Nix Daemon\n" + more + "[Service]\nExecStart=@/" + path + "/bin/nix-daemon nix-daemon --daemon\n"
}

// release is the files of a release in the store.
func release(path, socket string) string {
	more, text := "", ""
	if socket == accept {
		more = "Conflicts=nix-daemon.socket\n"
		text = "-- " + path + "/lib/systemd/system/nix-daemon@.service --\n[Service]\nExecStart=@/" + path + "/bin/nix-daemon nix-daemon --for-socket-activation\n"
	}
	return text + "-- " + path + "/lib/systemd/system/nix-daemon.socket --\n" + socket + "-- " + path + "/lib/systemd/system/nix-daemon.service --\n" +
		service(path, more) + "-- " + path + "/bin/nix --\nx\n-- " + path + "/bin/nix-daemon --\nx\n"
}

// links are those of an installer.
func links(units ...string) string {
	all := ""
	for _, u := range units {
		all += "link /" + etc + u + " " + lib + u + "\n"
	}
	return all
}

func TestLixUnits(t *testing.T) {
	host := func(archive string) func(testing.TB) *fixtest.Host {
		return func(t testing.TB) *fixtest.Host { return fixtest.Txtar(t, archive) }
	}
	to := func(release string) fix.Settings { return fix.Settings{"to": {Value: release, Source: "flag"}} }
	two := links("nix-daemon.socket", "nix-daemon.service")
	three := two + links("nix-daemon@.service")
	copies := "-- " + etc + "nix-daemon.socket --\n" + accept + "-- " + etc + "nix-daemon.service --\n" + service(after, "Conflicts=nix-daemon.socket\n")
	fixtest.Run(t, lixunits.New(), []fixtest.Case{
		{Name: "no units", Make: host(profiles + after + "\n" + release(after, accept)), Finds: []string{"lix-units/not-here"}},
		{Name: "2.94", Make: host(profiles + before + "\n" + two + release(before, classic)), Finds: []string{"lix-units/complete"}},
		{Name: "2.95", Make: host(profiles + after + "\n" + three + release(after, accept)), Finds: []string{"lix-units/complete"}},
		{Name: "2.94 before an upgrade to 2.95", Make: host(profiles + before + "\n" + two + release(before, classic)), Settings: to("2.95"), Finds: []string{"lix-units/upgrade-breaks"}},
		{Name: "2.93 before an upgrade to 2.94", Make: host(profiles + before + "\n" + two + release(before, classic)), Settings: to("2.94.2"), Finds: []string{"lix-units/ready"}},
		{Name: "2.95 before another", Make: host(profiles + after + "\n" + three + release(after, accept)), Settings: to("2.95.3"), Finds: []string{"lix-units/ready"}},
		{
			Name: "2.95, upgraded", Make: host(profiles + after + "\n" + two + release(after, accept)),
			Finds: []string{"lix-units/template-missing"}, Repaired: []string{"lix-units/complete"},
		},
		{
			Name: "2.95, upgraded, with copies", Make: host(profiles + after + "\n" + release(after, accept) + copies),
			Finds: []string{"lix-units/template-missing"}, Repaired: []string{"lix-units/complete"},
		},
		{
			Name: "copies of 2.95, and a profile without a template", Make: host(profiles + before + "\n" + release(before, classic) + copies),
			Finds: []string{"lix-units/template-missing"},
		},
		{
			Name: "the service of old is enabled", Make: host(profiles + after + "\n" + three + "link /" + etc + "multi-user.target.wants/nix-daemon.service " + lib + "nix-daemon.service\n" + release(after, accept)),
			Finds: []string{"lix-units/both-enabled"}, Repaired: []string{"lix-units/complete"},
		},
		{
			Name: "copies of an older release", Make: host(profiles + after + "\n" + release(after, accept) + "-- " + etc + "nix-daemon.socket --\n" + classic + "-- " + etc + "nix-daemon.service --\n" + service(before, "")),
			Finds: []string{"lix-units/copies-old"},
		},
		{
			Name: "a service of old beside the socket of 2.95", Make: host(profiles + after + "\n" + links("nix-daemon.socket", "nix-daemon@.service") + release(after, accept) + "-- usr/lib/systemd/system/nix-daemon.service --\n" + service(before, "")),
			Finds: []string{"lix-units/mixed"},
		},
	}, "lix-units/unknown")
}

// TestUnknown: what could not be read is never taken for absent.
func TestUnknown(t *testing.T) {
	f := lixunits.New()
	witness := fixtest.NewWitness(f)
	h := memory.New(platform.Facts{OS: platform.Linux, UID: 1000}, "0700 0 /etc/systemd/system/\n/etc/systemd/system/nix-daemon.socket = [Socket]\n/etc/passwd = x\n")
	found, err := f.Detect(t.Context(), h, nil)
	if err != nil || len(found) != 1 || found[0].ID != "lix-units/unknown" || found[0].Reason == "" {
		t.Errorf("%+v, %v", found, err)
	}
	witness.Saw(t, "a closed directory", found)
	fixtest.Recorded(t, f, h, nil)
	witness.Testify(t, "closed")
}

func TestRelease(t *testing.T) {
	check := lixunits.New().Options()[0].Check
	for v, good := range map[string]bool{"2.95": true, "2.95.1": true, "2.94": true, "": false, "lix": false, "2": false, "2.95.1.1": false, "3.0": false, "2.95\n": false} {
		if err := check(v); (err == nil) != good || err != nil && !strings.Contains(err.Error(), "2.95") {
			t.Errorf("%q: %v", v, err)
		}
	}
}
