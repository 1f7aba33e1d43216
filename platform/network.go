package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/lixfix/lixfix/platform/dnsquery"
)

// network asks the kernel what is in lixfix's network namespace, and asks name servers from there. It owns the functions
// that do so, each nil where there is nobody to ask, and logs the questions to name servers. It needs no files.
type network struct {
	sockets func(context.Context) ([]Socket, error)
	ruled   func(context.Context, Rules) (bool, error)
	ask     func(context.Context, netip.AddrPort, dnsquery.Protocol, string, dnsquery.Type) dnsquery.Answer
	log     *slog.Logger
}

// SetSockets makes the machine answer Sockets with f. It exists for tests: a machine of At has no sockets of its own,
// and no processes that could be sent a signal.
func (n *network) SetSockets(f func(context.Context) ([]Socket, error)) { n.sockets = f }

// SetAsk makes the machine answer Ask with f. It exists for tests: a machine of At has no network of its own.
func (n *network) SetAsk(f func(context.Context, netip.AddrPort, dnsquery.Protocol, string, dnsquery.Type) dnsquery.Answer) {
	n.ask = f
}

// Sockets implements View.
func (n *network) Sockets(ctx context.Context) ([]Socket, error) {
	if n.sockets == nil {
		return nil, fmt.Errorf("list the sockets: %w", errors.ErrUnsupported)
	}
	return bound(ctx, "list", "the sockets", func() ([]Socket, error) { return n.sockets(ctx) })
}

// Ruled implements View.
func (n *network) Ruled(ctx context.Context, what Rules) (bool, error) {
	if n.ruled == nil {
		return false, fmt.Errorf("look for %s: %w", what, errors.ErrUnsupported)
	}
	return bound(ctx, "look for", string(what), func() (bool, error) { return n.ruled(ctx, what) })
}

// Ask implements View.
func (n *network) Ask(
	ctx context.Context, server netip.AddrPort, p dnsquery.Protocol, name string, t dnsquery.Type,
) (dnsquery.Answer, error) {
	if n.ask == nil {
		return dnsquery.Answer{RCode: -1}, fmt.Errorf("ask the name server %s: %w", server.Addr(), errors.ErrUnsupported)
	}
	a := n.ask(ctx, server, p, name, t)
	n.log.Debug("query", "server", server.String(), "protocol", p, "type", t, "error", a.Error, "rcode", a.RCode, "ms", a.Took.Milliseconds())
	return a, nil
}
