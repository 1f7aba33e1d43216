package mac

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// nodePath is where opendirectoryd keeps the local node, one file a record.
const nodePath = "private/var/db/dslocal/nodes/Default"

// ErrNoRecord says that the node has no record of that name.
var ErrNoRecord = errors.New("no such record")

func (m *Mac) folder(k Kind) string { return m.Root + "/" + nodePath + "/" + string(k) }

func (m *Mac) file(k Kind, name string) string {
	return m.folder(k) + "/" + strings.ReplaceAll(name, "/", "%2f") + ending
}

// ending is that of a record's file.
const ending = ".plist"

// each gives the files of a kind by name, without their ending, until visit
// returns false. The content is only good until it returns. The stand-in reads
// hundreds of records in one call, so each takes three calls of the kernel.
func (m *Mac) each(k Kind, except string, visit func(name string, data []byte) bool) error {
	d, err := os.Open(m.folder(k))
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	buffer := make([]byte, 16<<10)
	for _, file := range names {
		name, ok := strings.CutSuffix(file, ending)
		if !ok || name == except {
			continue
		}
		var n int
		n, buffer, err = slurp(int(d.Fd()), file, buffer)
		if errors.Is(err, fs.ErrNotExist) {
			continue // Deleted since the listing, as can happen on a Mac.
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", m.folder(k)+"/"+file, err)
		}
		if !visit(name, buffer[:n]) {
			return nil
		}
	}
	return nil
}

// slurp reads a file in a folder into the buffer, or one that is large enough.
func slurp(folder int, file string, buffer []byte) (int, []byte, error) {
	f, err := again(func() (int, error) { return unix.Openat(folder, file, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return 0, buffer, err
	}
	defer unix.Close(f)
	for at := 0; ; {
		n, err := again(func() (int, error) { return unix.Read(f, buffer[at:]) })
		if err != nil {
			return 0, buffer, err
		}
		if at += n; at < len(buffer) {
			return at, buffer, nil // A regular file gives all that it has.
		}
		buffer = append(buffer, make([]byte, len(buffer))...)
	}
}

func again(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// Find opens the record called name: the one whose file is named so, or else
// the first that has name as an alias.
func (m *Mac) Find(k Kind, name string) (Record, error) {
	data, err := os.ReadFile(m.file(k, name))
	if err == nil {
		return m.parse(k, name, data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	r, err := m.holder(k, "name", name, "")
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, fmt.Errorf("%s %s: %w", k, name, ErrNoRecord)
	}
	return r, nil
}

func (m *Mac) parse(k Kind, name string, data []byte) (Record, error) {
	r, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("read record %s/%s: %w", k, name, err)
	}
	if r.Name() == "" {
		r.Set("name", name)
	}
	return r, nil
}

// All reads every record of a kind, sorted by name without case as dscl does.
func (m *Mac) All(k Kind) ([]Record, error) {
	type named struct {
		key string
		Record
	}
	var found []named
	var broken error
	err := m.each(k, "", func(name string, data []byte) bool {
		var r Record
		if r, broken = m.parse(k, name, data); broken == nil {
			found = append(found, named{strings.ToLower(r.Name()), r})
		}
		return broken == nil
	})
	if err == nil {
		err = broken
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b named) int { return strings.Compare(a.key, b.key) })
	all := make([]Record, len(found))
	for i, r := range found {
		all[i] = r.Record
	}
	return all, nil
}

// Holder finds a record, other than the one named except, that has value among
// the values of the attribute. Numbers compare as numbers. None is nil.
func (m *Mac) Holder(k Kind, attribute, value, except string) (Record, error) {
	return m.holder(k, DiskName(attribute), value, except)
}

func (m *Mac) holder(k Kind, disk, value, except string) (r Record, err error) {
	var broken error
	err = m.each(k, except, func(name string, data []byte) bool {
		if slices.ContainsFunc(valuesIn(data, disk), func(v string) bool { return same(v, value) }) {
			r, broken = m.parse(k, name, data)
			return false
		}
		return true
	})
	if err == nil {
		err = broken
	}
	return r, err
}

func same(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	return errX == nil && errY == nil && x == y
}

// Put stores a record under its first name, atomically.
func (m *Mac) Put(k Kind, r Record) error {
	if r.Name() == "" {
		return fmt.Errorf("store %s: a record needs a name", k)
	}
	return m.replace(m.file(k, r.Name()), r.encode(), 0o600)
}

// Remove deletes a record's file.
func (m *Mac) Remove(k Kind, name string) error {
	r, err := m.Find(k, name)
	if err != nil {
		return err
	}
	return os.Remove(m.file(k, r.Name()))
}

// replace writes beside and renames. The unfinished file lies where no
// comparison of trees looks, since a killed tool cannot remove it.
func (m *Mac) replace(name string, data []byte, mode fs.FileMode) error {
	old, err := os.ReadFile(name)
	if err == nil && bytes.Equal(old, data) {
		return nil
	}
	tmp := filepath.Join(m.Root, bookkeeping, "tmp", fmt.Sprintf("%d.%s", os.Getpid(), filepath.Base(name)))
	if err := os.WriteFile(tmp, data, mode); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}

// guid makes a GeneratedUID out of what it is for, so that two runs of one
// test give two Macs that can be compared byte for byte.
func guid(seed string) string {
	h := sha256.Sum256([]byte(seed))
	h[6] = h[6]&0x0f | 0x40
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// AppleGUID is the form macOS gives the GeneratedUID of its own accounts: a
// fixed head and the number in hex.
func AppleGUID(k Kind, id int) string {
	head := "FFFFEEEE-DDDD-CCCC-BBBB-AAAA"
	if k == Groups {
		head = "ABCDEFAB-CDEF-ABCD-EFAB-CDEF"
	}
	return fmt.Sprintf("%s%08X", head, uint32(int32(id)))
}
