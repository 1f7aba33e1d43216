// Package platformtest prepares what tests of the platform need on machines
// that are not the platform: the stand-ins for macOS's tools, built once, and
// the Macs of package mac with those tools in place.
package platformtest

import (
	"github.com/lixfix/lixfix/platform/platformtest/mac"
	"github.com/lixfix/lixfix/platform/platformtest/programs"
)

// Binary is the stand-in's program, built at the first call. [Clean] removes it.
func Binary() (string, error) {
	return programs.Build("github.com/lixfix/lixfix/platform/platformtest/mactools/mactool")
}

// Clean removes what Binary built. TestMain calls it when all tests are over.
func Clean() { programs.Clean() }

// Mac makes a Mac below root, with the tools in place.
func Mac(root string, o mac.Options) (*mac.Mac, error) {
	binary, err := Binary()
	if err != nil {
		return nil, err
	}
	m, err := mac.New(root, o)
	if err != nil {
		return nil, err
	}
	return m, mac.Install(root, binary)
}
