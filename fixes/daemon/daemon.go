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

const optNoVerify = "no-verify"

func (daemon) Options() []fix.Option {
	return []fix.Option{{Name: optNoVerify, Bool: true, Usage: "build nothing to see whether the repair has helped; a greeting is enough"}}
}

func (daemon) Doc() fix.Doc {
	return fix.Doc{
		Title: "the Nix daemon does not answer",
		Symptoms: []string{
			refused, absent, denied, lixSocket, reset, eof, bigLock,
			"getting status of /nix/var/nix/daemon-socket/socket: Permission denied",
			"cannot connect to socket at '…'", "cannot open connection to remote store '…'", "could not set permissions on '…'",
		},
		Cause: "What a client prints is nearly the same whatever the cause is, and the daemon's log, which would tell, is root's to read. " +
			"\"lixfix check daemon\" climbs from the store to a greeting: the store, the configuration, the daemon's program, its units, " +
			"its socket, a connection, a greeting, its release, and what it allows you. The first rung that is broken is what to mend; those " +
			"above it are not looked at.",
		Changes: "What the rung needs: the modes of the socket and its directory, links of units in /etc/systemd/system, and what systemd " +
			"has started. A daemon that runs is stopped only with --accept, or after a person has said so.",
		Undo: "\"lixfix undo\" brings files, links and modes back and stops what was started. That systemd has read its units again cannot be " +
			"taken back, and need not.",
		More: []fix.Section{
			{
				Heading: "What a look does",
				Text: "It reads files, and connects to the socket as every client does, for a greeting of a few dozen bytes. Where systemd " +
					"listens, that starts the daemon. It waits twice for two seconds at most, and reads at most 1 MiB. Root connects only to a socket " +
					"that nobody else can have put there. systemctl and journalctl are run only where no daemon answers.",
			},
			{
				Heading: "What it cannot tell",
				Text: "Which Nix a daemon is: all of them say a version only. Why a daemon closes connections of others than root, where " +
					"allowed-users does not say: the reason is in its log. Whether a build works: \"lixfix check\" has other fixes for that.",
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
