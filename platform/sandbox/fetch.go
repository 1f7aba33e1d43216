package sandbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/pattern"
)

// fetchLimit is for one fetch. Told to wait two seconds, Nix and Lix take two to six.
const fetchLimit = 20 * time.Second

// fetchExpression is a download of nothing: port 9 is that of discard, which nobody serves. The builder is Nix itself,
// in a sandbox like that of every fixed-output build, with what the daemon has loaded of the C library's resolver.
const fetchExpression = `{ nonce, name }:
derivation {
  name = "lixfix-dns-probe-${nonce}";
  system = "builtin";
  builder = "builtin:fetchurl";
  url = "http://${name}:9/${nonce}";
  unpack = false;
  executable = false;
  impureEnvVars = [];
  outputHashMode = "flat";
  outputHashAlgo = "sha256";
  outputHash = builtins.hashString "sha256" nonce;
  preferLocalBuild = true;
  allowSubstitutes = false;
}`

// Fetched is what became of a download by Nix itself.
type Fetched struct {
	Lookup Lookup
	// Text is the message that tells, or why there is none.
	Text string
}

// Lookup says whether a name resolved.
type Lookup string

const (
	LookupWorked  Lookup = "worked"
	LookupFailed  Lookup = "failed"
	LookupUnknown Lookup = "unknown" // the download ended in a way that does not tell
)

// Fetch has Nix itself look a name up: the daemon's builtin:fetchurl is to download from it, which fails as soon as the
// name has resolved. Like Run, it fails only where it was asked for something impossible.
func Fetch(ctx context.Context, b platform.Builder, o Options) (Fetched, error) {
	if o.Name == "" {
		o.Name = DefaultName
	}
	switch {
	case !ValidName(o.Name):
		return Fetched{}, fmt.Errorf("fetch in the sandbox: %q is not a valid host name", o.Name)
	case !ValidStore(o.Store):
		return Fetched{}, fmt.Errorf(
			"fetch in the sandbox: %q is neither daemon, local nor the absolute name of a directory", o.Store)
	}
	n, reason := find(ctx, b, o.Store)
	if n == nil {
		return Fetched{LookupUnknown, reason}, nil
	}
	p := &prober{b: b, o: o, nix: n, nonce: "f" + strings.ToLower(rand.Text())}
	p.o.Extra = [][2]string{{"connect-timeout", "2"}, {"download-attempts", "1"}}
	defer p.tidy(context.WithoutCancel(ctx))
	if !p.evaluate(ctx, fetchExpression, "--argstr", "name", o.Name) {
		return Fetched{LookupUnknown, p.result.Reason}, nil
	}
	built, err := b.Build(ctx, platform.Build{
		Tool: n.dir + "/nix-store", As: n.as, Remote: n.remote, Limit: fetchLimit,
		Args: n.in(append([]string{"--realise", p.drv, "-j1"}, overrides(p.o.Extra)...)),
		// A daemon of Nix 2.8 tries five times, whatever it is told.
		Enough: decided(),
	})
	p.unfinished(context.WithoutCancel(ctx))
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return Fetched{LookupUnknown, err.Error()}, nil
	}
	return fetched(built), nil
}

// decided tells, of what Nix has said so far, whether the lookup is settled. It reads each line once.
func decided() func([]byte) bool {
	read := 0
	return func(stderr []byte) bool {
		end := bytes.LastIndexByte(stderr[read:], '\n') + 1
		fresh := stderr[read : read+end]
		read += end
		// Most of what Nix says is about something else, and costs nothing here.
		return (bytes.Contains(fresh, []byte(downloadFails)) || bytes.Contains(fresh, []byte(otherHash))) &&
			fetched(platform.Built{Stderr: fresh}).Lookup != LookupUnknown
	}
}

// unfinished notes what Nix leaves of a download that failed: an output that is in no database.
func (p *prober) unfinished(ctx context.Context) {
	built, err := p.nix.run(ctx, "nix-store", "--query", "--outputs", p.drv)
	if out := strings.TrimSpace(string(built.Stdout)); err == nil && p.made(out) {
		if _, err := p.b.Stat(ctx, out); err == nil {
			p.out = out
		}
	}
}

// How the lines begin that settle a lookup.
const (
	downloadFails = "unable to download '"
	otherHash     = "hash mismatch in fixed-output derivation"
)

var (
	download = pattern.New(downloadFails + `[^']*': (.*)`)
	// noHost is curl's error 6, in the words of Nix and of Lix.
	noHost = pattern.New(`(?i)\(6\)|curl error code=6\)|could(?:n't| not) resolve host`)
	// reached is what comes after a lookup: errors 7 and 52, an answer of HTTP, and of 28 only that of the connection.
	// "Resolving timed out" is said also where the second address of pasta is silent and the name would have resolved.
	reached = pattern.New(`(?i)\(7\)|curl error code=7\)|connection timed out|connection refused|` +
		`failed to connect|\(52\)|curl error code=52\)|HTTP error`)
)

// fetched reads the messages of a download.
func fetched(built platform.Built) Fetched {
	unknown := Fetched{LookupUnknown, complaint(strings.Join(lines(built.Stderr, stderrLines), "\n"))}
	for _, line := range lines(built.Stderr, 1000) {
		m := download.FindStringSubmatch(line)
		switch {
		case strings.Contains(line, otherHash):
			return Fetched{LookupWorked, line} // somebody serves port 9
		case m == nil:
		case noHost.MatchString(m[1]):
			return Fetched{LookupFailed, m[1]}
		case reached.MatchString(m[1]):
			return Fetched{LookupWorked, m[1]}
		}
	}
	return unknown
}
