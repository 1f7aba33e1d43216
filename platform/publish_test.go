package platform_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/lixfix/lixfix/platform"
)

const begins = "# metrics\n"

func metrics(n int) []byte {
	return []byte(begins + strings.Repeat(fmt.Sprintf("a_metric %d\n", n), 2000))
}

func TestPublish(t *testing.T) {
	old := syscall.Umask(0o077)
	t.Cleanup(func() { syscall.Umask(old) })
	dir, err := os.MkdirTemp("/run", "publish") //nolint:usetesting // only root makes names on the way to it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := platform.Local()
	file := filepath.Join(dir, "lixfix.prom")
	left := filepath.Join(dir, ".lixfix.prom.lixfix-new")
	for n, before := range []func() error{
		func() error { return nil },
		func() error { return nil }, // over what is there
		func() error { return os.WriteFile(file, nil, 0o600) },
		func() error { return os.WriteFile(left, bytes.Repeat([]byte("half"), 1<<16), 0o600) }, // what a kill has left
	} {
		if err := before(); err != nil {
			t.Fatal(err)
		}
		if err := m.Publish(t.Context(), file, begins, metrics(n)); err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		data, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(data, metrics(n)) {
			t.Errorf("%d: %d bytes, %v", n, len(data), err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%d: %v %v", n, info, err)
		}
		if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d: %s is left: %v", n, left, err)
		}
	}
	// Whose directory it was before could have given another file of root's the name of the draft.
	victim := filepath.Join(dir, "victim")
	if err := errors.Join(os.WriteFile(victim, []byte("precious"), 0o600), os.Link(victim, left)); err != nil {
		t.Fatal(err)
	}
	if err := m.Publish(t.Context(), file, begins, metrics(9)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a draft with two names: %v", err)
	}
	if info, err := os.Stat(victim); err != nil || info.Mode().Perm() != 0o600 || info.Size() != int64(len("precious")) {
		t.Errorf("the other name of the draft: %v %v", info, err)
	}
	if err := os.Remove(left); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]func(name string) error{
		"somebody else's": func(name string) error { return os.WriteFile(name, []byte("build-users-group = nixbld\n"), 0o644) },
		"a pipe":          func(name string) error { return syscall.Mkfifo(name, 0o600) },
		"a link":          func(name string) error { return os.Symlink(file, name) },
		"a directory":     func(name string) error { return os.Mkdir(name, 0o755) },
		"with two names":  func(name string) error { return os.Link(file, name) },
	} {
		name := filepath.Join(dir, name)
		if err := in(name); err != nil {
			t.Fatal(err)
		}
		before, _ := os.Lstat(name)
		err := m.Publish(t.Context(), name, begins, metrics(9))
		after, _ := os.Lstat(name)
		if err == nil || !os.SameFile(before, after) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := m.Publish(t.Context(), filepath.Join(dir, "none/x.prom"), begins, metrics(1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nowhere: %v", err)
	}
	if data, err := os.ReadFile(file); err != nil || !bytes.Equal(data, metrics(3)) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

// TestPublishTrustsNobody has root write where others can lead it, in a user's directory and in one of everybody's.
func TestPublishTrustsNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test makes directories of others; run it as root")
	}
	dir, err := os.MkdirTemp("/run", "publish") //nolint:usetesting // only root makes names on the way to it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, c := range map[string]struct {
		mode fs.FileMode
		uid  int
	}{"hers": {0o755, 4201}, "everybody's": {0o777, 0}, "sticky": {0o777 | fs.ModeSticky, 0}} {
		in := filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(in, 0o755), os.Chmod(in, c.mode), os.Chown(in, c.uid, c.uid), os.Symlink(in, in+"-link")); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{in + "/x.prom", in + "-link/x.prom"} {
			err := platform.Local().Publish(t.Context(), file, begins, metrics(1))
			if !errors.Is(err, platform.ErrUntrusted) {
				t.Errorf("%s: %v", file, err)
			}
		}
		if left, err := os.ReadDir(in); err != nil || len(left) > 0 {
			t.Errorf("%s: %v %v", name, left, err)
		}
	}
}

// TestPublishAtOnce has several write while others read: nobody sees a half file, and nobody fails.
func TestPublishAtOnce(t *testing.T) {
	dir, err := os.MkdirTemp("/run", "publish") //nolint:usetesting // only root makes names on the way to it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := platform.Local()
	file := filepath.Join(dir, "x.prom")
	if err := m.Publish(t.Context(), file, begins, metrics(0)); err != nil {
		t.Fatal(err)
	}
	whole := map[string]bool{}
	for n := range 5 {
		whole[string(metrics(n))] = true
	}
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for n := range 4 {
		writers.Go(func() {
			for range 50 {
				if err := m.Publish(t.Context(), file, begins, metrics(n+1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	readers.Go(func() {
		for {
			data, err := os.ReadFile(file)
			if err != nil || !whole[string(data)] {
				t.Errorf("half a file: %d bytes, %v", len(data), err)
				return
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	writers.Wait()
	close(done)
	readers.Wait()
}
