package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/record"
)

// Those who look and are no fix, as a record calls them.
const (
	surveyScope = "installation"
	reportScope = "report"
)

const hostFlag = "host"

// hostFlag gives a command that looks the flag to look at a record.
func (a *app) hostFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.host, hostFlag, "", "look at the host in `FILE`, made by \"lixfix record\", instead of "+
		"this one")
}

// fromRecord takes the host from the file that --host names.
func (a *app) fromRecord(cmd *cobra.Command) error {
	if f := cmd.Flags().Lookup(hostFlag); f == nil || !f.Changed || f.Value.Type() != "string" {
		return nil
	}
	file, err := platform.OpenRegular(a.host)
	if err != nil {
		return &failure{
			code: Failed, err: fmt.Errorf("read the record: %w", err),
			next: "name a file that \"lixfix record\" has written; \"lixfix record -o FILE\" writes one",
		}
	}
	defer file.Close()
	r, err := record.Read(file)
	if err != nil {
		next := ""
		if errors.Is(err, record.ErrBad) {
			next = "ask for the file again, exactly as \"lixfix record\" wrote it"
		}
		return &failure{code: Failed, err: fmt.Errorf("read the record %s: %w", a.host, err), next: next}
	}
	a.Host, a.replay = r.Host(), r
	return nil
}

// recorded is what pages and documents say of a host in a file; nil for this machine.
func (a *app) recorded() *render.Recorded {
	if a.replay == nil {
		return nil
	}
	m := a.replay.Manifest
	return &render.Recorded{Made: m.Made, Lixfix: m.Lixfix, File: a.host}
}

// unrecorded is the error for what only the machine itself can do.
func (a *app) unrecorded(what string) error {
	return usagef("run it on the host itself, without --"+hostFlag, "--%s: this is a recorded host, and %s would need the host itself",
		hostFlag, what)
}
