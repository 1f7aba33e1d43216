package trust_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/trust"
)

const (
	alice = 1234
	bob   = 1235
)

var root = []int{0}

// tree makes files: "DIR/" is a directory, "NAME -> TARGET" a link, anything else a file.
type entry struct {
	name   string
	mode   uint32 // 0755 for a directory and 0644 for a file unless given
	uid    int
	target string
}

func plant(t *testing.T, entries ...entry) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these files belong to several users; run the test as root")
	}
	base := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for dir := base; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		must(os.Chmod(dir, 0o755))
	}
	for _, e := range entries {
		name := filepath.Join(base, e.name)
		mode := e.mode
		switch {
		case e.target != "":
			must(os.Symlink(e.target, name))
		case e.name[len(e.name)-1] == '/':
			must(os.Mkdir(name, 0o755))
			if mode == 0 {
				mode = 0o755
			}
		default:
			must(os.WriteFile(name, []byte("text"), 0o644))
			if mode == 0 {
				mode = 0o644
			}
		}
		must(os.Lchown(name, e.uid, e.uid))
		if e.target == "" {
			must(unix.Chmod(name, mode))
		}
	}
	return base
}

func TestWalk(t *testing.T) {
	tests := []struct {
		name    string
		entries []entry
		ask     string
		weak    []string // directory and whose, of each weak place
	}{
		{"root's alone", []entry{{name: "d/"}, {name: "d/f"}}, "d/f", nil},
		{"a directory of alice's", []entry{{name: "d/", uid: alice}, {name: "d/f"}}, "d/f", []string{"d user 1234"}},
		{"a group may write", []entry{{name: "d/", mode: 0o775}, {name: "d/f"}}, "d/f", []string{"d members of group 0"}},
		{"everybody may write", []entry{{name: "d/", mode: 0o777}, {name: "d/f"}}, "d/f", []string{"d everybody"}},
		{"sticky, and root's file", []entry{{name: "d/", mode: 0o1777}, {name: "d/f"}}, "d/f", nil},
		{"sticky, and alice's file", []entry{{name: "d/", mode: 0o1777}, {name: "d/f", uid: alice}}, "d/f", []string{"d user 1234"}},
		{"sticky for a group, and root's file", []entry{{name: "d/", mode: 0o1775}, {name: "d/f"}}, "d/f", nil},
		{"sticky, and alice's link", []entry{{name: "d/", mode: 0o1777}, {name: "f"}, {name: "d/l", uid: alice, target: "../f"}}, "d/l", []string{"d user 1234"}},
		{"sticky, and root's link", []entry{{name: "d/", mode: 0o1777}, {name: "f"}, {name: "d/l", target: "../f"}}, "d/l", []string{"d everybody"}},
		{"sticky, and root's directory", []entry{{name: "d/", mode: 0o1777}, {name: "d/e/"}, {name: "d/e/f"}}, "d/e/f", nil},
		{"alice's sticky directory", []entry{{name: "d/", mode: 0o1755, uid: alice}, {name: "d/f"}}, "d/f", []string{"d user 1234"}},
		{"root's link into alice's", []entry{{name: "d/", uid: alice}, {name: "d/f"}, {name: "l", target: "d/f"}}, "l", []string{"d user 1234"}},
		{"through alice's and back", []entry{{name: "d/", uid: alice}, {name: "f"}}, "d/../f", nil},
		{"a link of alice's up and out", []entry{{name: "d/", uid: alice}, {name: "f"}, {name: "d/l", uid: alice, target: ".."}}, "d/l/f", []string{"d user 1234"}},
		{"two of them", []entry{{name: "a/", uid: alice}, {name: "a/b/", uid: bob}, {name: "a/b/f"}}, "a/b/f", []string{"a user 1234", "a/b user 1235"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := plant(t, tt.entries...)
			f, err := trust.Walk(filepath.Join(base, "/")+"/"+tt.ask, root, trust.End)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var weak []string
			for _, w := range f.Weak {
				dir, err := filepath.Rel(base, w.Dir)
				if err != nil {
					t.Fatal(err)
				}
				weak = append(weak, dir+" "+w.Whose())
			}
			if len(weak) != len(tt.weak) {
				t.Fatalf("got %v, want %v", weak, tt.weak)
			}
			for i := range weak {
				if weak[i] != tt.weak[i] {
					t.Errorf("got %v, want %v", weak, tt.weak)
				}
			}
			if err := f.Trusted(); errors.Is(err, trust.ErrUntrusted) != (len(tt.weak) > 0) {
				t.Errorf("trusted: %v", err)
			}
			if _, err := os.Stat(f.Path); err != nil {
				t.Errorf("leads to %s: %v", f.Path, err)
			}
		})
	}
}

// TestWalkDistrustsHardLinks: where protected_hardlinks is off, anybody can give a file of root's another name.
func TestWalkDistrustsHardLinks(t *testing.T) {
	base := plant(t, entry{name: "program"}, entry{name: "d/", mode: 0o1777})
	if err := os.Link(base+"/program", base+"/d/f"); err != nil {
		t.Fatal(err)
	}
	f, err := trust.Walk(base+"/d/f", root, trust.End)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var u *trust.Untrusted
	if !errors.As(f.Trusted(), &u) || u.Whose() != "everybody" {
		t.Errorf("got %v", f.Trusted())
	}
}

func TestWalkFails(t *testing.T) {
	base := plant(t, entry{name: "f"}, entry{name: "loop", target: "loop"}, entry{name: "gone", target: "nowhere"})
	for name, want := range map[string]error{
		base + "/none": fs.ErrNotExist, base + "/gone": fs.ErrNotExist, base + "/none/f": fs.ErrNotExist,
		base + "/f/x": unix.ENOTDIR, base + "/loop": unix.ELOOP, "relative": unix.EINVAL,
	} {
		if f, err := trust.Walk(name, root, trust.End); !errors.Is(err, want) {
			t.Errorf("%s: %+v, %v, want %v", name, f, err, want)
		}
	}
	f, err := trust.Walk(base+"/loop", root, trust.Link)
	if err != nil || f.Type() != unix.S_IFLNK {
		t.Fatalf("the link itself: %+v, %v", f, err)
	}
	f.Close()
	for _, name := range []string{"/", "/..", "/proc/..", "/."} {
		f, err := trust.Walk(name, root, trust.End)
		if err != nil || f.Path != "/" || f.Type() != unix.S_IFDIR {
			t.Fatalf("%s: %+v, %v", name, f, err)
		}
		f.Close()
	}
}

// TestWalkFollowsNoMagicLink: what a process has open is named by a link in /proc, which the kernel follows without
// looking at the name in it. The walk refuses it.
func TestWalkFollowsNoMagicLink(t *testing.T) {
	base := plant(t, entry{name: "f"})
	open, err := os.Open(base + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := os.Remove(base + "/f"); err != nil {
		t.Fatal(err)
	}
	link := "/proc/self/fd/" + itoa(int(open.Fd()))
	if _, err := os.ReadFile(link); err != nil {
		t.Fatalf("the kernel follows it: %v", err)
	}
	if f, err := trust.Walk(link, root, trust.End); !errors.Is(err, trust.ErrProcess) {
		t.Errorf("%+v, %v", f, err)
	}
}

func itoa(n int) string {
	var b []byte
	for ; n > 0; n /= 10 {
		b = append([]byte{byte('0' + n%10)}, b...)
	}
	return string(b)
}

func TestReadable(t *testing.T) {
	tests := []struct {
		name    string
		entries []entry
		ask     string
		ok      bool
	}{
		{"root's own secret", []entry{{name: "d/"}, {name: "d/f", mode: 0o600}}, "d/f", true},
		{"alice's own secret", []entry{{name: "d/", uid: alice}, {name: "d/f", mode: 0o600, uid: alice}}, "d/f", true},
		{"what all may read", []entry{{name: "d/", uid: alice}, {name: "f"}, {name: "d/l", uid: alice, target: "../f"}}, "d/l", true},
		{"a secret of root's, by alice's link", []entry{{name: "d/", uid: alice}, {name: "f", mode: 0o600}, {name: "d/l", uid: alice, target: "../f"}}, "d/l", false},
		{"a secret of bob's", []entry{{name: "d/", uid: alice}, {name: "f", mode: 0o600, uid: bob}, {name: "d/l", uid: alice, target: "../f"}}, "d/l", false},
		{"behind a closed directory", []entry{{name: "d/", uid: alice}, {name: "c/", mode: 0o700}, {name: "c/f"}, {name: "d/l", uid: alice, target: "../c/f"}}, "d/l", false},
		{"a secret of alice's, where all may write", []entry{{name: "d/", mode: 0o777}, {name: "d/f", mode: 0o600, uid: alice}}, "d/f", false},
		{"a file of the kernel's", []entry{{name: "d/", uid: alice}, {name: "d/l", uid: alice, target: "/proc/version"}}, "d/l", false},
		{"the same by root's link", []entry{{name: "d/"}, {name: "d/l", target: "/proc/version"}}, "d/l", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := plant(t, tt.entries...)
			f, err := trust.Walk(base+"/"+tt.ask, root, trust.End)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := f.Readable(); (err == nil) != tt.ok || err != nil && !errors.Is(err, trust.ErrUntrusted) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestOpenOpensWhatWasFound: between the walk and the opening, the name is given to something else.
func TestOpenOpensWhatWasFound(t *testing.T) {
	base := plant(t, entry{name: "f"}, entry{name: "secret", mode: 0o600})
	f, err := trust.Walk(base+"/f", root, trust.End)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Rename(base+"/secret", base+"/f"); err != nil {
		t.Fatal(err)
	}
	fd, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil || now.Ino != f.Stat.Ino {
		t.Errorf("opened another file: %v", err)
	}
}

func TestParent(t *testing.T) {
	base := plant(
		t, entry{name: "d/"}, entry{name: "a/", uid: alice}, entry{name: "a/d/"}, entry{name: "s/", mode: 0o1777},
		entry{name: "s/d/"}, entry{name: "l", target: "a"}, entry{name: "f"},
	)
	for name, want := range map[string]error{
		"d/f": nil, "d/new": nil, "s/d/f": nil,
		"a/f": trust.ErrUntrusted, "a/d/f": trust.ErrUntrusted, "s/f": trust.ErrUntrusted, "l/f": trust.ErrUntrusted,
		"none/f": fs.ErrNotExist, "f/f": unix.ENOTDIR,
	} {
		p, err := trust.Parent(base+"/"+name, root)
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		var u *trust.Untrusted
		if errors.As(err, &u) && (u.Name != base+"/"+name || u.Dir == "") {
			t.Errorf("%s: the error does not say what: %+v", name, u)
		}
		if p != nil {
			p.Close()
		}
	}
}
