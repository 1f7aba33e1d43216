package record_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/platformtest/memory"
	"github.com/lixfix/lixfix/platform/record"
)

// ruling is a host with a table of the firewall, and a kernel that tells nothing of routing.
type ruling struct{ *memory.Host }

func (ruling) Ruled(_ context.Context, what platform.Rules) (bool, error) {
	if what == platform.RoutesByUser {
		return false, errors.ErrUnsupported
	}
	return true, nil
}

// TestRuled: what the kernel has said of rules is said again. A record from before it was asked has no gap: whoever asks
// turns to what the tools have said.
func TestRuled(t *testing.T) {
	rec := record.New(ruling{&memory.Host{}})
	old := rec.View("x")
	if is, err := old.Ruled(t.Context(), platform.FirewallTables); is || !errors.Is(err, record.ErrNotRecorded) || len(old.Missing()) > 0 {
		t.Errorf("before it was asked: %v, %v, missing %q", is, err, old.Missing())
	}
	watched := rec.Watch("x", ruling{&memory.Host{}})
	for _, v := range []platform.View{watched, rec.View("x"), rec.View("another")} {
		if is, err := v.Ruled(t.Context(), platform.FirewallTables); !is || err != nil {
			t.Errorf("tables: %v, %v", is, err)
		}
		if is, err := v.Ruled(t.Context(), platform.RoutesByUser); is || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("routing: %v, %v", is, err)
		}
	}
}
