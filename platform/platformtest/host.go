package platformtest

import (
	"context"
	"os"
	"path/filepath"
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
// of processes. A tool that is not the stand-in, or that a fault may strike, is started as ever.
func Inside(root string, uid int) *platform.Machine {
	m, on := Host(root, uid), &mac.Mac{Root: root}
	stand, err := os.Stat(on.Path(mac.Program))
	if err != nil {
		return m
	}
	m.SetTools(func(file string, args []string) (platform.Answered, bool) {
		place, below := strings.CutPrefix(file, root)
		info, err := os.Lstat(file)
		if !below || err != nil || !os.SameFile(stand, info) || mac.Tools()[filepath.Base(place)] != place {
			return platform.Answered{}, false
		}
		if awaited, err := on.Awaited(filepath.Base(place), args); err != nil || awaited {
			return platform.Answered{}, false
		}
		return platform.Answered(mactools.Run(root, place, args, os.Getpid())), true
	})
	return m
}
