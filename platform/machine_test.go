package platform_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/platform"
)

func put(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestReadFileTakesRegularFilesOnly(t *testing.T) {
	dir := t.TempDir()
	file := put(t, filepath.Join(dir, "file"), "text")
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	link, loop := filepath.Join(dir, "link"), filepath.Join(dir, "loop")
	for name, to := range map[string]string{link: "file", loop: "loop"} {
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
	}
	huge := put(t, filepath.Join(dir, "huge"), "")
	if err := os.Truncate(huge, 16<<20+1); err != nil {
		t.Fatal(err)
	}
	largest := put(t, filepath.Join(dir, "largest"), "")
	if err := os.Truncate(largest, 16<<20); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, file string
		size       int
		want       error
	}{
		{"a file", file, 4, nil},
		{"a link to one", link, 4, nil},
		{"the largest", largest, 16 << 20, nil},
		{"one byte more", huge, 0, platform.ErrTooLarge},
		{"a FIFO without a writer", fifo, 0, platform.ErrNotRegular},
		{"a directory", dir, 0, platform.ErrNotRegular},
		{"a device", "/dev/zero", 0, platform.ErrNotRegular},
		{"missing", filepath.Join(dir, "none"), 0, fs.ErrNotExist},
		{"a link to itself", loop, 0, syscall.ELOOP},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := identity().ReadFile(t.Context(), tt.file)
			if !errors.Is(err, tt.want) || len(data) != tt.size {
				t.Errorf("%d bytes, %v", len(data), err)
			}
			var p *fs.PathError
			if tt.want != nil && (!errors.As(err, &p) || p.Path != tt.file) {
				t.Errorf("the error does not name the file: %v", err)
			}
		})
	}
}

func TestStatDoesNotFollowLinks(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "file"), "text")
	if err := os.Symlink("file", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	got, err := identity().Stat(t.Context(), filepath.Join(dir, "link"))
	if err != nil || got.Mode&fs.ModeSymlink == 0 || got.Target != "file" {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = identity().Stat(t.Context(), filepath.Join(dir, "file"))
	want := platform.FileInfo{Inode: got.Inode, File: got.File, Links: 1, Modified: got.Modified, Mode: 0o644, UID: os.Geteuid(), GID: os.Getegid(), Size: 4}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Error(d, err)
	}
	if _, err := identity().Stat(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	names, err := identity().ReadDir(t.Context(), dir)
	if d := cmp.Diff([]string{"file", "link"}, names); err != nil || d != "" {
		t.Error(d, err)
	}
}

func TestWriteFileSetsContentModeAndOwner(t *testing.T) {
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		uid, gid = 301, 30000
	}
	dir := t.TempDir()
	// As on macOS: what is created here belongs to the group of the directory.
	inherits := filepath.Join(dir, "inherits")
	if err := os.Mkdir(inherits, 0o755); err != nil {
		t.Fatal(err)
	}
	other := os.Getegid()
	if groups, err := os.Getgroups(); err == nil {
		for _, g := range groups {
			other = g
		}
	}
	if os.Geteuid() == 0 {
		other = 12345
	}
	if err := os.Chown(inherits, -1, other); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(inherits, 0o755|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, file string
		content    platform.Content
	}{
		{"a new file", "new", platform.Content{Data: []byte("new"), Mode: 0o600, UID: os.Geteuid(), GID: os.Getegid()}},
		{"an existing one", "old", platform.Content{Data: []byte("next"), Mode: 0o640, UID: uid, GID: gid}},
		{"beyond the umask", "wide", platform.Content{Mode: 0o666, UID: uid, GID: gid}},
		{"in a directory of another group", "inherits/new", platform.Content{Data: []byte("x"), Mode: 0o644, UID: os.Geteuid(), GID: os.Getegid()}},
	}
	put(t, filepath.Join(dir, "old"), "old")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(dir, tt.file)
			if err := identity().WriteFile(t.Context(), name, tt.content); err != nil {
				t.Fatal(err)
			}
			data, err := identity().ReadFile(t.Context(), name)
			if err != nil || !bytes.Equal(data, tt.content.Data) {
				t.Errorf("%q, %v", data, err)
			}
			info, err := identity().Stat(t.Context(), name)
			want := platform.FileInfo{Inode: info.Inode, File: info.File, Links: 1, Modified: info.Modified, Mode: tt.content.Mode, UID: tt.content.UID, GID: tt.content.GID, Size: int64(len(tt.content.Data))}
			if d := cmp.Diff(want, info); err != nil || d != "" {
				t.Error(d, err)
			}
		})
	}
}

func TestWriteFileRefusals(t *testing.T) {
	dir := t.TempDir()
	target := put(t, filepath.Join(dir, "target"), "old")
	link := filepath.Join(dir, "link")
	if err := os.Symlink("target", link); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	// Somebody waits with a link where the new file is prepared.
	bait := filepath.Join(dir, ".file.lixfix-new")
	if err := os.Symlink("target", bait); err != nil {
		t.Fatal(err)
	}
	c := platform.Content{Data: []byte("new"), Mode: 0o644, UID: os.Geteuid(), GID: os.Getegid()}
	for name, file := range map[string]string{"a link": link, "a FIFO": fifo, "a directory": dir} {
		if err := identity().WriteFile(t.Context(), file, c); !errors.Is(err, platform.ErrNotRegular) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := identity().WriteFile(t.Context(), filepath.Join(dir, "none", "file"), c); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if err := identity().WriteFile(t.Context(), filepath.Join(dir, "file"), c); err != nil {
		t.Errorf("a link in the place of the draft: %v", err)
	}
	if data, err := os.ReadFile(target); err != nil || string(data) != "old" {
		t.Errorf("the target of the link: %q, %v", data, err)
	}
}

// TestWritesLoseNothing: what a file is beside its content is kept, or the file is left alone.
func TestWritesLoseNothing(t *testing.T) {
	h, dir := identity(), t.TempDir()
	for name, prepare := range map[string]func(file string) error{
		"a second name": func(file string) error { return os.Link(file, file+".other") },
		"setuid":        func(file string) error { return os.Chmod(file, 0o640|fs.ModeSetuid) },
		"setgid":        func(file string) error { return os.Chmod(file, 0o640|fs.ModeSetgid) },
		"sticky":        func(file string) error { return os.Chmod(file, 0o640|fs.ModeSticky) },
	} {
		file := put(t, filepath.Join(dir, name), "old")
		if err := prepare(file); err != nil {
			t.Fatal(err)
		}
		before, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		err = h.WriteFile(t.Context(), file, platform.Content{Data: []byte("new"), Mode: 0o640, UID: os.Geteuid(), GID: os.Getegid()})
		if !errors.Is(err, platform.ErrIrreplaceable) {
			t.Errorf("%s: %v", name, err)
		}
		after, err := os.Stat(file)
		if data, readErr := os.ReadFile(file); err != nil || readErr != nil || string(data) != "old" || !os.SameFile(before, after) ||
			after.Mode() != before.Mode() {
			t.Errorf("%s: it holds %q now, with the mode %s: %v", name, data, after.Mode(), errors.Join(err, readErr))
		}
		if err := h.SetMode(t.Context(), file, 0o600); err != nil {
			t.Error(err)
		}
		if after, err := os.Stat(file); err != nil || after.Mode() != before.Mode()&^0o777|0o600 {
			t.Errorf("%s: the mode was %s and is %s", name, before.Mode(), after.Mode())
		}
		if err := h.Remove(t.Context(), file); err != nil {
			t.Error(err)
		}
	}
}

func TestTidyAndRemove(t *testing.T) {
	dir := t.TempDir()
	file := put(t, filepath.Join(dir, "receipt.json"), "{}")
	put(t, filepath.Join(dir, ".receipt.json.lixfix-new"), "{")
	h := identity()
	for range 2 {
		if err := h.Tidy(t.Context(), file); err != nil {
			t.Fatal(err)
		}
	}
	names, err := h.ReadDir(t.Context(), dir)
	if d := cmp.Diff([]string{"receipt.json"}, names); err != nil || d != "" {
		t.Error(d, err)
	}
	for range 2 {
		if err := h.Remove(t.Context(), file); err != nil {
			t.Fatal(err)
		}
	}
	if names, err = h.ReadDir(t.Context(), dir); err != nil || len(names) != 0 {
		t.Error(names, err)
	}
}

// TestKilledWriterLeavesOldOrNew kills a process that writes a file again and again, at any moment.
func TestKilledWriterLeavesOldOrNew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := put(t, filepath.Join(dir, "file"), string(content(0)))
	left := 0
	for range 25 {
		cmd := child(t, "write", file)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.IntN(8000)) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		data, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(data, content(0)) && !bytes.Equal(data, content(1)) {
			t.Fatalf("%d bytes, %v", len(data), err)
		}
		names, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		left += len(names) - 1
		if err := identity().Tidy(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
			t.Fatalf("after Tidy: %v, %v", names, err)
		}
	}
	t.Logf("%d of 25 kills left a draft beside the file", left)
}

func TestFullDiskLeavesTheOldFile(t *testing.T) {
	t.Parallel()
	file := put(t, filepath.Join(t.TempDir(), "file"), "old")
	if out, err := child(t, "full disk", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "old" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestLockedSeesTheLockOfAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := put(t, filepath.Join(dir, "301"), "")
	if locked, err := identity().Locked(t.Context(), file); err != nil || locked {
		t.Fatalf("before: %v, %v", locked, err)
	}
	cmd := child(t, "lock", file)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if locked, err := identity().Locked(t.Context(), file); err != nil || !locked {
			t.Errorf("while it is held: %v, %v", locked, err)
		}
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if locked, err := identity().Locked(t.Context(), file); err != nil || locked {
		t.Errorf("afterwards: %v, %v", locked, err)
	}
	if _, err := identity().Locked(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.Symlink("301", filepath.Join(dir, "302")); err != nil {
		t.Fatal(err)
	}
	if _, err := identity().Locked(t.Context(), filepath.Join(dir, "302")); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a link: %v", err)
	}
}

func TestSwVers(t *testing.T) {
	tests := []struct {
		name, script string
		want         platform.Facts
	}{
		{
			"macOS 15", `printf 'ProductName:\t\tmacOS\nProductVersion:\t\t15.1\nBuildVersion:\t\t24B83\n'`,
			platform.Facts{OS: platform.Darwin, Product: "macOS", Version: "15.1", Build: "24B83", Arch: "arm64"},
		},
		{
			"with a rapid security response", `printf 'ProductName: macOS\nProductVersion: 13.4.1\nProductVersionExtra: (c)\nBuildVersion: 22F770820d\n'`,
			platform.Facts{OS: platform.Darwin, Product: "macOS", Version: "13.4.1", Build: "22F770820d", Arch: "arm64"},
		},
		{"it fails", "exit 1", platform.Facts{Arch: "arm64"}},
		{"it prints nothing", "", platform.Facts{Arch: "arm64"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			script := filepath.Join(t.TempDir(), "sw_vers")
			if err := os.WriteFile(script, []byte("#!/bin/sh\n"+tt.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			m := platform.At(func(string) (string, error) { return script, nil }, nil)
			if d := cmp.Diff(tt.want, m.SwVers(t.Context(), platform.Facts{Arch: "arm64"})); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestSystemVersion reads the file that sw_vers prints, and asks sw_vers only where that is not what it says it is.
func TestSystemVersion(t *testing.T) {
	list := func(name, version, build string) string {
		return `<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict><key>ProductBuildVersion</key><string>` + build +
			`</string><key>ProductName</key><string>` + name + `</string><key>ProductUserVisibleVersion</key><string>` + version +
			`</string><key>ProductVersion</key><string>` + version + `</string></dict></plist>`
	}
	asked := platform.Facts{OS: platform.Darwin, Product: "macOS", Version: "26.1", Build: "25B78"}
	for _, tt := range []struct {
		name, file string
		want       platform.Facts
	}{
		{"macOS", list("macOS", "15.1", "24B83"), platform.Facts{OS: platform.Darwin, Product: "macOS", Version: "15.1", Build: "24B83"}},
		{"the one for old programs", list("Mac OS X", "10.16", "25B78"), asked},
		{"without a version", list("macOS", "", ""), asked},
		{"no property list", "ProductVersion 15.1", asked},
		{"missing", "", asked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			write := func(name, content string, mode os.FileMode) {
				t.Helper()
				if err := os.MkdirAll(filepath.Dir(root+name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(root+name, []byte(content), mode); err != nil {
					t.Fatal(err)
				}
			}
			write("/usr/bin/sw_vers", "#!/bin/sh\nprintf 'ProductName: macOS\\nProductVersion: 26.1\\nBuildVersion: 25B78\\n'\n", 0o755)
			if tt.file != "" {
				write(platform.SystemVersion, tt.file, 0o644)
			}
			m := platform.At(func(name string) (string, error) { return root + name, nil }, nil)
			if d := cmp.Diff(tt.want, m.SwVers(t.Context(), platform.Facts{})); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLocalFacts(t *testing.T) {
	f := platform.Local().Facts()
	if f.OS == "" || f.Arch == "" || f.UID != os.Geteuid() || f.Root() != (os.Geteuid() == 0) {
		t.Errorf("got %+v", f)
	}
}

func TestStateDirIsNotResolvedItself(t *testing.T) {
	for system, want := range map[string]string{platform.Darwin: "/private/var/db/lixfix", platform.Linux: "/private/var/lib/lixfix"} {
		m := platform.At(func(name string) (string, error) {
			if strings.HasSuffix(name, "lixfix") {
				return "", errors.New("the directory itself was resolved")
			}
			return "/private" + name, nil
		}, func() platform.Facts { return platform.Facts{OS: system} })
		if got := m.StateDir(); got != want {
			t.Errorf("%s: got %s, want %s", system, got, want)
		}
	}
}

// counter is a Host that counts what it is asked.
type counter struct {
	platform.Host
	queries atomic.Int32
	fail    atomic.Bool
	during  func()
}

func (c *counter) Query(context.Context, string, ...string) ([]byte, error) {
	n := c.queries.Add(1)
	if c.fail.Load() {
		return nil, errors.New("no answer")
	}
	return []byte(strconv.Itoa(int(n))), nil
}

func (c *counter) Run(context.Context, string, ...string) error {
	if c.during != nil {
		c.during()
	}
	return nil
}

func TestMemoRemembersUntilTheToolWrites(t *testing.T) {
	c := &counter{}
	m := platform.NewMemo(c)
	ask := func(ctx context.Context, tool string, args ...string) string {
		data, err := m.Query(ctx, tool, args...)
		if err != nil {
			return err.Error()
		}
		return string(data)
	}
	steps := []struct {
		name, want string
		do         func() string
	}{
		{"the first", "1", func() string { return ask(t.Context(), "dscl", "a") }},
		{"the same again", "1", func() string { return ask(t.Context(), "dscl", "a") }},
		{"other arguments", "2", func() string { return ask(t.Context(), "dscl", "b") }},
		{"fresh", "3", func() string { return ask(platform.Fresh(t.Context()), "dscl", "a") }},
		{"what fresh learnt", "3", func() string { return ask(t.Context(), "dscl", "a") }},
		{"a second time", "4", func() string { return ask(platform.Second(t.Context()), "dscl", "a") }},
		{"what the second said", "4", func() string { return ask(platform.Second(t.Context()), "dscl", "a") }},
		{"the first stays", "3", func() string { return ask(t.Context(), "dscl", "a") }},
		{"after another tool wrote", "3", func() string { _ = m.Run(t.Context(), "launchctl"); return ask(t.Context(), "dscl", "a") }},
		{"after it wrote", "5", func() string { _ = m.Run(t.Context(), "dscl"); return ask(t.Context(), "dscl", "a") }},
		{"asked while it wrote", "7", func() string {
			c.during = func() { ask(t.Context(), "dscl", "a") }
			_ = m.Run(t.Context(), "dscl")
			return ask(t.Context(), "dscl", "a")
		}},
		{"an error", "no answer", func() string { c.fail.Store(true); return ask(t.Context(), "dscl", "c") }},
		{"after the error", "9", func() string { c.fail.Store(false); return ask(t.Context(), "dscl", "c") }},
	}
	for _, s := range steps {
		if got := s.do(); got != s.want {
			t.Errorf("%s: %s, want %s", s.name, got, s.want)
		}
	}
	before := c.queries.Load()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { ask(t.Context(), "dscl", strings.Repeat("x", 3)) })
	}
	all.Wait()
	if n := c.queries.Load() - before; n != 1 {
		t.Errorf("20 at once: %d queries", n)
	}
}
