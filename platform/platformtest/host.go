package platformtest

import (
	"context"
	"os"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/platformtest/mac"
	"github.com/lixfix/lixfix/platform/platformtest/mactools"
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

// Inside is Host, and has the tools do their work within this process: the same code on the same files, without thousands
// of processes. What is not the stand-in, and a call that a fault is to kill, is started as ever.
func Inside(root string, uid int) *platform.Machine {
	m := Host(root, uid)
	stand, err := os.Stat((&mac.Mac{Root: root}).Path(mac.Program))
	if err != nil {
		return m
	}
	m.SetTools(func(file string, args []string) (platform.Answered, bool) {
		place, below := strings.CutPrefix(file, root)
		info, err := os.Lstat(file)
		if !below || err != nil || !os.SameFile(stand, info) {
			return platform.Answered{}, false
		}
		did, ok := mactools.Within(root, place, args)
		return platform.Answered(did), ok
	})
	return m
}
