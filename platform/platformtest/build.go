// Package platformtest prepares what tests of the platform need on machines
// that are not the platform: the stand-ins for macOS's tools, built once, and
// the Macs of package mac with those tools in place.
package platformtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// Build compiles the stand-in for macOS's tools to dir and gives its path. It
// is built without the race detector even for a test that has it: the tools run
// by the thousand and share nothing.
func Build(dir string) (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("build stand-in: where is the source?")
	}
	binary := filepath.Join(dir, "mactools")
	// With -trimpath the source's name is an import path, good for go build from
	// anywhere in the module, where go test puts its tests.
	source, here := filepath.Dir(file), ""
	if filepath.IsAbs(source) {
		here = source
	}
	cmd := exec.Command("go", "build", "-buildvcs=false", "-race=false", "-cover=false", "-ldflags=-s -w", "-o", binary,
		"github.com/lixfix/lixfix/platform/platformtest/mactools")
	cmd.Dir = here
	for _, v := range os.Environ() {
		// The tools run here, whatever the caller builds for.
		if name, _, _ := strings.Cut(v, "="); name != "GOOS" && name != "GOARCH" {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build stand-in: %w\n%s", err, out)
	}
	return binary, nil
}

var built struct {
	sync.Once
	dir    string
	binary string
	err    error
}

// Binary is the stand-in's program, built at the first call in this process.
// [Clean] removes it.
func Binary() (string, error) {
	built.Do(func() {
		built.dir, built.err = os.MkdirTemp("", "mactools")
		if built.err == nil {
			built.binary, built.err = Build(built.dir)
		}
	})
	return built.binary, built.err
}

// Clean removes what Binary built. TestMain calls it when all tests are over.
func Clean() {
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
}

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
