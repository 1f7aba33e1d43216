// Package receipt reads and edits the receipt that the Determinate, Lix and NixOS installers leave behind.
//
// Its shape changed often, and typed readers fail on most real ones. This one looks for the single object that
// describes the build users, at any depth, and edits numbers in place: every other byte stays as it is.
package receipt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// File is where the installers keep the receipt.
const File = "/nix/receipt.json"

const (
	maxDepth  = 64
	maxValues = 1 << 18 // a receipt of 10,000 users has 160,000
)

var (
	// ErrFormat is returned for a receipt that is not JSON.
	ErrFormat = errors.New("the receipt cannot be read")
	// ErrUsers is returned for a receipt that does not describe the build users exactly once, as that of an
	// installation without any does.
	ErrUsers = errors.New("the receipt does not describe the build users")
)

// Receipt is what the receipt says of the build users.
type Receipt struct {
	Prefix string   // "" where it does not say
	Group  string   // likewise
	Names  []string // of the users, in its order

	data  []byte
	users *node
}

// node is a value in the text, by its offsets.
type node struct {
	start, end int
	object     []member
	array      []*node
	text       string // of a string, decoded
	kind       byte   // '{', '[', '"', '0' for numbers, 'a' for the rest
}

type member struct {
	key   string
	value *node
}

func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, m := range n.object {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// Parse parses a receipt. The error wraps ErrFormat or ErrUsers.
func Parse(data []byte) (*Receipt, error) {
	p := parser{dec: json.NewDecoder(bytes.NewReader(data)), data: data}
	p.dec.UseNumber()
	root, err := p.value(0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if rest := bytes.TrimSpace(data[root.end:]); len(rest) > 0 {
		return nil, fmt.Errorf("%w: there is more after its end", ErrFormat)
	}
	var found []*node
	collect(root.get("actions"), &found)
	if len(found) != 1 {
		return nil, fmt.Errorf("%w: %d descriptions found", ErrUsers, len(found))
	}
	r := &Receipt{data: data, users: found[0]}
	r.Prefix = str(r.users.get("nix_build_user_prefix"))
	r.Group = str(r.users.get("nix_build_group_name"))
	for _, u := range r.users.get("create_users").array {
		if name := str(account(u).get("name")); name != "" {
			r.Names = append(r.Names, name)
		}
	}
	return r, nil
}

// collect gathers the objects that describe the build users. "planner" holds a similar one, outside of "actions".
func collect(n *node, found *[]*node) {
	if n == nil {
		return
	}
	if users := n.get("create_users"); users != nil && users.kind == '[' && n.get("nix_build_user_id_base") != nil {
		*found = append(*found, n)
		return
	}
	for _, m := range n.object {
		collect(m.value, found)
	}
	for _, v := range n.array {
		collect(v, found)
	}
}

// account returns the object with the fields of an action: {"action": {...}, "state": ...} in all shapes but the
// hand-made ones, which may lack the wrapping.
func account(n *node) *node {
	if a := n.get("action"); a != nil && a.kind == '{' {
		return a
	}
	return n
}

func str(n *node) string {
	if n == nil || n.kind != '"' {
		return ""
	}
	return n.text
}

// Change is a number in the receipt that the directory contradicts.
type Change struct {
	Field string // "create_users _nixbld7 uid"
	From  string // as it stands there
	To    int

	at *node
}

// Compare returns the numbers to change so that the receipt agrees with the directory: the user ID of each user and
// the ID of the group, if that is known (not negative). The base is changed when all user IDs have the same distance from the numbers of their names.
func (r *Receipt) Compare(uids map[string]int, gid int) []Change {
	var changes []Change
	want := func(field string, n *node, to int) {
		if to >= 0 && n != nil && n.kind == '0' && string(r.data[n.start:n.end]) != strconv.Itoa(to) {
			changes = append(changes, Change{Field: field, From: string(r.data[n.start:n.end]), To: to, at: n})
		}
	}
	want("nix_build_group_id", r.users.get("nix_build_group_id"), gid)
	want("create_group gid", account(r.users.get("create_group")).get("gid"), gid)
	for _, list := range []string{"create_users", "add_users_to_groups"} {
		l := r.users.get(list)
		if l == nil {
			continue
		}
		for _, u := range l.array {
			a := account(u)
			name := str(a.get("name"))
			if uid, ok := uids[name]; ok {
				want(list+" "+name+" uid", a.get("uid"), uid)
			}
			want(list+" "+name+" gid", a.get("gid"), gid)
		}
	}
	if base, ok := r.base(uids); ok {
		want("nix_build_user_id_base", r.users.get("nix_build_user_id_base"), base)
	}
	return changes
}

// base returns UID - N where that is the same for every user of the receipt.
func (r *Receipt) base(uids map[string]int) (int, bool) {
	base, known := 0, false
	for _, name := range r.Names {
		digits := name[len(strings.TrimRight(name, "0123456789")):]
		n, err := strconv.Atoi(digits)
		uid, ok := uids[name]
		if err != nil || !ok || known && uid-n != base {
			return 0, false
		}
		base, known = uid-n, true
	}
	return base, known
}

// Edit returns the receipt with the changes made.
func (r *Receipt) Edit(changes []Change) []byte {
	changes = slices.Clone(changes)
	slices.SortFunc(changes, func(a, b Change) int { return a.at.start - b.at.start })
	var out []byte
	from := 0
	for _, c := range changes {
		out = append(out, r.data[from:c.at.start]...)
		out = strconv.AppendInt(out, int64(c.To), 10)
		from = c.at.end
	}
	return append(out, r.data[from:]...)
}

// parser builds nodes from the tokens of encoding/json, which checks the syntax and tells where each token ends.
type parser struct {
	dec    *json.Decoder
	data   []byte
	values int
}

func (p *parser) value(depth int) (*node, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	if p.values++; p.values > maxValues {
		return nil, errors.New("too many values")
	}
	start := p.next()
	token, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	n := &node{start: start, kind: 'a'}
	switch t := token.(type) {
	case json.Delim:
		n.kind = byte(t)
		seen := map[string]bool{}
		for p.dec.More() {
			if t == '[' {
				v, err := p.value(depth + 1)
				if err != nil {
					return nil, err
				}
				n.array = append(n.array, v)
				continue
			}
			key, err := p.dec.Token()
			if err != nil {
				return nil, err
			}
			v, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			name := fmt.Sprint(key)
			if seen[name] {
				// Readers differ in which of the two they take.
				return nil, fmt.Errorf("the key %q stands twice in one object", name)
			}
			seen[name] = true
			n.object = append(n.object, member{key: name, value: v})
		}
		if _, err := p.dec.Token(); err != nil {
			return nil, err
		}
	case json.Number:
		n.kind = '0'
	case string:
		n.kind, n.text = '"', t
	}
	n.end = int(p.dec.InputOffset())
	return n, nil
}

// next returns where the next token starts: behind white space and the separators that the decoder passes over.
func (p *parser) next() int {
	i := int(p.dec.InputOffset())
	for i < len(p.data) && strings.IndexByte(" \t\r\n:,", p.data[i]) >= 0 {
		i++
	}
	return i
}
