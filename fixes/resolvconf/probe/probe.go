// Package probe tells what a build that looked around in its sandbox means: whether names resolve there, in a sentence,
// and as a page for the developers of Lix.
package probe

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lixfix/lixfix/fixes/stuck"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/lookup"
	"github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// Result is one run of the probe, and what the host has to say about it.
type Result struct {
	sandbox.Result
	// Nowhere says that no server of the host has an address for the name either, so that the sandbox is not to blame.
	Nowhere bool `json:"nowhere,omitempty"`
}

// besideLimit is for a question that only words depend on.
const besideLimit = 2 * time.Second

// Run builds the probe, as sandbox.Run does.
func Run(ctx context.Context, b platform.Builder, o sandbox.Options) (Result, error) {
	if o.Name == "" {
		o.Name = sandbox.DefaultName
	}
	o.Blocked = blocked(b)
	got, err := sandbox.Run(ctx, b, o)
	r := Result{Result: got}
	if r.Outcome == sandbox.Waiting {
		r.Reason += stuckTells
	}
	if v := r.Lookup().Verdict; ctx.Err() == nil && (v == lookup.NoName || v == lookup.Nothing) {
		r.Nowhere = nowhere(ctx, b, o.Name)
	}
	return r, err
}

// Fetch has Nix itself look a name up, as sandbox.Fetch does.
func Fetch(ctx context.Context, b platform.Builder, o sandbox.Options) (sandbox.Fetched, error) {
	o.Blocked = blocked(b)
	return sandbox.Fetch(ctx, b, o)
}

// holding are the situations of the fix stuck in which a build waits for what has nothing to do with its network.
var holding = []string{
	"stuck/waits-for-output-lock", "stuck/output-lock-holder-orphaned", "stuck/waits-for-store-path",
	"stuck/no-free-build-user", "stuck/build-user-leaked", "stuck/waits-for-gc", "stuck/waits-for-gc-silent",
	"stuck/gc-stopped", "stuck/gc-waits-for-client", "stuck/foreign-lock-holder", "stuck/store-upgrade",
	"stuck/profile-locked", "stuck/sqlite-busy", "stuck/sqlite-dotfile", "stuck/worker-stopped",
	"stuck/daemon-stopped", "stuck/daemon-not-accepting", "stuck/deadlock-cycle", "stuck/hold-and-wait",
	"stuck/io-wait", "stuck/disk-full", "stuck/post-build-hook", "stuck/pre-build-hook", "stuck/client-stopped",
}

// blocked asks the fix stuck what a client waits for.
func blocked(v platform.View) func(context.Context, int) string {
	return func(ctx context.Context, client int) string {
		r, err := stuck.Look(ctx, v, stuck.Options{PID: client})
		if err != nil {
			return ""
		}
		for _, d := range r.Diagnoses {
			if slices.Contains(holding, d.ID) {
				return d.Sentence
			}
		}
		return ""
	}
}

// nowhere reports whether the servers of the host have no address for the name either. Silence is no such word.
func nowhere(ctx context.Context, v platform.View, name string) bool {
	data, err := v.ReadFile(ctx, sandbox.ResolvConf)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, besideLimit)
	defer cancel()
	var denied atomic.Int32
	var all sync.WaitGroup
	servers := slices.Concat(resolvconf.Glibc(data), resolvconf.Pasta(data))
	for _, s := range servers {
		all.Go(func() {
			a, err := v.Ask(ctx, dnsquery.Server(s.Address), dnsquery.UDP, name, dnsquery.A)
			if err == nil && a.Good() && !a.Truncated && len(a.Addresses) == 0 {
				denied.Add(1)
			}
		})
	}
	all.Wait()
	return len(servers) > 0 && int(denied.Load()) == len(servers)
}
