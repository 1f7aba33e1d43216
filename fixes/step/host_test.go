package step_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
)

// Tools that keep what they know in files of the host.
const (
	fakeSystemctl = `#!/bin/sh
state='%s/run/active'
case $1 in
is-active) if [ -e "$state" ]; then echo active; else echo inactive; exit 3; fi ;;
start) : >"$state" ;;
stop) rm "$state" ;;
try-restart) echo x >>'%[1]s/run/restarts' ;;
restart) echo "x $3" >>'%[1]s/run/restarts' ;;
*) exit 1 ;;
esac
`
	fakeModprobe = `#!/bin/sh
case $1 in
-r) rmdir '%s/sys/module/tun' ;;
*) mkdir '%[1]s/sys/module/tun' ;;
esac
`
)

// linux makes a Linux host below a directory.
func linux(t *testing.T) (*platform.Machine, string) {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"etc", "usr/bin", "usr/sbin", "run", "sys/module", "dev/net"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"usr/bin/systemctl": fmt.Sprintf(fakeSystemctl, root), "usr/sbin/modprobe": fmt.Sprintf(fakeModprobe, root),
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return platform.At(
		func(name string) (string, error) { return securejoin.SecureJoin(root, name) },
		func() platform.Facts { return platform.Facts{OS: platform.Linux, Arch: "amd64"} },
	), root
}

// TestHostSteps applies each step, and takes it back. In between, what somebody else makes of the host is Foreign.
func TestHostSteps(t *testing.T) {
	for _, c := range []struct {
		step    plan.Write
		prepare func(root string) error
		meddle  func(root string) error // nil where there is no third state
	}{
		{
			step:    step.SetMode{Name: "/etc/f", From: 0o600, To: 0o644},
			prepare: func(root string) error { return os.WriteFile(root+"/etc/f", nil, 0o600) },
			meddle:  func(root string) error { return os.Chmod(root+"/etc/f", 0o640) },
		},
		{
			step:    step.SetMode{Name: "/etc/d", From: 0o700, To: 0o711},
			prepare: func(root string) error { return os.Mkdir(root+"/etc/d", 0o700) },
			meddle: func(root string) error {
				return errors.Join(os.Remove(root+"/etc/d"), os.Symlink("/run", root+"/etc/d"))
			},
		},
		{
			step:    step.SetLink{Name: "/etc/l", From: "/gone", To: "../run/x"},
			prepare: func(root string) error { return os.Symlink("/gone", root+"/etc/l") },
			meddle: func(root string) error {
				return errors.Join(os.Remove(root+"/etc/l"), os.WriteFile(root+"/etc/l", []byte("x"), 0o644))
			},
		},
		{
			step:   step.SetLink{Name: "/etc/l", To: "/run/x"},
			meddle: func(root string) error { return errors.Join(os.Remove(root+"/etc/l"), os.Symlink("/y", root+"/etc/l")) },
		},
		{
			step:   step.MakeDir{Name: "/etc/d", Mode: 0o750, UID: os.Getuid(), GID: os.Getgid(), Sockets: []string{"s"}},
			meddle: func(root string) error { return os.Chmod(root+"/etc/d", 0o711) },
		},
		{step: step.StartUnit{Unit: "x.service", On: true}},
		{step: step.LoadModule{Module: "tun", On: true}},
	} {
		t.Run(c.step.Kind()+" "+c.step.String(), func(t *testing.T) {
			m, root := linux(t)
			if c.prepare != nil {
				if err := c.prepare(root); err != nil {
					t.Fatal(err)
				}
			}
			back := c.step.Inverse()
			is := func(s plan.Write, want plan.State) {
				t.Helper()
				got, reason, err := s.State(t.Context(), plan.NewPass(m))
				if err != nil || got != want || want == plan.Foreign && reason == "" {
					t.Fatalf("%s: state %v (%s), %v, want %v", s, got, reason, err, want)
				}
			}
			for range 2 {
				is(c.step, plan.Pending)
				is(back, plan.Applied)
				if err := c.step.Apply(t.Context(), m, nil); err != nil {
					t.Fatal(err)
				}
				is(c.step, plan.Applied)
				is(back, plan.Pending)
				if err := back.Apply(t.Context(), m, nil); err != nil {
					t.Fatal(err)
				}
			}
			if c.meddle == nil {
				return
			}
			if err := c.step.Apply(t.Context(), m, nil); err != nil {
				t.Fatal(err)
			}
			if err := c.meddle(root); err != nil {
				t.Fatal(err)
			}
			is(c.step, plan.Foreign)
			is(back, plan.Foreign)
		})
	}
}

func TestSetLinkLeavesFilesAlone(t *testing.T) {
	m, root := linux(t)
	if err := os.WriteFile(root+"/etc/f", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := m.SetLink(t.Context(), "/etc/f", "/run"); !errors.Is(err, platform.ErrNotLink) {
		t.Errorf("a file was replaced: %v", err)
	}
	if err := os.Symlink("f", root+"/etc/l"); err != nil {
		t.Fatal(err)
	}
	if err := m.SetMode(t.Context(), "/etc/l", 0o600); !errors.Is(err, platform.ErrNotRegular) {
		t.Errorf("the mode of what a link leads to was set: %v", err)
	}
}

func TestUnitsThatCannotBeAsked(t *testing.T) {
	m, root := linux(t)
	if err := os.WriteFile(root+"/usr/bin/systemctl", []byte("#!/bin/sh\necho 'System has not been booted with systemd' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if s, _, err := (step.StartUnit{Unit: "x.service", On: true}).State(t.Context(), plan.NewPass(m)); err == nil {
		t.Errorf("without systemd the state of a unit is %v", s)
	}
	if err := (step.LoadModule{Module: "-r tun", On: true}).Apply(t.Context(), m, nil); err == nil {
		t.Error("an option was taken for a module")
	}
	if err := (step.StartUnit{Unit: "--force.service"}).Apply(t.Context(), m, nil); err == nil {
		t.Error("an option was taken for a unit")
	}
}

func TestRestartUnit(t *testing.T) {
	m, root := linux(t)
	for range 2 {
		if err := (step.RestartUnit{Unit: "x.service"}).Apply(t.Context(), m, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := (step.RestartUnit{Unit: "x.socket", Start: true}).Apply(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(root + "/run/restarts"); err != nil || string(data) != "x\nx\nx x.socket\n" {
		t.Errorf("%q, %v", data, err)
	}
}

// TestRemoveDir: what others have put into a directory keeps it; a socket goes with it, also where a group may write.
func TestRemoveDir(t *testing.T) {
	m, root := linux(t)
	made := step.MakeDir{Name: "/etc/d", Mode: 0o770, UID: os.Getuid(), GID: os.Getgid(), Sockets: []string{"s", "t"}}
	if err := made.Apply(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	if err := made.Apply(t.Context(), m, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	dir, err := os.Open(root + "/etc/d")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	// Names of sockets are short.
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/s", dir.Fd())}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"t", "u"} { // a file where a socket may be, and one that has no business there
		if err := os.WriteFile(root+"/etc/d/"+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, reason, err := made.Inverse().State(t.Context(), plan.NewPass(m)); s != plan.Foreign || reason == "" || err != nil {
			t.Errorf("with %s: %v, %q, %v", name, s, reason, err)
		}
		if err := os.Remove(root + "/etc/d/" + name); err != nil {
			t.Fatal(err)
		}
	}
	if s, reason, err := made.Inverse().State(t.Context(), plan.NewPass(m)); s != plan.Pending || err != nil {
		t.Errorf("%v, %q, %v", s, reason, err)
	}
	// As a kill leaves it.
	if err := os.Chmod(root+"/etc/d", 0o700); err != nil {
		t.Fatal(err)
	}
	if s, reason, err := made.Inverse().State(t.Context(), plan.NewPass(m)); s != plan.Pending || err != nil {
		t.Errorf("half way: %v, %q, %v", s, reason, err)
	}
	if err := made.Inverse().Apply(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(root + "/etc/d"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	// What a kill leaves beside it.
	if err := os.Mkdir(root+"/etc/.d.lixfix-new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := made.Tidy(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if names, _ := os.ReadDir(root + "/etc"); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
}
