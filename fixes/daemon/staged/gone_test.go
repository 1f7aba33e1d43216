//go:build linux

package staged

import (
	"strings"
	"testing"
)

// leaves stands in the place of systemctl. As soon as units are read again, systemd gives the socket up, as it does by
// itself where clients meet a service that has been started too often (service-start-limit-hit).
const leaves = `#!/bin/sh
` + genuine + ` "$@" || exit
case "$1" in
daemon-reload) ` + genuine + ` stop nix-daemon.socket nix-daemon.service ;;
esac
`

// TestSocketGivenUp: what is started again need not run any more by then.
func TestSocketGivenUp(t *testing.T) {
	t.Parallel()
	h := stage(t, packaged)
	h.Run(t, "sh", "-ec", "rm "+socket+"; cp /usr/bin/systemctl "+genuine+"; rm /usr/bin/systemctl")
	h.WriteFile(t, "/usr/bin/systemctl", leaves, 0o755)
	out, err := h.Command(program, "repair", "daemon", "--yes", "--no-verify").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "nix-daemon.socket") {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := h.Command(program, "check", "daemon").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
