package platform_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform"
)

// burst runs one function of a burst.
func burst(t *testing.T, m *platform.Machine, f func(platform.Files) error) error {
	t.Helper()
	return m.Burst(t.Context(), "a test", f)
}

// ways are all methods that take the name of a file, and whether they follow a link at its end.
var ways = []struct {
	name    string
	follows bool
	call    func(ctx context.Context, m *platform.Machine, name string) error
}{
	{"ReadFile", true, func(ctx context.Context, m *platform.Machine, name string) error {
		_, err := m.ReadFile(ctx, name)
		return err
	}},
	{"ReadDir", true, func(ctx context.Context, m *platform.Machine, name string) error {
		_, err := m.ReadDir(ctx, name)
		return err
	}},
	{"Free", true, func(ctx context.Context, m *platform.Machine, name string) error {
		_, err := m.Free(ctx, name)
		return err
	}},
	{"Files.Read", true, func(ctx context.Context, m *platform.Machine, name string) error {
		return m.Burst(ctx, "a test", func(f platform.Files) error { _, err := f.Read(name); return err })
	}},
	{"Files.Names", true, func(ctx context.Context, m *platform.Machine, name string) error {
		return m.Burst(ctx, "a test", func(f platform.Files) error { _, err := f.Names(name); return err })
	}},
	{"Files.Some", true, func(ctx context.Context, m *platform.Machine, name string) error {
		return m.Burst(ctx, "a test", func(f platform.Files) error { _, _, err := f.Some(name, 1); return err })
	}},
	{"Stat", false, func(ctx context.Context, m *platform.Machine, name string) error {
		_, err := m.Stat(ctx, name)
		return err
	}},
	{"Locked", false, func(ctx context.Context, m *platform.Machine, name string) error {
		_, err := m.Locked(ctx, name)
		return err
	}},
	{"Files.Stat", false, func(ctx context.Context, m *platform.Machine, name string) error {
		return m.Burst(ctx, "a test", func(f platform.Files) error { _, err := f.Stat(name); return err })
	}},
	{"Files.Link", false, func(ctx context.Context, m *platform.Machine, name string) error {
		return m.Burst(ctx, "a test", func(f platform.Files) error { _, err := f.Link(name); return err })
	}},
	{"WriteFile", false, func(ctx context.Context, m *platform.Machine, name string) error {
		return m.WriteFile(ctx, name, platform.Content{})
	}},
	{"Remove", false, func(ctx context.Context, m *platform.Machine, name string) error { return m.Remove(ctx, name) }},
	{"SetMode", false, func(ctx context.Context, m *platform.Machine,
		name string,
	) error {
		return m.SetMode(ctx, name, 0o600)
	}},
	{"SetLink", false, func(ctx context.Context, m *platform.Machine,
		name string,
	) error {
		return m.SetLink(ctx, name, "x")
	}},
}

// TestNoWayLeadsThroughAProcess names files through a process that has them open, and directories through its root.
func TestNoWayLeadsThroughAProcess(t *testing.T) {
	dir := t.TempDir()
	secret := put(t, filepath.Join(dir, "secret"), "text")
	cmd := exec.Command("sleep", "60")
	opened, err := os.Open(secret)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	cmd.ExtraFiles = []*os.File{opened} // 3
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	own := fmt.Sprintf("/proc/%d", cmd.Process.Pid)
	m := platform.Local()
	for _, w := range ways {
		through := []string{own + "/root" + secret, own + "/cwd/secret", fmt.Sprintf("%s/task/%d/root%s", own,
			cmd.Process.Pid, secret)}
		if w.follows {
			through = append(through, own+"/fd/3", own+"/root", own+"/cwd", own+"/exe", own+"/ns/mnt")
		}
		for _, name := range through {
			if err := w.call(t.Context(), m, name); !errors.Is(err, platform.ErrThroughProcess) {
				t.Errorf("%s %s: %v", w.name, name, err)
			}
		}
	}
	if data, err := os.ReadFile(secret); err != nil || string(data) != "text" {
		t.Errorf("the file was changed: %q %v", data, err)
	}
	// Their text may be read.
	err = burst(t, m, func(f platform.Files) error {
		for name, want := range map[string]string{own + "/fd/3": secret, own + "/cwd": dir, own + "/root": "/"} {
			if got, err := f.Link(name); err != nil || got != want {
				t.Errorf("%s -> %q, %v", name, got, err)
			}
		}
		if names, err := f.Names(own + "/fd"); err != nil || !slices.Contains(names, "3") {
			t.Errorf("open files %q, %v", names, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if info, err := m.Stat(t.Context(), own+"/ns/mnt"); err != nil || !strings.HasPrefix(info.Target, "mnt:[") {
		t.Errorf("%+v %v", info, err)
	}
}

// TestLinksThatLeadThroughAProcess are made by a user anywhere, so that no name shows them.
func TestLinksThatLeadThroughAProcess(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "secret"), "text")
	links := map[string]string{
		"file": "/proc/self/root" + dir + "/secret", "dir": "/proc/self/root" + dir, "cwd": "/proc/thread-self/cwd",
		"far": "near", "near": "/proc/self/root" + dir, "fds": "/dev/fd",
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	err := burst(t, platform.Local(), func(f platform.Files) error {
		for _, name := range []string{"file", "dir/secret", "far/secret", "fds/0"} {
			if _, err := f.Read(filepath.Join(dir, name)); !errors.Is(err, platform.ErrThroughProcess) {
				t.Errorf("read %s: %v", name, err)
			}
		}
		for _, name := range []string{"dir", "far", "cwd"} {
			if _, err := f.Names(filepath.Join(dir, name)); !errors.Is(err, platform.ErrThroughProcess) {
				t.Errorf("list %s: %v", name, err)
			}
		}
		if _, err := f.Stat(filepath.Join(dir, "far/secret")); !errors.Is(err, platform.ErrThroughProcess) {
			t.Errorf("stat: %v", err)
		}
		// A link itself may be looked at.
		if info, err := f.Stat(filepath.Join(dir, "file")); err != nil || info.Mode&fs.ModeSymlink == 0 {
			t.Errorf("stat of a link: %+v, %v", info, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := platform.Local().Stat(t.Context(), filepath.Join(dir, "far/secret")); !errors.Is(err,
		platform.ErrThroughProcess) {
		t.Errorf("stat, not in a burst: %v", err)
	}
	if _, err := platform.Local().Free(t.Context(), filepath.Join(dir, "dir")); !errors.Is(err,
		platform.ErrThroughProcess) {
		t.Errorf("free space: %v", err)
	}
}

// TestBurstOpensNothingButFilesAndDirectories offers it a FIFO that waits for a writer, and sees that nobody opened it.
func TestBurstOpensNothingButFilesAndDirectories(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("fifo", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	err := burst(t, platform.Local(), func(f platform.Files) error {
		for _, name := range []string{"fifo", "link"} {
			if _, err := f.Read(filepath.Join(dir, name)); !errors.Is(err, platform.ErrNotRegular) {
				t.Errorf("read %s: %v", name, err)
			}
			if _, err := f.Names(filepath.Join(dir, name)); !errors.Is(err, unix.ENOTDIR) {
				t.Errorf("list %s: %v", name, err)
			}
		}
		if _, err := f.Read("/dev/zero"); !errors.Is(err, platform.ErrNotRegular) {
			t.Errorf("read a device: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := platform.Local().Locked(t.Context(), fifo); !errors.Is(err, platform.ErrNotRegular) {
		t.Errorf("locked: %v", err)
	}
}

// TestSome lists a part of a directory.
func TestSome(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		put(t, filepath.Join(dir, fmt.Sprint(i)), "")
	}
	err := burst(t, platform.Local(), func(f platform.Files) error {
		for most, more := range map[int]bool{0: true, 4: true, 5: false, 6: false} {
			names, left, err := f.Some(dir, most)
			if err != nil || len(names) != min(most, 5) || left != more {
				t.Errorf("%d: %q %v %v", most, names, left, err)
			}
		}
		names, more, err := f.Some(t.TempDir(), 3)
		if len(names) != 0 || more || err != nil {
			t.Errorf("an empty one: %q %v %v", names, more, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestOwned believes files in directories that nobody else can change, and no others. It needs root, which gives files
// to somebody else.
func TestOwned(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test gives files to another user and needs root")
	}
	const user = 1234
	// Not in the directory for temporary files, which everybody can write to.
	base, err := os.MkdirTemp("/var/lib", "lixfix-owned-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	made := func(name string, dir, file os.FileMode, dirOwner, fileOwner int) {
		d := filepath.Join(base, name)
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		f := put(t, filepath.Join(d, "file"), "text")
		for _, err := range []error{
			os.Chmod(f, file), os.Chown(f, fileOwner, -1), os.Chmod(d, dir),
			os.Chown(d, dirOwner, -1),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	made("good", 0o755, 0o600, 0, 0)
	made("dir of a user", 0o755, 0o600, user, 0)
	made("dir for all", 0o777, 0o600, 0, 0)
	made("sticky dir", os.ModeSticky|0o777, 0o600, 0, 0)
	made("dir for a group", 0o775, 0o600, 0, 0)
	made("file of a user", 0o755, 0o600, 0, user)
	made("file for all", 0o755, 0o666, 0, 0)
	for name, to := range map[string]string{"link": "good", "good/link": "file"} {
		if err := os.Symlink(to, filepath.Join(base, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(base, "good/fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{
		"good/file": true, "dir of a user/file": false, "dir for all/file": false, "sticky dir/file": true,
		"dir for a group/file": false, "file of a user/file": false, "file for all/file": false, "link/file": true,
		"good/link": false, "good/fifo": false, "good/none": false, "good": false,
	}
	err = burst(t, platform.Local(), func(f platform.Files) error {
		for name, ok := range tests {
			data, info, err := f.Owned(filepath.Join(base, name))
			if ok != (err == nil) || ok && (string(data) != "text" || info.UID != 0 || info.Inode == 0 ||
				!info.Mode.IsRegular()) {
				t.Errorf("%s: %q %+v %v", name, data, info, err)
			}
		}
		// What others may write to can be listed, but nobody may have exchanged it.
		for name, ok := range map[string]bool{
			"good": true, "dir for all": true, "sticky dir": true, "dir of a user": false, "link": false,
			"good/file": false, "none": false,
		} {
			names, err := f.OwnedNames(filepath.Join(base, name))
			if ok != (err == nil) || ok && !slices.Contains(names, "file") {
				t.Errorf("list %s: %q %v", name, names, err)
			}
		}
		if err := os.Mkdir(filepath.Join(base, "dir for all/below"), 0o755); err != nil {
			t.Error(err)
		}
		if _, err := f.OwnedNames(filepath.Join(base, "dir for all/below")); !errors.Is(err, platform.ErrUntrusted) {
			t.Errorf("a directory that others can exchange: %v", err)
		}
		if _, _, err := f.Owned(filepath.Join("/proc/self/root", base, "good/file")); err == nil {
			t.Error("a link of a process was followed")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestLookingDoesNotOpen shows that a FIFO is not opened even for an instant: its only writer would see a reader.
func TestLookingDoesNotOpen(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	// cat ends its wait in open(2) as soon as anybody opens the other end.
	cmd := exec.Command("sh", "-c", `echo ready; exec 3>"$1"; echo opened`, "sh", fifo)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the writer did not start")
	}
	time.Sleep(50 * time.Millisecond)
	m := platform.Local()
	_ = burst(t, m, func(f platform.Files) error {
		_, _ = f.Read(fifo)
		_, _ = f.Names(fifo)
		_, _ = f.Stat(fifo)
		_, _, _ = f.Owned(fifo)
		return nil
	})
	_, _ = m.Locked(t.Context(), fifo)
	opened := make(chan bool, 1)
	go func() { opened <- lines.Scan() }()
	select {
	case <-opened:
		t.Error("something opened the FIFO")
	case <-time.After(300 * time.Millisecond):
	}
}
