package platform_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform"
)

// children are what this test binary does in place of the tests, where a test needs another process.
var children = map[string]func(args []string) error{
	"lock":      holdLock,
	"write":     writeForever,
	"full disk": writeTooMuch,
}

const childVariable = "LIXFIX_TEST_CHILD"

func TestMain(m *testing.M) {
	if child := os.Getenv(childVariable); child != "" {
		if err := children[child](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child prepares this test binary to run as one of the children.
func child(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), childVariable+"="+name)
	return cmd
}

// identity is the machine itself, with every file and tool where its name says.
func identity() *platform.Machine {
	return platform.At(func(name string) (string, error) { return name, nil }, func() platform.Facts { return platform.Facts{} })
}

// holdLock takes an exclusive lock, says so, and holds it until its standard input ends.
func holdLock(args []string) error {
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	fmt.Println("locked")
	_, err = os.Stdin.Read(make([]byte, 1))
	if err != nil {
		return nil //nolint:nilerr // the end of the input is the end of the lock
	}
	return nil
}

// content is one of the two that writeForever writes.
func content(n int) []byte {
	return bytes.Repeat([]byte{"ab"[n%2]}, 64<<10)
}

func writeForever(args []string) error {
	h := identity()
	fmt.Println("writing")
	for n := 0; ; n++ {
		c := platform.Content{Data: content(n), Mode: 0o640, UID: os.Geteuid(), GID: os.Getegid()}
		if err := h.WriteFile(context.Background(), args[0], c); err != nil {
			return err
		}
	}
}

// writeTooMuch writes where only 4 KiB fit into a file, as on a full disk, and expects to be told so.
func writeTooMuch(args []string) error {
	signal.Ignore(unix.SIGXFSZ)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 4 << 10, Max: 4 << 10}); err != nil {
		return err
	}
	err := identity().WriteFile(context.Background(), args[0], platform.Content{
		Data: content(0), Mode: 0o600, UID: os.Geteuid(), GID: os.Getegid(),
	})
	if err == nil || !strings.Contains(err.Error(), args[0]) {
		return fmt.Errorf("WriteFile: %w", err)
	}
	names, err := os.ReadDir(filepath.Dir(args[0]))
	if err != nil {
		return err
	}
	if len(names) != 1 {
		return fmt.Errorf("left: %v", names)
	}
	return nil
}
