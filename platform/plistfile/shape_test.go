package plistfile

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"howett.net/plist"
)

const (
	before = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
`
	after = "</plist>\n"
	user  = `<dict>
	<key>dsAttrTypeStandard:RealName</key>
	<array>
		<string>Nix &lt;build&gt; user &amp; 1</string>
		<string> ä </string>
	</array>
	<key>uid</key>
	<array>
		<string>350</string>
	</array>
</dict>
`
)

// theirs decodes with the library alone.
func theirs(data []byte) (list []map[string][]string, err error) {
	_, err = plist.Unmarshal(data, &list)
	return list, err
}

// TestShape: what dscl prints is read without the library, and what differs in the least is left to it.
func TestShape(t *testing.T) {
	for i, text := range []string{
		before + "<array>\n" + user + user + "</array>\n" + after,
		before + user + after,
	} {
		list, one, ok := records([]byte(text))
		want := map[string][]string{"dsAttrTypeStandard:RealName": {"Nix <build> user & 1", " ä "}, "uid": {"350"}}
		if !ok || one != (i == 1) || len(list) == 0 {
			t.Fatalf("%v, %v, %v of\n%s", list, one, ok, text)
		}
		for _, got := range list {
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		}
	}
	for _, text := range []string{
		"<array/>", "<array></array>", "<dict/>", "<dict></dict>", "<dict><key>a</key><array/></dict>",
		"<dict><key>a</key><array></array></dict>", "<dict><key>a</key><string>b</string></dict>",
		"<dict><key>a</key><array><string/></array></dict>", "<dict><key>a</key><array><integer>1</integer></array></dict>",
		"<dict><key>a</key><array><string>b<!-- c --></string></array></dict>",
		"<dict><key>a</key><array><string><![CDATA[b]]></string></array></dict>",
		"<dict><key>a</key><array><string>b]]>c</string></array></dict>",
		"<dict><key>a</key><array><string>b\r\nc</string></array></dict>",
		"<dict><key>a</key><array><string>&quot;</string></array></dict>",
		"<dict><key>a</key><array><string>&amp</string></array></dict>",
		"<dict><key>a</key><array><string>b</string></array><key>a</key><array><string>c</string></array></dict>",
		user + user, "<array>" + user, user + "</array>", "<array>" + user + "</array>x",
	} {
		if got, _, ok := records([]byte(before + text + after)); ok {
			t.Errorf("%s was read as %v", text, got)
		}
	}
	if _, _, ok := records([]byte(before + user)); ok {
		t.Error("a list that ends in the middle was read")
	}
}

// FuzzShape: whatever is read without the library, the library reads the same.
func FuzzShape(f *testing.F) {
	for _, seed := range []string{
		"<array>\n" + user + user + "</array>\n", "<array>" + user + "</array>",
		"<array><dict><key>CF$UID</key><array><string>1</string></array></dict></array>",
		"<array><dict><key></key><array><string></string></array></dict></array>",
		"<array><dict><key>a&amp;</key><array><string>\x00\xff\u2028\ufffe</string></array></dict></array>",
		"<array>\n<dict>\t<key> a </key> <array> <string> b </string> </array> </dict> </array> ",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		data := sanitize(fmt.Appendf(nil, "%s%s%s", before, body, after))
		got, one, ok := records(bytes.TrimLeft(data, " \t\r\n"))
		if !ok || one {
			return
		}
		want, err := theirs(data)
		if err != nil {
			t.Fatalf("the library says %v, and this was read: %q", err, got)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("library against ours:\n%s", d)
		}
	})
}
