package nixbuild_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixbuild"
	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/platformtest/memory"
	"github.com/lixfix/lixfix/platform/platformtest/nixwire"
)

// store is a host with a store in which things are and are not, and a daemon that deletes from it.
type store struct {
	host
	socket string // where the daemon really listens
	mu     sync.Mutex
	paths  map[string]bool
	// elsewhere is the login shell whose Nix has another store.
	elsewhere string
	names     string   // where that shell says that its store is
	tools     []string // that deleted something, by their shells
}

func (s *store) Stat(ctx context.Context, name string) (platform.FileInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.paths[name]:
		return platform.FileInfo{Mode: 0o444}, nil
	case path.Dir(name) == "/nix/store":
		return platform.FileInfo{}, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
	}
	return s.Host.Stat(ctx, name)
}

func (s *store) Daemon(ctx context.Context, at string) (*nixdaemon.Conn, nixdaemon.Answer, error) {
	if at != socket {
		return nil, nixdaemon.Answer{}, fmt.Errorf("asked for a daemon at %s", at)
	}
	c, a := nixdaemon.Open(ctx, s.socket, false)
	return c, a, nil
}

func (s *store) Build(_ context.Context, b platform.Build) (platform.Built, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	built, err := works(b)
	built.Found = "/usr/bin/" + b.Tool
	if b.Args[0] == "--delete" {
		s.tools = append(s.tools, b.Login.Shell)
		for _, p := range b.Args[1:] {
			delete(s.paths, p)
		}
	} else if b.Login.Shell != s.elsewhere {
		s.paths[strings.TrimSpace(string(built.Stdout))] = true
	} else if s.names != "" {
		built.Stdout = bytes.Replace(built.Stdout, []byte("/nix/store"), []byte(s.names), 1)
	}
	return built, err
}

// serve has a daemon decline some requests to delete and claim that it has done as it was asked, whether it has or not.
// It returns how many paths were named in the last request, and how many requests there were.
func (s *store) serve(t *testing.T, declines int, idle bool) (named, asked *int) {
	t.Helper()
	dir, err := os.MkdirTemp("", "d") //nolint:usetesting // names of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s.socket = path.Join(dir, "s")
	l, err := net.Listen("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	named, asked = new(int), new(int)
	var client sync.WaitGroup
	t.Cleanup(func() { l.Close(); client.Wait() })
	client.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(c, make([]byte, 32))
			_, _ = c.Write(nixwire.Packet(0x6478696f, 0x123, "2.95.3", 2, 0x616c7473))
			for b := make([]byte, 8192); ; {
				n, err := c.Read(b)
				if err != nil {
					break
				}
				s.mu.Lock()
				*asked++
				*named = bytes.Count(b[:n], []byte("/nix/store/"))
				answer := nixwire.Packet(0x616c7473, 0, 0, 0)
				if *asked <= declines {
					answer = nixwire.Packet(0x63787470, "Error", 0, "Error", "it is still alive", 0, 0)
				} else if !idle {
					maps.DeleteFunc(s.paths, func(p string, _ bool) bool { return bytes.Contains(b[:n], nixwire.Packet(p)) })
				}
				s.mu.Unlock()
				_, _ = c.Write(answer)
			}
			c.Close()
		}
	})
	return named, asked
}

// TestTogether: what several builds have left, the daemon of the host is asked to delete at once, as long as it is in that
// host's store; what is still there, or never was there, is the tool's that has built it.
func TestTogether(t *testing.T) {
	bash, zsh := "/usr/bin/bash", "/usr/bin/zsh"
	for _, tt := range []struct {
		name         string
		declines     int
		idle         bool   // it deletes nothing, and says that it did
		elsewhere    string // the shell whose Nix has another store
		names        string // where that one says it is
		left         string // in the store before, and somebody else's
		named, asked int
		tools        []string
	}{
		{name: "at once", named: 4, asked: 1},
		{name: "it has not noticed yet that the clients are gone", declines: 2, named: 4, asked: 3},
		{name: "it declines", declines: 100, named: 4, asked: 8, tools: []string{bash, zsh}},
		{name: "it only says so", idle: true, named: 4, asked: 1, tools: []string{bash, zsh}},
		{name: "one shell uses another store", elsewhere: zsh, named: 2, asked: 1, tools: []string{zsh}},
		{name: "one shell names a store of her own", elsewhere: zsh, names: "/home/alice/store", named: 2, asked: 1, tools: []string{zsh}},
		{name: "one shell names a way out of the store", elsewhere: zsh, names: "/nix/store/../../home/alice", named: 2, asked: 1, tools: []string{zsh}},
		{name: "somebody else's is left alone", left: out, named: 4, asked: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &store{
				host:  host{Host: memory.New(platform.Facts{OS: platform.Linux}, "0755 0 /nix/var/nix/daemon-socket/\n/nix/store/\n"), as: platform.Account{Name: "alice", UID: 1000}},
				paths: map[string]bool{}, elsewhere: tt.elsewhere, names: tt.names,
			}
			if tt.left != "" {
				s.paths[tt.left] = true
			}
			named, asked := s.serve(t, tt.declines, tt.idle)
			for _, r := range nixbuild.RunAll(t.Context(), s, nixbuild.Through{Socket: socket, Shell: bash}, nixbuild.Through{Socket: socket, Shell: zsh}) {
				if r.Outcome != nixbuild.Built || len(r.Left) > 0 {
					t.Errorf("%+v", r)
				}
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if slices.Sort(s.tools); *named != tt.named || *asked != tt.asked || !slices.Equal(s.tools, tt.tools) {
				t.Errorf("the daemon was asked %d times, for %d paths, and the tools of %q", *asked, *named, s.tools)
			}
			for _, name := range s.Asked {
				if strings.Contains(name, "-lixfix-build-") {
					t.Errorf("it has looked at %s", name)
				}
			}
			delete(s.paths, tt.left)
			if len(s.paths) > 0 {
				t.Errorf("left: %v", s.paths)
			}
		})
	}
}
