package mactools

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// dictionary prints one record, in plist or text form. Only the text form says
// which requested keys are missing.
func (d *directory) dictionary(shown map[string][]string, requested []string) {
	if d.plist {
		d.Stdout.WriteString(mac.PlistHead)
		d.dict(shown, "")
		d.Stdout.WriteString(mac.PlistTail)
		return
	}
	for _, key := range sorted(shown) {
		d.attribute(key, shown[key])
	}
	told := map[string]bool{}
	for _, key := range requested {
		bare := !strings.HasPrefix(key, mac.StandardPrefix) && !strings.HasPrefix(key, mac.NativePrefix)
		there := shown[key] != nil
		if bare {
			there = shown[mac.StandardPrefix+key] != nil || shown[mac.NativePrefix+key] != nil
		}
		if !there && !told[key] {
			told[key] = true
			d.Errorf("No such key: %s\n", key)
		}
	}
}

func sorted(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return strings.Compare(strings.ToLower(a), strings.ToLower(b))
	})
	return keys
}

func (d *directory) dict(shown map[string][]string, indent string) {
	b := &d.Stdout
	if len(shown) == 0 {
		b.WriteString(indent + "<dict/>\n")
		return
	}
	b.WriteString(indent + "<dict>\n")
	keys := make([]string, 0, len(shown))
	for k := range shown {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	write := func(parts ...string) {
		for _, part := range parts {
			b.WriteString(part)
		}
	}
	for _, k := range keys {
		write(indent, "\t<key>", mac.Escape(k), "</key>\n", indent, "\t<array>\n")
		for _, v := range shown[k] {
			write(indent, "\t\t<string>", d.escape(printable(v)), "</string>\n")
		}
		write(indent, "\t</array>\n")
	}
	write(indent, "</dict>\n")
}

func (d *directory) escape(v string) string {
	v = mac.Escape(v)
	if !d.Config.Switches.ControlReferences {
		return v
	}
	var b strings.Builder
	for _, r := range v {
		if r < ' ' && r != '\n' && r != '\t' {
			fmt.Fprintf(&b, "&#%d;", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// printable shows a value that is no text as hex, in groups of four bytes.
func printable(v string) string {
	if utf8.ValidString(v) {
		return v
	}
	digits := hex.EncodeToString([]byte(v))
	var groups []string
	for len(digits) > 8 {
		groups, digits = append(groups, digits[:8]), digits[8:]
	}
	return strings.Join(append(groups, digits), " ")
}

func (d *directory) attribute(key string, values []string) {
	if !d.raw {
		key = strings.TrimPrefix(key, mac.StandardPrefix)
	}
	shown := make([]string, len(values))
	blank := false
	for i, v := range values {
		shown[i] = printable(v)
		blank = blank || strings.Contains(shown[i], " ")
	}
	d.Printf("%s:", key)
	for _, v := range shown {
		if blank {
			d.Stdout.WriteByte('\n')
		}
		d.value(v)
	}
	d.Stdout.WriteByte('\n')
}

func (d *directory) value(v string) {
	if d.url {
		v = strings.ReplaceAll(url.PathEscape(v), "%2F", "/")
	}
	d.Stdout.WriteString(" " + v)
}

// describe quotes a string as NSArray's description does: anything but letters,
// digits and a few signs.
func describe(v string) string {
	plain := v != ""
	for _, r := range v {
		ok := r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("_$/:.", r)
		plain = plain && ok
	}
	if plain {
		return v
	}
	return strconv.Quote(v)
}

const dsclUsage = `dscl (v28)
usage: dscl [options] [<datasource> [<command>]]
datasource:
    localhost    (default)                                    or
    localonly    (activates a DirectoryService daemon process   
                  with Local node only - daemon quits after use 
    <hostname>   (requires DS proxy support, >= DS-158)       or
    <nodename>   (Directory Service style node name)          or
    <domainname> (NetInfo style domain name)
options:
    -u <user>      authenticate as user (required when using DS Proxy)
    -P <password>  authentication password
    -p             prompt for password
    -f <filepath>  targeted file path for DS daemon running in localonly mode
                   (example: /Volumes/Build100/var/db/dslocal/nodes/Default) 
                   (NOTE: Nodename to use is fixed at /Local/Target) 
    -raw           don't strip off prefix from DS constants
    -plist         print out record(s) or attribute(s) in XML plist format
    -url           print record attribute values in URL-style encoding
    -q             quiet - no interactive prompt
commands:
    -read      <path> [<key>...]
    -readall   <path> [<key>...]
    -readpl    <path> <key> <plist path>
    -readpli   <path> <key> <value index> <plist path>
    -create    <record path> [<key> [<val>...]]
    -createpl  <record path> <key> <plist path> <val1> [<val2>...]
    -createpli <record path> <key> <value index> <plist path> <val1> [<val2>...]
    -delete    <path> [<key> [<val>...]]
    -deletepl  <record path> <key> <plist path> [<val>...]
    -deletepli <record path> <key> <value index> <plist path> [<val>...]
    -list      <path> [<key>]
    -append    <record path> <key> <val>...
    -merge     <record path> <key> <val>...
    -change    <record path> <key> <old value> <new value>
    -changei   <record path> <key> <value index> <new value>
    -diff      <first path> <second path>
    -search    <path> <key> <val>
    -auth      [<user> [<password>]]
    -authonly  [<user> [<password>]]
    -passwd    <user path> [<new password> | <old password> <new password>]
`
