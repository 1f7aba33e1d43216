// Package daemon explains why the Nix daemon does not answer. It climbs a ladder from the store to a completed greeting,
// names the first rung that is broken, and puts that one back.
//
// What it tells by files it tells by files; systemd is asked only where a daemon does not answer. Only a greeting proves
// that one does: systemd accepts connections for services that cannot start, and closes them.
package daemon

import (
	"context"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
)

type daemon struct{}

// New returns the fix.
func New() fix.Fix { return daemon{} }

func (daemon) Name() string                    { return "daemon" }
func (daemon) Kinds() []*fix.Kind              { return table }
func (daemon) AppliesTo(f platform.Facts) bool { return f.OS == platform.Linux }
func (daemon) Options() []fix.Option           { return nil }

func (daemon) Doc() fix.Doc {
	return fix.Doc{
		Title: "the Nix daemon does not answer", Builds: true,
		Symptoms: []string{
			refused, absent, denied, lixSocket, reset, eof, bigLock,
			"getting status of /nix/var/nix/daemon-socket/socket: Permission denied",
			"cannot connect to socket at '…'", "cannot open connection to remote store '…'", "could not set permissions on '…'",
		},
		Cause: "Clients print nearly the same error whatever the cause, and only root can read the daemon's log, " +
			"which would say. \"lixfix check daemon\" climbs from the store to a greeting: the store, the " +
			"configuration, the daemon's program, its units, its socket, a connection, a greeting, its release, and " +
			"what it allows you. Each rung needs those before it, so lixfix stops at the first one that is broken.",
		Changes: "What the rung needs: the modes of the socket and its directory, links of units in /etc/systemd/system, and what systemd " +
			"has started. A daemon that somebody is using is restarted only with --accept, or after you agree.",
		Undo: "\"lixfix undo\" restores files, links and modes and stops what was started. That systemd has read " +
			"its units again or restarted a daemon cannot be undone, and need not be.",
		More: []fix.Section{
			{
				Heading: "What a check does",
				Text: "It reads files and connects to the socket as any client does, for a greeting of a few dozen " +
					"bytes. If systemd listens there, that starts the daemon. It waits at most two seconds, twice, " +
					"and reads at most 1 MiB. As root it connects only to a socket that nobody else can have put " +
					"there. It runs systemctl and journalctl only if no daemon answers.",
			},
			{
				Heading: "When it is repaired",
				Text: "A repair succeeds when the daemon answers and has built something: the plan ends with a " +
					"greeting, and with what \"lixfix verify\" does, as the user who called sudo, or else as nobody. " +
					"--no-verify leaves the build out. If it fails, the changes stay, and lixfix says what is wrong now.",
			},
			{
				Heading: "What it cannot tell",
				Text: "Which Nix a daemon is: it only gives a version. Why a daemon turns away users other than " +
					"root when allowed-users does not explain it: see its log. Clients in other network namespaces " +
					"show only as processes of the daemon.",
			},
		},
		Sources: []string{
			"https://github.com/NixOS/nix/blob/master/src/libstore/include/nix/store/worker-protocol.hh",
			"https://docs.lix.systems/manual/lix/stable/installation/multi-user.html",
		},
	}
}

func (daemon) Detect(ctx context.Context, v platform.View, _ fix.Settings) ([]fix.Finding, error) {
	_, found := climb(ctx, look(ctx, v))
	return found, nil
}

func (daemon) Plan(ctx context.Context, v platform.View, r fix.Request) (plan.Plan, error) {
	s := look(ctx, v)
	_, found := climb(ctx, s)
	return remedy(ctx, s, found, r), nil
}
