package platform_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/lixfix/lixfix/platform"
)

// TestKeep writes a file for who has called lixfix, and for nobody else.
func TestKeep(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make directories of others")
	}
	const alice, mallory = 4201, 4202
	outer, err := os.MkdirTemp("/run", "keep") //nolint:usetesting // only root makes names on the way to it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(outer) })
	if err := os.Chmod(outer, 0o755); err != nil {
		t.Fatal(err)
	}
	folder := func(name string, mode fs.FileMode, uid int) string {
		dir := filepath.Join(outer, name)
		for _, err := range []error{os.Mkdir(dir, 0o755), os.Chmod(dir, mode), os.Chown(dir, uid, uid)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	roots, hers := folder("root", 0o755, 0), folder("alice", 0o755, alice)
	others, open := folder("mallory", 0o755, mallory), folder("open", 0o777, 0)
	sticky := folder("sticky", 0o777|fs.ModeSticky, 0)
	if err := os.Symlink(others, filepath.Join(hers, "to-mallory")); err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(hers, "taken")
	if err := os.Symlink("/etc/cron.d/x", taken); err != nil {
		t.Fatal(err)
	}
	host := filepath.Join(outer, "host")
	passwd := "root:x:0:0::/root:/bin/sh\nalice:x:" + strconv.Itoa(alice) + ":" + strconv.Itoa(alice) + "::/home/alice:/bin/sh\n"
	for name, text := range map[string]string{"etc/passwd": passwd, "etc/group": "root:x:0:\n"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(host, "etc"), 0o755), os.WriteFile(filepath.Join(host, name), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	m := platform.At(func(name string) (string, error) { return filepath.Join(host, name), nil }, func() platform.Facts {
		return platform.Facts{OS: platform.Linux}
	})
	sudo := map[string]string{"SUDO_UID": strconv.Itoa(alice), "SUDO_USER": "alice"}
	for _, c := range []struct {
		name, file string
		env        map[string]string
		owner      int
		err        error
	}{
		{"root, in its own", roots + "/a", nil, 0, nil},
		{"sudo, in her own", hers + "/a", sudo, alice, nil},
		{"sudo, in root's, where she could not have made it", roots + "/b", sudo, 0, nil},
		{"sudo, in a sticky directory", sticky + "/a", sudo, alice, nil},
		{"root, in a sticky directory", sticky + "/b", nil, 0, nil},
		{"root, in a user's", hers + "/b", nil, 0, platform.ErrUntrusted},
		{"sudo, in another user's", others + "/a", sudo, 0, platform.ErrUntrusted},
		{"sudo, through a link to another user's", hers + "/to-mallory/a", sudo, 0, platform.ErrUntrusted},
		{"sudo, where everybody can turn names", open + "/a", sudo, 0, platform.ErrUntrusted},
		{"over a link", taken, sudo, 0, fs.ErrExist},
		{"over a file", roots + "/a", nil, 0, fs.ErrExist},
		{"nowhere", outer + "/none/a", nil, 0, fs.ErrNotExist},
	} {
		m.SetEnvironment(func(name string) string { return c.env[name] })
		err := m.Keep(t.Context(), c.file, []byte("x"))
		if !errors.Is(err, c.err) || c.err == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
			continue
		}
		if err != nil {
			continue
		}
		info, err := os.Lstat(c.file)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if uid := int(info.Sys().(*syscall.Stat_t).Uid); uid != c.owner || info.Mode() != 0o600 {
			t.Errorf("%s: user %d, mode %v", c.name, uid, info.Mode())
		}
	}
	if _, err := os.Lstat("/etc/cron.d/x"); err == nil {
		t.Error("it went through a link")
	}
	left, _ := filepath.Glob(outer + "/*/*")
	for _, name := range left {
		if strings.HasPrefix(name, others) || strings.HasPrefix(name, open) {
			t.Errorf("%s is left", name)
		}
	}
}
