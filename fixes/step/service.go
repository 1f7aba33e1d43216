package step

import (
	"context"
	"fmt"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/launchd"
)

// StopService stops a macOS service (launchctl bootout) for as long as the plan runs.
type StopService struct {
	Label string `json:"label"`
	Plist string `json:"plist"` // what starts it again
}

var _ plan.Hold = StopService{}

// Kind implements Step.
func (StopService) Kind() string { return "stop-service" }

func (s StopService) String() string {
	return fmt.Sprintf("stop the service %s while users change", s.Label)
}

// Apply implements Step.
func (s StopService) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	return launchd.Stop(ctx, h, s.Label)
}

// Release implements Hold.
func (s StopService) Release() plan.Step { return StartService(s) }

// StartService loads a service of macOS.
type StartService struct {
	Label string `json:"label"`
	Plist string `json:"plist"`
}

// Kind implements Step.
func (StartService) Kind() string { return "start-service" }

func (s StartService) String() string { return fmt.Sprintf("start the service %s again", s.Label) }

// Apply implements Step.
func (s StartService) Apply(ctx context.Context, h platform.Host, _ *plan.Pass) error {
	if err := launchd.Start(ctx, h, s.Label, s.Plist); err != nil {
		return plan.Hint(fmt.Errorf("start the service %s: %w", s.Label, err),
			"Start it by hand: sudo launchctl bootstrap system "+s.Plist)
	}
	return nil
}
