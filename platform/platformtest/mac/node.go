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
)

// nodePath is where opendirectoryd keeps the local node, one file a record.
const nodePath = "private/var/db/dslocal/nodes/Default"

// ErrNoRecord says that the node has no record of that name.
var ErrNoRecord = errors.New("no such record")

func (m *Mac) folder(k Kind) string {
	return filepath.Join(m.Root, nodePath, string(k))
}

func (m *Mac) file(k Kind, name string) string {
	return filepath.Join(m.folder(k), strings.ReplaceAll(name, "/", "%2f")+".plist")
}

// names lists the record files of a kind without their ending.
func (m *Mac) names(k Kind) ([]string, error) {
	d, err := os.Open(m.folder(k))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	files, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	names := files[:0]
	for _, f := range files {
		if n, ok := strings.CutSuffix(f, ".plist"); ok {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names, nil
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
	names, err := m.names(k)
	if err != nil {
		return nil, err
	}
	all := make([]Record, 0, len(names))
	for _, n := range names {
		data, err := os.ReadFile(m.file(k, n))
		if errors.Is(err, fs.ErrNotExist) {
			continue // Deleted since the listing, as can happen on a Mac.
		}
		if err != nil {
			return nil, err
		}
		r, err := m.parse(k, n, data)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b Record) int {
		return strings.Compare(strings.ToLower(a.Name()), strings.ToLower(b.Name()))
	})
	return all, nil
}

// Holder finds a record, other than the one named except, that has value among
// the values of the attribute. Numbers compare as numbers. None is nil.
func (m *Mac) Holder(k Kind, attribute, value, except string) (Record, error) {
	return m.holder(k, DiskName(attribute), value, except)
}

func (m *Mac) holder(k Kind, disk, value, except string) (Record, error) {
	names, err := m.names(k)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if n == except {
			continue
		}
		data, err := os.ReadFile(m.file(k, n))
		if err != nil {
			continue
		}
		if slices.ContainsFunc(valuesIn(data, disk), func(v string) bool { return same(v, value) }) {
			return m.parse(k, n, data)
		}
	}
	return nil, nil
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
