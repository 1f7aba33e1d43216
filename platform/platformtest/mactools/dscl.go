package mactools

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// status is a Directory Services status. dscl exits with its negative, so the
// caller sees (-status) & 255.
type status int

const (
	eDSNoErr               status = 0
	eDSUnknownNodeName     status = -14009
	eDSAuthFailed          status = -14090
	eDSPermissionError     status = -14120
	eDSAttributeNotFound   status = -14134
	eDSRecordAlreadyExists status = -14135
	eDSRecordNotFound      status = -14136
	eNotHandledByThisNode  status = -14987
	eNotYetImplemented     status = -14988
)

var statusNames = map[status]string{
	eDSUnknownNodeName:     "eDSUnknownNodeName",
	eDSAuthFailed:          "eDSAuthFailed",
	eDSPermissionError:     "eDSPermissionError",
	eDSAttributeNotFound:   "eDSAttributeNotFound",
	eDSRecordAlreadyExists: "eDSRecordAlreadyExists",
	eDSRecordNotFound:      "eDSRecordNotFound",
	eNotHandledByThisNode:  "eNotHandledByThisNode",
	eNotYetImplemented:     "eNotYetImplemented",
}

func (s status) String() string {
	if n, ok := statusNames[s]; ok {
		return n
	}
	return fmt.Sprintf("unknown error code: %d", int(s))
}

// errInvalidPath is dscl's "DSCL" exception: any failure to walk to a path.
var errInvalidPath = errors.New("Invalid Path")

// directory is one run of dscl.
type directory struct {
	*mac.Session
	plist, raw, url bool
	search          bool   // the data source is /Search
	verb            string // what dscl does, under its first name
}

// verb is what follows the data source.
type verb struct {
	name   string
	least  int // fewest arguments
	writes bool
	run    func(d *directory, args []string) (status, error)
}

var verbs = func() map[string]verb {
	m := map[string]verb{}
	for _, v := range []struct {
		names string
		verb
	}{
		{"create createprop mk", verb{"create", 1, true, (*directory).create}},
		{"delete destroy destroyprop rm", verb{"delete", 1, true, (*directory).remove}},
		{"append", verb{"append", 3, true, (*directory).append}},
		{"merge", verb{"merge", 3, true, (*directory).merge}},
		{"change", verb{"change", 4, true, (*directory).change}},
		{"changei", verb{"changei", 4, true, (*directory).changeIndex}},
		{"read cat .", verb{"read", 1, false, (*directory).read}},
		{"readall", verb{"readall", 1, false, (*directory).readAll}},
		{"list ls", verb{"list", 1, false, (*directory).list}},
		{"search", verb{"search", 3, false, (*directory).find}},
	} {
		for n := range strings.FieldsSeq(v.names) {
			m[n] = v.verb
		}
	}
	return m
}()

func dscl(s *mac.Session, args []string) int {
	d := &directory{Session: s}
options:
	for len(args) > 0 {
		switch args[0] {
		case "-plist":
			d.plist = true
		case "-raw":
			d.raw = true
		case "-url":
			d.url = true
		case "-q", "-H", "-t", "-p":
		case "-u", "-P", "-f":
			args = args[min(1, len(args)-1):]
		default:
			break options
		}
		args = args[1:]
	}
	if len(args) == 0 {
		d.Printf("Entering interactive mode... (type \"help\" for commands)\n")
		return 0
	}
	source := args[0]
	switch source {
	case ".", "/Local/Default":
	case "/Search":
		d.search = true
	default:
		d.Printf("Data source (%s) is not valid.\n", source)
		return 69
	}
	if len(args) == 1 {
		// Interactive mode reads commands from stdin and always exits 0; the
		// stand-in has none.
		d.Printf("Goodbye\n")
		return 0
	}
	word := strings.TrimPrefix(args[1], "-")
	args = args[2:]
	v, ok := verbs[word]
	if !ok {
		d.Errorf("%s", dsclUsage)
		return 0
	}
	if len(args) < v.least {
		d.Errorf("Too few parameters for %s operation\n", word)
		d.Errorf("%s", dsclUsage)
		return 64
	}
	d.verb = v.name
	if v.writes {
		d.Write()
	} else {
		d.Read()
	}
	st, err := v.run(d, args)
	switch {
	case errors.Is(err, errInvalidPath):
		d.Printf("%s: %v\n", word, err)
		st = eDSUnknownNodeName
	case err != nil:
		d.Must(err)
	}
	if st != eDSNoErr {
		d.Errorf("<dscl_cmd> DS Error: %d (%v)\n", int(st), st)
	}
	return int(-st) & 255
}

// place is where a dscl path leads: the root of the node, a record type, or a
// record.
type place struct {
	kind   mac.Kind
	name   string // of the record as asked for
	record mac.Record
}

// components decodes a path as NSString(NSStringEscPath) does: a backslash
// protects the next character, %xx is decoded afterwards, so an encoded dot is
// a dot when the walk skips dots.
func components(path string) []string {
	path = strings.ReplaceAll(path, `\/`, "%2f")
	path = strings.ReplaceAll(path, `\\`, "%5c")
	path = strings.ReplaceAll(path, `\`, "")
	var parts []string
	for p := range strings.SplitSeq(path, "/") {
		if p == "" {
			continue
		}
		if u, err := url.PathUnescape(p); err == nil {
			p = u
		}
		parts = append(parts, p)
	}
	return parts
}

func kindOf(part string) (mac.Kind, bool) {
	part = strings.TrimPrefix(part, "dsRecTypeStandard:")
	for _, k := range []mac.Kind{mac.Users, mac.Groups} {
		if strings.EqualFold(part, string(k)) {
			return k, true
		}
	}
	return "", false
}

// walk goes to a path. It fails for any reason with errInvalidPath, as dscl
// does: it swallows what the node said (dscl/PathManager.m cd).
func (d *directory) walk(path string) (place, error) {
	var stack []place
	for _, part := range components(path) {
		switch {
		case part == "..":
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
		case part == ".":
		case len(stack) == 0:
			k, ok := kindOf(part)
			if !ok {
				return place{}, errInvalidPath
			}
			stack = append(stack, place{kind: k})
		case len(stack) == 1:
			k := stack[0].kind
			r, err := d.open(k, part)
			if errors.Is(err, mac.ErrNoRecord) {
				return place{}, errInvalidPath
			}
			if err != nil {
				return place{}, err
			}
			stack = append(stack, place{kind: k, name: part, record: r})
		default:
			return place{}, errInvalidPath
		}
	}
	if len(stack) == 0 {
		return place{}, nil
	}
	return stack[len(stack)-1], nil
}

func (d *directory) open(k mac.Kind, name string) (mac.Record, error) {
	r, err := d.Mac.Find(k, name)
	if err != nil && d.search && errors.Is(err, mac.ErrNoRecord) && k == mac.Users {
		for _, r := range d.Config.Network {
			if slices.Contains(r["name"], name) {
				return r, nil
			}
		}
	}
	return r, err
}

func (d *directory) all(k mac.Kind) ([]mac.Record, error) {
	all, err := d.Mac.All(k)
	all = slices.DeleteFunc(all, func(r mac.Record) bool { return !d.Listed(r.Name()) })
	if err == nil && d.search && k == mac.Users {
		all = append(all, d.Config.Network...)
		slices.SortStableFunc(all, func(a, b mac.Record) int {
			return strings.Compare(strings.ToLower(a.Name()), strings.ToLower(b.Name()))
		})
	}
	return all, err
}

// prefixed completes a key as dscl does for reading: the prefix it has, the
// standard one if the node lists the name, else the native one. The names on
// disk are thereby native names of the same data.
func prefixed(key string) string {
	switch {
	case strings.HasPrefix(key, mac.StandardPrefix), strings.HasPrefix(key, mac.NativePrefix):
		return key
	case mac.Standard(key):
		return mac.StandardPrefix + key
	}
	return mac.NativePrefix + key
}

// get answers for one prefixed key of a record.
func get(k mac.Kind, r mac.Record, full string) []string {
	if bare, ok := strings.CutPrefix(full, mac.StandardPrefix); ok {
		switch {
		case bare == "AppleMetaNodeLocation":
			return []string{"/Local/Default"}
		case bare == "RecordType":
			return []string{"dsRecTypeStandard:" + k.Title()}
		case !mac.Standard(bare):
			return nil
		}
	}
	return r[mac.DiskName(full)]
}

// pick is the record as dscl shows it, restricted to keys if there are any.
func pick(k mac.Kind, r mac.Record, keys []string) map[string][]string {
	shown := map[string][]string{}
	if len(keys) == 0 {
		for disk, values := range r {
			shown[mac.FullName(disk)] = values
		}
		keys = []string{"AppleMetaNodeLocation", "RecordType"}
	}
	for _, key := range keys {
		full := prefixed(key)
		if values := get(k, r, full); len(values) > 0 {
			shown[full] = values
		}
	}
	return shown
}

func (d *directory) read(args []string) (status, error) {
	path, keys := args[0], args[1:]
	// The last component of -read is taken as it stands, not decoded; with a
	// colon the rules differ, for mount records. The stand-in knows none.
	path = strings.TrimRight(path, "/")
	i := strings.LastIndexByte(path, '/')
	dir, last := path[:i+1], path[i+1:]
	at, err := d.walk(dir)
	if err != nil {
		return 0, err
	}
	switch {
	case last == "" || last == ".":
		if at.kind == "" {
			d.dictionary(map[string][]string{
				mac.StandardPrefix + "AppleMetaNodeLocation": {"/Local/Default"},
			}, keys)
			return 0, nil
		}
		d.Printf("name: dsRecTypeStandard:%s\n", at.kind.Title())
		return 0, nil
	case at.kind == "":
		if k, ok := kindOf(last); ok {
			d.Printf("name: dsRecTypeStandard:%s\n", k.Title())
		}
		return 0, nil
	case at.record != nil:
		return 0, nil
	}
	found, err := d.named(at.kind, last)
	if err != nil {
		return 0, err
	}
	if len(found) == 0 {
		return eDSRecordNotFound, nil
	}
	for _, r := range found {
		d.dictionary(pick(at.kind, r, keys), keys)
	}
	return 0, nil
}

func (d *directory) named(k mac.Kind, name string) ([]mac.Record, error) {
	if !d.Config.Switches.SharedNames {
		r, err := d.open(k, name)
		if errors.Is(err, mac.ErrNoRecord) {
			return nil, nil
		}
		return []mac.Record{r}, err
	}
	all, err := d.all(k)
	return slices.DeleteFunc(all, func(r mac.Record) bool { return !slices.Contains(r["name"], name) }), err
}

func (d *directory) readAll(args []string) (status, error) {
	at, err := d.walk(args[0])
	if err != nil {
		return 0, err
	}
	if at.kind == "" || at.record != nil {
		// Only record types have a list; a nil list prints nothing.
		return 0, nil
	}
	all, err := d.all(at.kind)
	if err != nil {
		return 0, err
	}
	keys := args[1:]
	if len(keys) > 0 && !slices.Contains(keys, "RecordName") {
		keys = append(slices.Clone(keys), "RecordName")
	}
	if !d.plist {
		for i, r := range all {
			if i > 0 {
				d.Printf("-\n")
			}
			d.dictionary(pick(at.kind, r, keys), nil)
		}
		return 0, nil
	}
	if len(all) == 0 {
		if !d.Config.Switches.NilList {
			d.Stdout.WriteString(mac.PlistHead + "<array/>\n" + mac.PlistTail)
		}
		return 0, nil
	}
	d.Stdout.WriteString(mac.PlistHead + "<array>\n")
	for _, r := range all {
		d.dict(pick(at.kind, r, keys), "\t")
	}
	d.Stdout.WriteString("</array>\n" + mac.PlistTail)
	return 0, nil
}

// list prints text even with -plist.
func (d *directory) list(args []string) (status, error) {
	at, err := d.walk(args[0])
	if err != nil {
		return 0, err
	}
	if at.record != nil {
		return 0, nil
	}
	if at.kind == "" {
		for _, k := range []mac.Kind{mac.Groups, mac.Users} {
			d.Printf("%s\n", k.Title())
		}
		return 0, nil
	}
	all, err := d.all(at.kind)
	if err != nil {
		return 0, err
	}
	if len(args) == 1 {
		for _, r := range all {
			d.Printf("%s\n", r.Name())
		}
		return 0, nil
	}
	full := prefixed(args[1])
	longest := 0
	for _, r := range all {
		if len(get(at.kind, r, full)) > 0 {
			longest = max(longest, len(r.Name()))
		}
	}
	for _, r := range all {
		values := get(at.kind, r, full)
		if len(values) == 0 {
			continue
		}
		d.Printf("%-*s", longest+2, r.Name())
		for _, v := range values {
			d.value(printable(v))
		}
		d.Printf("\n")
	}
	return 0, nil
}

// find is -search. The values print as the description of an NSArray.
func (d *directory) find(args []string) (status, error) {
	at, err := d.walk(args[0])
	if err != nil {
		return 0, err
	}
	kinds := []mac.Kind{at.kind}
	switch {
	case at.record != nil:
		d.Printf("You can only search a node or record type path.\n")
		return 0, nil
	case at.kind == "":
		kinds = []mac.Kind{mac.Users, mac.Groups}
	}
	full := prefixed(args[1])
	name := full
	if !d.raw {
		name = strings.TrimPrefix(full, mac.StandardPrefix)
	}
	for _, k := range kinds {
		all, err := d.all(k)
		if err != nil {
			return 0, err
		}
		for _, r := range all {
			values := get(k, r, full)
			if !slices.Contains(values, args[2]) {
				continue
			}
			quoted := make([]string, len(values))
			for i, v := range values {
				quoted[i] = "    " + describe(v)
			}
			d.Printf("%s\t\t%s = (\n%s\n)\n", r.Name(), name, strings.Join(quoted, ",\n"))
		}
	}
	return 0, nil
}
