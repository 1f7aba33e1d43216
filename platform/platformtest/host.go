package platformtest

import (
	"context"

	securejoin "github.com/cyphar/filepath-securejoin"

	"github.com/lixfix/lixfix/platform"
)

// Host returns the simulated Mac below root as a host: every file and tool name is looked up there, absolute links
// included, and lixfix has the effective user ID uid on it. The facts come from where sw_vers has them.
func Host(root string, uid int) *platform.Machine {
	var m *platform.Machine
	m = platform.At(
		func(name string) (string, error) { return securejoin.SecureJoin(root, name) },
		func() platform.Facts {
			return m.SwVers(context.Background(), platform.Facts{OS: platform.Darwin, Arch: "arm64", UID: uid})
		},
	)
	return m
}
