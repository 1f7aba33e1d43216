package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/nixdaemon"
)

// mostNames is how many names of one directory a record keeps. What has more is recorded as too large.
const mostNames = 20_000

// View is a host as one scope of a record sees it.
type View struct {
	rec   *Record
	scope string
	live  platform.View // nil for a recorded host
	first bool          // every question is put to the host

	mu      sync.Mutex
	cursor  map[string]int
	passed  time.Duration // since the last time that was recorded
	missing []string
}

var _ platform.View = (*View)(nil)

// Watch is a view of v that keeps what it is asked, and what it answers.
func (r *Record) Watch(scope string, v platform.View) *View {
	return &View{rec: r, scope: scope, live: v, first: true, cursor: map[string]int{}}
}

// Again is a view that answers as the scope was answered before, and asks v, and keeps the answer, only for what was not
// asked yet: whoever looks again sees the same moment.
func (r *Record) Again(scope string, v platform.View) *View {
	return &View{rec: r, scope: scope, live: v, cursor: map[string]int{}}
}

// View is the recorded host as a scope saw it.
func (r *Record) View(scope string) *View {
	return &View{rec: r, scope: scope, cursor: map[string]int{}}
}

// Missing returns the questions that were not in the record.
func (v *View) Missing() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.missing)
}

// recorded returns the next answer to a question, nil where it has to be put to the host.
func (v *View) recorded(ask string, of ...string) *answer {
	if v.first {
		return nil
	}
	k := key(ask, of)
	v.mu.Lock()
	n := v.cursor[k]
	v.cursor[k]++
	v.mu.Unlock()
	a, _ := v.find(ask, of, n)
	if a == nil && v.live == nil {
		v.mu.Lock()
		v.missing = append(v.missing, says(ask, of))
		v.mu.Unlock()
		a = &answer{err: notRecorded(ask, of)}
	}
	return a
}

// find is the nth answer that was recorded for a question.
func (v *View) find(ask string, of []string, n int) (a *answer, more bool) {
	if v.live != nil {
		return v.rec.take(v.scope, ask, of, n)
	}
	return v.rec.find(v.scope, ask, of, n)
}

// put asks the host, or the record.
func (v *View) put(ask string, of []string, live func(a *answer)) *answer {
	if a := v.recorded(ask, of...); a != nil {
		return a
	}
	// Its place is that of the question: who is asked first may answer last.
	fill := v.rec.reserve(v.scope, ask, of)
	a := &answer{}
	live(a)
	fill(a)
	return a
}

// Facts implements platform.View.
func (v *View) Facts() platform.Facts {
	if v.live != nil {
		return v.live.Facts()
	}
	f := v.rec.Manifest.Host.Facts
	f.UID, f.PID = v.rec.Manifest.Host.UID, v.rec.Manifest.Host.PID
	return f
}

// StateDir implements platform.View.
func (v *View) StateDir() string {
	switch {
	case v.live != nil:
		return v.live.StateDir()
	case v.Facts().OS == platform.Darwin:
		return "/var/db/lixfix"
	}
	return "/var/lib/lixfix"
}

// Now implements platform.View. A recorded clock that has come to its end goes on with what was waited for, and a little
// each time it is looked at, so that whoever waits for a time gets there.
func (v *View) Now() time.Time {
	if v.first {
		a := &answer{time: v.live.Now()}
		v.rec.add(v.scope, "now", nil, a)
		return a.time
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.cursor["now"]
	v.cursor["now"]++
	a, more := v.find("now", nil, n)
	switch {
	case a == nil && v.live != nil:
		now := v.live.Now()
		v.rec.add(v.scope, "now", nil, &answer{time: now})
		return now
	case a == nil:
		a = &answer{time: v.rec.Manifest.Made}
	}
	if more {
		v.passed = 0
		return a.time
	}
	v.passed += time.Second
	return a.time.Add(v.passed)
}

// Pause implements platform.View. Nothing happens on a recorded host, so it does not wait; how the wait ended is known.
func (v *View) Pause(ctx context.Context, what string, d time.Duration) error {
	waited := false
	a := v.put("pause", []string{what, d.String()}, func(a *answer) {
		waited = true
		a.err = v.live.Pause(ctx, what, d)
	})
	if waited {
		return a.err
	}
	v.mu.Lock()
	v.passed += d
	v.mu.Unlock()
	return errors.Join(a.err, ctx.Err())
}

// Stat implements platform.View.
func (v *View) Stat(ctx context.Context, name string) (platform.FileInfo, error) {
	a := v.put("stat", []string{name}, func(a *answer) { a.info, a.err = v.live.Stat(ctx, name) })
	return a.info, a.err
}

// ReadFile implements platform.View.
func (v *View) ReadFile(ctx context.Context, name string) ([]byte, error) {
	of := []string{name}
	if limit := platform.LimitOf(ctx); limit > 0 {
		of = append(of, strconv.Itoa(limit))
	}
	a := v.put("read", of, func(a *answer) { a.data, a.err = v.live.ReadFile(ctx, name) })
	return a.data, a.err
}

// ReadDir implements platform.View.
func (v *View) ReadDir(ctx context.Context, name string) ([]string, error) {
	a := v.put("list", []string{name}, func(a *answer) {
		a.names, a.err = v.live.ReadDir(ctx, name)
		few(name, a)
	})
	return slices.Clone(a.names), a.err
}

// few leaves out what a record does not keep. It is not even told to who asks, so that both see the same.
func few(name string, a *answer) {
	if len(a.names) > mostNames {
		a.names, a.err = nil, &fs.PathError{Op: "list", Path: name, Err: platform.ErrTooLarge}
	}
}

// Locked implements platform.View.
func (v *View) Locked(ctx context.Context, name string) (bool, error) {
	a := v.put("locked", []string{name}, func(a *answer) { a.is, a.err = v.live.Locked(ctx, name) })
	return a.is, a.err
}

// Guarded implements platform.View.
func (v *View) Guarded(ctx context.Context, name string) error {
	return v.put("guarded", []string{name}, func(a *answer) { a.err = v.live.Guarded(ctx, name) }).err
}

// Trusted implements platform.View.
func (v *View) Trusted(ctx context.Context, name string) (string, error) {
	a := v.put("trusted", []string{name}, func(a *answer) { a.text, a.err = v.live.Trusted(ctx, name) })
	return a.text, a.err
}

// Sockets implements platform.View.
func (v *View) Sockets(ctx context.Context) ([]platform.Socket, error) {
	a := v.put("sockets", nil, func(a *answer) { a.sockets, a.err = v.live.Sockets(ctx) })
	return slices.Clone(a.sockets), a.err
}

// Ruled implements platform.View. A record that does not say it has no gap: those before lixfix asked the kernel have what
// the tools said, which are asked then.
func (v *View) Ruled(ctx context.Context, what platform.Rules) (bool, error) {
	of := []string{string(what)}
	if v.live == nil {
		if a, _ := v.rec.find(v.scope, "ruled", of, 0); a == nil {
			return false, notRecorded("ruled", of)
		}
	}
	a := v.put("ruled", of, func(a *answer) { a.is, a.err = v.live.Ruled(ctx, what) })
	return a.is, a.err
}

// Ask implements platform.View.
func (v *View) Ask(
	ctx context.Context, server netip.AddrPort, p dnsquery.Protocol, name string, t dnsquery.Type,
) (dnsquery.Answer, error) {
	of := []string{server.String(), string(p), name, string(t)}
	if platform.IsSecond(ctx) {
		of = append(of, "again")
	}
	a := v.put("ask", of, func(a *answer) {
		dns, err := v.live.Ask(ctx, server, p, name, t)
		a.dns, a.err = &dns, err
	})
	if a.dns == nil {
		return dnsquery.Answer{RCode: -1}, a.err
	}
	dns := *a.dns
	dns.Addresses = slices.Clone(dns.Addresses)
	return dns, a.err
}

// Greet implements platform.View.
func (v *View) Greet(ctx context.Context, socket string) (nixdaemon.Answer, error) {
	a := v.put("greet", []string{socket}, func(a *answer) {
		daemon, err := v.live.Greet(ctx, socket)
		a.daemon, a.err = &daemon, err
	})
	if a.daemon == nil {
		return nixdaemon.Answer{}, a.err
	}
	return *a.daemon, a.err
}

// Free implements platform.View.
func (v *View) Free(ctx context.Context, name string) (uint64, error) {
	a := v.put("free", []string{name}, func(a *answer) { a.number, a.err = v.live.Free(ctx, name) })
	return a.number, a.err
}

// Query implements platform.View.
func (v *View) Query(ctx context.Context, tool string, args ...string) ([]byte, error) {
	a := v.put("query", append([]string{tool}, args...), func(a *answer) { a.data, a.err = v.live.Query(ctx, tool, args...) })
	return a.data, a.err
}

// burst is the time within which many small files are read. What it asked counts when it ends well: after its time limit
// nothing may be used, and it may still be reading.
type burst struct {
	platform.Files // nil for a recorded host

	v      *View
	mu     sync.Mutex
	over   bool
	ended  bool // the function returned
	result error
	kept   []*asked
}

// Burst implements platform.View.
func (v *View) Burst(ctx context.Context, what string, f func(platform.Files) error) error {
	b := &burst{v: v}
	if !v.first {
		v.mu.Lock()
		k := key("burst", []string{what})
		n := v.cursor[k]
		v.cursor[k]++
		v.mu.Unlock()
		a, more := v.find("burst", []string{what}, n)
		switch {
		case a != nil && more && a.is:
			return a.err
		case v.live == nil:
			return f(b)
		}
	}
	err := v.live.Burst(ctx, what, func(files platform.Files) error {
		b.Files = files
		err := f(b)
		b.mu.Lock()
		b.ended, b.result = true, err
		b.mu.Unlock()
		return err
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if !b.ended {
		v.rec.add(v.scope, "burst", []string{what}, &answer{is: true, err: err})
		return err
	}
	v.rec.add(v.scope, "burst", []string{what}, &answer{})
	for _, q := range b.kept {
		v.rec.add(v.scope, q.ask, q.of, q.answers[0])
	}
	return err
}

func (b *burst) put(ask string, of []string, live func(a *answer)) *answer {
	if a := b.v.recorded(ask, of...); a != nil {
		return a
	}
	a := &answer{}
	live(a)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		b.kept = append(b.kept, &asked{ask: ask, of: of, answers: []*answer{a}})
	}
	return a
}

// Read implements platform.Files.
func (b *burst) Read(name string) ([]byte, error) {
	a := b.put("small read", []string{name}, func(a *answer) {
		var data []byte
		data, a.err = b.Files.Read(name)
		a.data = slices.Clone(data)
	})
	return a.data, a.err
}

// Owned implements platform.Files.
func (b *burst) Owned(name string) ([]byte, platform.FileInfo, error) {
	a := b.put("owned", []string{name}, func(a *answer) {
		var data []byte
		data, a.info, a.err = b.Files.Owned(name)
		a.data = slices.Clone(data)
	})
	return a.data, a.info, a.err
}

// OwnedNames implements platform.Files.
func (b *burst) OwnedNames(dir string) ([]string, error) {
	a := b.put("owned names", []string{dir}, func(a *answer) {
		a.names, a.err = b.Files.OwnedNames(dir)
		few(dir, a)
	})
	return slices.Clone(a.names), a.err
}

// Names implements platform.Files.
func (b *burst) Names(dir string) ([]string, error) {
	a := b.put("names", []string{dir}, func(a *answer) {
		a.names, a.err = b.Files.Names(dir)
		few(dir, a)
	})
	return slices.Clone(a.names), a.err
}

// Some implements platform.Files.
func (b *burst) Some(dir string, most int) ([]string, bool, error) {
	a := b.put("some names", []string{dir, strconv.Itoa(most)}, func(a *answer) {
		a.names, a.is, a.err = b.Files.Some(dir, most)
		few(dir, a)
	})
	return slices.Clone(a.names), a.is, a.err
}

// Link implements platform.Files.
func (b *burst) Link(name string) (string, error) {
	a := b.put("link", []string{name}, func(a *answer) { a.text, a.err = b.Files.Link(name) })
	return a.text, a.err
}

// Stat implements platform.Files.
func (b *burst) Stat(name string) (platform.FileInfo, error) {
	a := b.put("small stat", []string{name}, func(a *answer) { a.info, a.err = b.Files.Stat(name) })
	return a.info, a.err
}

// Tried keeps what was tried out, what as the question and the JSON of into as the answer. It is read back at once, so that
// whoever asks sees the same as others will.
func (v *View) Tried(what []string, into any, do func() error) error {
	a := v.put("tried", what, func(a *answer) {
		a.err = do()
		data, err := json.Marshal(into)
		if err != nil {
			a.err = errors.Join(a.err, fmt.Errorf("keep what came of it: %w", err))
			return
		}
		a.data = data
	})
	if a.data != nil {
		if err := json.Unmarshal(a.data, into); err != nil {
			return fmt.Errorf("read what came of it: %w", err)
		}
	}
	return a.err
}

// Builder is a View that builds as another one does, or as a recorded host, which does not.
type Builder struct {
	*View
	Live platform.Builder // nil for a recorded host
}

var _ platform.Builder = Builder{}

// Invoker implements platform.Builder.
func (b Builder) Invoker(ctx context.Context) platform.Account {
	if b.Live == nil {
		return platform.Account{}
	}
	return b.Live.Invoker(ctx)
}

// Owner implements platform.Builder.
func (b Builder) Owner(ctx context.Context, root string) (platform.Account, error) {
	if b.Live == nil {
		return platform.Account{}, ErrRecorded
	}
	return b.Live.Owner(ctx, root)
}

// Lend implements platform.Builder.
func (b Builder) Lend(ctx context.Context, name string, as platform.Account) (lent string, done func(), err error) {
	if b.Live == nil {
		return "", nil, ErrRecorded
	}
	return b.Live.Lend(ctx, name, as)
}

// Build implements platform.Builder.
func (b Builder) Build(ctx context.Context, what platform.Build) (platform.Built, error) {
	if b.Live == nil {
		return platform.Built{}, ErrRecorded
	}
	return b.Live.Build(ctx, what)
}

// Daemon implements platform.Builder.
func (b Builder) Daemon(ctx context.Context, socket string) (*nixdaemon.Conn, nixdaemon.Answer, error) {
	if b.Live == nil {
		return nil, nixdaemon.Answer{}, ErrRecorded
	}
	return b.Live.Daemon(ctx, socket)
}

// Host is a recorded host as a platform.Host: it answers, and refuses to change.
type Host struct{ *View }

var _ platform.Host = Host{}

// Host returns the host of a record, for those who belong to no scope.
func (r *Record) Host() Host { return Host{r.View("")} }

// WriteFile implements platform.Host.
func (Host) WriteFile(context.Context, string, platform.Content) error { return ErrRecorded }

// Tidy implements platform.Host.
func (Host) Tidy(context.Context, string) error { return ErrRecorded }

// Remove implements platform.Host.
func (Host) Remove(context.Context, string) error { return ErrRecorded }

// SetMode implements platform.Host.
func (Host) SetMode(context.Context, string, fs.FileMode) error { return ErrRecorded }

// SetLink implements platform.Host.
func (Host) SetLink(context.Context, string, string) error { return ErrRecorded }

// MakeDir implements platform.Host.
func (Host) MakeDir(context.Context, string, fs.FileMode, int, int) error { return ErrRecorded }

// RemoveDir implements platform.Host.
func (Host) RemoveDir(context.Context, string) error { return ErrRecorded }

// Run implements platform.Host.
func (Host) Run(context.Context, string, ...string) error { return ErrRecorded }

// Signal implements platform.Host.
func (Host) Signal(context.Context, platform.ProcessID, syscall.Signal) error { return ErrRecorded }
