package step_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixdaemon"
)

// slow is a host whose daemon answers at some look, and where each look takes as long as it takes on a busy machine.
type slow struct {
	platform.Host
	takes time.Duration
	at    int // the look at which it answers; 0 for none
	looks int
}

func (s *slow) Greet(context.Context, string) (nixdaemon.Answer, error) {
	time.Sleep(s.takes)
	if s.looks++; s.looks != s.at {
		return nixdaemon.Answer{}, &fs.PathError{Op: "open", Path: "/nix/var/nix/daemon-socket/socket", Err: fs.ErrNotExist}
	}
	return nixdaemon.Answer{Outcome: nixdaemon.Greeted}, nil
}

// TestAwaitDaemon: no time is so long that a busy machine cannot sleep through it, so the last look begins after it.
func TestAwaitDaemon(t *testing.T) {
	for _, tt := range []struct {
		name  string
		host  slow
		fails bool
		looks int
	}{
		{"it answers", slow{at: 1}, false, 1},
		{"it is there soon", slow{at: 3}, false, 3},
		{"the machine slept during the first look", slow{takes: time.Minute, at: 2}, false, 2},
		{"and it did not answer", slow{takes: time.Minute}, true, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := step.AwaitDaemon{Socket: "/nix/var/nix/daemon-socket/socket"}.Apply(t.Context(), &tt.host, nil)
				if _, unproven := errors.AsType[*plan.Unproven](err); unproven != tt.fails || (err != nil) != tt.fails || tt.host.looks != tt.looks {
					t.Errorf("after %d looks: %v", tt.host.looks, err)
				}
			})
		})
	}
}
