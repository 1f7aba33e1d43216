// Package builder makes lixfix the builder of a derivation: the probe, which looks at the build sandbox from inside.
package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/sandbox"
	"github.com/lixfix/lixfix/platform/sandbox/inside"
)

// Wanted reports whether lixfix was started as a builder. Only its arguments tell: an environment is inherited.
func Wanted(args []string) bool { return len(args) > 0 && args[0] == sandbox.Mode }

// Run looks, writes the report as one line to log, and the nonce to the output. It fails only where it could not do
// that: what is wrong with the sandbox is what it is there to report.
func Run(ctx context.Context, v platform.View, args []string, log io.Writer) error {
	const wanted = 5
	if len(args) != wanted {
		return fmt.Errorf("%s is for the build sandbox: Nix runs it, and gives it a nonce, a name, an output and how far to look",
			sandbox.Mode)
	}
	nonce, name, out := args[1], args[2], args[3]
	// Sandboxed builds start in /build; without a readable one the report says so by an empty name.
	cwd, _ := os.Getwd()
	r := inside.Look(ctx, v, inside.Who{UID: os.Getuid(), GID: os.Getgid(), Cwd: cwd}, nonce, name, args[4] == sandbox.ModeAll)
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	// One write, so that nothing gets between its parts.
	if _, err := log.Write([]byte(sandbox.Prefix + string(data) + "\n")); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	// An output does not exist before its build, so whoever runs this by hand overwrites nothing.
	f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	_, err = f.WriteString(nonce)
	return errors.Join(err, f.Close())
}
