package mac

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// Kind is a record type of the local directory node, named as its folder on disk.
type Kind string

// The record types the simulated node holds.
const (
	Users  Kind = "users"
	Groups Kind = "groups"
)

// Title is the kind's name in a dscl path and behind "dsRecTypeStandard:".
func (k Kind) Title() string {
	return strings.ToUpper(string(k[:1])) + string(k[1:])
}

// The two name spaces of attributes. dscl shows both with their prefix in
// plists, and only the native one in text.
const (
	StandardPrefix = "dsAttrTypeStandard:"
	NativePrefix   = "dsAttrTypeNative:"
)

// onDisk maps the standard attributes to the names that opendirectoryd gives
// them in the record files. A name that is not here is a native attribute: it
// is IsHidden's lack of an entry that makes "dscl -create ... IsHidden 1" read
// back as dsAttrTypeNative:IsHidden.
var onDisk = map[string]string{
	"RecordName":              "name",
	"RealName":                "realname",
	"UniqueID":                "uid",
	"PrimaryGroupID":          "gid",
	"NFSHomeDirectory":        "home",
	"UserShell":               "shell",
	"Password":                "passwd",
	"GeneratedUID":            "generateduid",
	"GroupMembership":         "users",
	"GroupMembers":            "groupmembers",
	"NestedGroups":            "nestedgroups",
	"AuthenticationAuthority": "authentication_authority",
	"AuthenticationHint":      "hint",
	"Comment":                 "comment",
	"JPEGPhoto":               "jpegphoto",
	"Picture":                 "picture",
	"SMBSID":                  "smb_sid",
	"Keywords":                "keywords",
	"TimeToLive":              "timetolive",
	"EMailAddress":            "mail",
	"FirstName":               "firstname",
	"LastName":                "lastname",
}

// computed attributes are answered by opendirectoryd without being in the
// record's file.
var computed = []string{"AppleMetaNodeLocation", "RecordType"}

var standard = func() map[string]string {
	m := make(map[string]string, len(onDisk))
	for std, disk := range onDisk {
		m[disk] = std
	}
	return m
}()

// Standard reports whether opendirectoryd lists the bare name among the
// standard attributes, which decides the prefix dscl puts before it.
func Standard(name string) bool {
	_, ok := onDisk[name]
	return ok || slices.Contains(computed, name)
}

// DiskName is the name under which an attribute is stored, for any way of
// asking for it: with either prefix, bare, or by its name on disk.
func DiskName(key string) string {
	if bare, ok := strings.CutPrefix(key, NativePrefix); ok {
		return bare
	}
	bare := strings.TrimPrefix(key, StandardPrefix)
	if disk, ok := onDisk[bare]; ok {
		return disk
	}
	return bare
}

var full = func() map[string]string {
	m := make(map[string]string, len(onDisk))
	for std, disk := range onDisk {
		m[disk] = StandardPrefix + std
	}
	return m
}()

// FullName is the prefixed name under which dscl shows what is stored as disk.
func FullName(disk string) string {
	if std, ok := full[disk]; ok {
		return std
	}
	return NativePrefix + disk
}

// shortName is FullName without the prefix: the key of [Mac.User].
func shortName(disk string) string {
	if std, ok := standard[disk]; ok {
		return std
	}
	return disk
}

// Record is one record of the node: attribute names as on disk, and their
// values in order. An attribute without values does not exist.
type Record map[string][]string

// Name is the record's first name; the others are aliases.
func (r Record) Name() string {
	if len(r["name"]) == 0 {
		return ""
	}
	return r["name"][0]
}

// Set replaces all values of an attribute; no values remove it.
func (r Record) Set(disk string, values ...string) {
	if len(values) == 0 {
		delete(r, disk)
		return
	}
	r[disk] = slices.Clone(values)
}

// Clone is a deep copy.
func (r Record) Clone() Record {
	c := make(Record, len(r))
	for k, v := range r {
		c[k] = slices.Clone(v)
	}
	return c
}

// PlistHead and PlistTail enclose every XML property list macOS writes.
const (
	PlistHead = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
`
	PlistTail = "</plist>\n"
)

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// Escape escapes as CoreFoundation does: & < > and nothing else, so control
// characters go out raw and make the document ill-formed XML.
func Escape(s string) string {
	if !strings.ContainsAny(s, "&<>") {
		return s
	}
	return escaper.Replace(s)
}

// encode gives the same bytes for the same record, whatever was done to it in
// between: a test of an undone change compares files.
func (r Record) encode() []byte {
	var b bytes.Buffer
	b.WriteString(PlistHead)
	b.WriteString("<dict>\n")
	keys := make([]string, 0, len(r))
	for k, v := range r {
		if len(v) > 0 {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		b.WriteString("\t<key>" + Escape(k) + "</key>\n\t<array>\n")
		for _, v := range r[k] {
			if utf8.ValidString(v) {
				b.WriteString("\t\t<string>" + Escape(v) + "</string>\n")
			} else {
				b.WriteString("\t\t<data>" + base64.StdEncoding.EncodeToString([]byte(v)) + "</data>\n")
			}
		}
		b.WriteString("\t</array>\n")
	}
	b.WriteString("</dict>\n" + PlistTail)
	return b.Bytes()
}

var unescaper = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">")

func unescape(s string) string {
	if !strings.Contains(s, "&") {
		return s
	}
	return unescaper.Replace(s)
}

// decode reads what encode writes. It is no general plist reader: the stand-in
// reads hundreds of records in one call and must stay quick.
func decode(data []byte) (Record, error) {
	r := Record{}
	s := string(data)
	_, s, ok := strings.Cut(s, "<dict>")
	if !ok {
		return nil, fmt.Errorf("no <dict>")
	}
	for {
		_, rest, ok := strings.Cut(s, "<key>")
		if !ok {
			return r, nil
		}
		key, rest, ok := strings.Cut(rest, "</key>")
		if !ok {
			return nil, fmt.Errorf("unfinished key")
		}
		values, rest, err := decodeArray(rest)
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", key, err)
		}
		if len(values) > 0 {
			r[unescape(key)] = values
		}
		s = rest
	}
}

func decodeArray(s string) (values []string, rest string, err error) {
	s = strings.TrimLeft(s, " \t\n")
	if rest, ok := strings.CutPrefix(s, "<array/>"); ok {
		return nil, rest, nil
	}
	s, ok := strings.CutPrefix(s, "<array>")
	if !ok {
		return nil, "", fmt.Errorf("no <array>")
	}
	for {
		s = strings.TrimLeft(s, " \t\n")
		switch {
		case strings.HasPrefix(s, "</array>"):
			return values, s[len("</array>"):], nil
		case strings.HasPrefix(s, "<string/>"):
			values, s = append(values, ""), s[len("<string/>"):]
		case strings.HasPrefix(s, "<string>"):
			v, after, ok := strings.Cut(s[len("<string>"):], "</string>")
			if !ok {
				return nil, "", fmt.Errorf("unfinished string")
			}
			values, s = append(values, unescape(v)), after
		case strings.HasPrefix(s, "<data>"):
			v, after, ok := strings.Cut(s[len("<data>"):], "</data>")
			if !ok {
				return nil, "", fmt.Errorf("unfinished data")
			}
			raw, err := base64.StdEncoding.DecodeString(v)
			if err != nil {
				return nil, "", err
			}
			values, s = append(values, string(raw)), after
		default:
			return nil, "", fmt.Errorf("unexpected %.20q", s)
		}
	}
}

// valuesIn picks one attribute out of an encoded record without decoding the
// rest, for rules that look at every record of the node.
func valuesIn(data []byte, disk string) []string {
	i := bytes.Index(data, []byte("\t<key>"+Escape(disk)+"</key>\n"))
	if i < 0 {
		return nil
	}
	values, _, err := decodeArray(string(cutArray(data[i:])))
	if err != nil {
		return nil
	}
	return values
}

func cutArray(data []byte) []byte {
	_, data, _ = bytes.Cut(data, []byte("</key>"))
	if i := bytes.Index(data, []byte("</array>")); i >= 0 {
		return data[:i+len("</array>")]
	}
	return data
}
