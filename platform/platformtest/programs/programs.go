// Package programs builds the programs that tests run, each of them once: for all packages of a "go test" where
// LIXFIX_TEST_PROGRAMS names a directory for them, as scripts/gotest.sh does, and for one package otherwise.
package programs

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// shared is the variable with the directory that several packages share. Who sets it removes the directory.
const shared = "LIXFIX_TEST_PROGRAMS"

var built struct {
	sync.Mutex
	own   string // a directory of this process alone
	files map[string]string
}

// Build returns the file of a program of this module, for this machine. It is linked without cgo and without the race
// detector, also for a test that has it: what runs in a process of its own, the detector does not see.
func Build(pkg string, flags ...string) (string, error) {
	built.Lock()
	defer built.Unlock()
	key := strings.Join(append([]string{pkg}, flags...), " ")
	if file := built.files[key]; file != "" {
		return file, nil
	}
	dir, err := directory()
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, path.Base(pkg))
	if len(flags) > 0 {
		h := fnv.New32a()
		h.Write([]byte(key))
		file = fmt.Sprintf("%s.%08x", file, h.Sum32())
	}
	if err := once(file, func(draft string) error { return link(draft, pkg, flags) }); err != nil {
		return "", fmt.Errorf("build %s: %w", pkg, err)
	}
	built.files[key] = file
	return file, nil
}

func directory() (string, error) {
	if built.files == nil {
		built.files = map[string]string{}
	}
	if dir := os.Getenv(shared); dir != "" {
		return dir, os.MkdirAll(dir, 0o755)
	}
	if built.own != "" {
		return built.own, nil
	}
	dir, err := os.MkdirTemp("", "programs")
	if err != nil {
		return "", err
	}
	built.own = dir
	// Users of staged hosts run what is in it.
	return dir, os.Chmod(dir, 0o755)
}

// once has a file made where it is not there yet, while other processes that want it wait.
func once(file string, produce func(draft string) error) error {
	lock, err := os.OpenFile(file+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	for {
		if err = unix.Flock(int(lock.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	draft := file + ".draft"
	if err := produce(draft); err != nil {
		return err
	}
	return os.Rename(draft, file)
}

func link(file, pkg string, flags []string) error {
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-race=false", "-cover=false", "-ldflags=-s -w", "-o", file}, flags...)
	cmd := exec.Command("go", append(args, pkg)...)
	// With -trimpath the name of the source is an import path, which is good for go build from anywhere in the module,
	// where go test puts its tests.
	if _, source, _, ok := runtime.Caller(0); ok && filepath.IsAbs(source) {
		cmd.Dir = filepath.Dir(source)
	}
	for _, v := range os.Environ() {
		// It runs here, whatever the caller builds for.
		if name, _, _ := strings.Cut(v, "="); name != "GOOS" && name != "GOARCH" {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// Clean removes what this process has built for itself alone. TestMain calls it when all tests are over.
func Clean() {
	built.Lock()
	defer built.Unlock()
	if built.own != "" {
		os.RemoveAll(built.own)
	}
	built.own, built.files = "", nil
}
