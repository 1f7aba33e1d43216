package platform

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/lixfix/lixfix/platform/dnsquery"
)

// Sockets implements View.
func (m *Machine) Sockets(ctx context.Context) ([]Socket, error) {
	if m.sockets == nil {
		return nil, fmt.Errorf("list the sockets: %w", errors.ErrUnsupported)
	}
	return bound(ctx, "list", "the sockets", func() ([]Socket, error) { return m.sockets(ctx) })
}

// Ruled implements View.
func (m *Machine) Ruled(ctx context.Context, what Rules) (bool, error) {
	if m.ruled == nil {
		return false, fmt.Errorf("look for %s: %w", what, errors.ErrUnsupported)
	}
	return bound(ctx, "look for", string(what), func() (bool, error) { return m.ruled(ctx, what) })
}

// Ask implements View.
func (m *Machine) Ask(
	ctx context.Context, server netip.AddrPort, p dnsquery.Protocol, name string, t dnsquery.Type,
) (dnsquery.Answer, error) {
	if m.ask == nil {
		return dnsquery.Answer{RCode: -1}, fmt.Errorf("ask the name server %s: %w", server.Addr(), errors.ErrUnsupported)
	}
	a := m.ask(ctx, server, p, name, t)
	m.log.Debug("query", "server", server.String(), "protocol", p, "type", t, "error", a.Error, "rcode", a.RCode, "ms", a.Took.Milliseconds())
	return a, nil
}

// SetSockets makes the machine answer Sockets with f. It exists for tests: a machine of At has no sockets of its own,
// and no processes that could be sent a signal.
func (m *Machine) SetSockets(f func(context.Context) ([]Socket, error)) { m.sockets = f }

// SetAsk makes the machine answer Ask with f. It exists for tests: a machine of At has no network of its own.
func (m *Machine) SetAsk(f func(context.Context, netip.AddrPort, dnsquery.Protocol, string, dnsquery.Type) dnsquery.Answer) {
	m.ask = f
}
