package plistfile_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"howett.net/plist"

	"github.com/lixfix/lixfix/platform/plistfile"
)

const (
	head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` + "\n" +
		`<plist version="1.0">` + "\n"
	tail = "\n</plist>\n"
)

// bomb is a binary list whose arrays each hold the next one twice, to a depth of 24: 154 bytes, and seconds or minutes
// to decode for who does not notice.
func bomb() []byte {
	const levels = 24
	b := []byte("bplist00")
	var offsets []byte
	for i := range levels {
		offsets = append(offsets, byte(len(b)))
		b = append(b, 0xA2, byte(i+1), byte(i+1))
	}
	offsets = append(offsets, byte(len(b)))
	b = append(b, 0x51, 'x')
	table := len(b)
	b = append(b, offsets...)
	b = append(b, 0, 0, 0, 0, 0, 0, 1, 1)
	for _, n := range []int{levels + 1, 0, table} {
		b = append(b, 0, 0, 0, 0, 0, 0, 0, byte(n))
	}
	return b
}

func TestDecode(t *testing.T) {
	values := func(v ...string) []map[string][]string {
		return []map[string][]string{{"dsAttrTypeStandard:RealName": v}}
	}
	named := func(text string) string {
		return head + "<array><dict><key>dsAttrTypeStandard:RealName</key><array>" + text + "</array></dict></array>" + tail
	}
	tests := []struct {
		name, text string
		want       []map[string][]string
	}{
		{"an empty directory", head + "<array/>" + tail, []map[string][]string{}},
		{"one user", named("<string>Nix build user 1</string>"), values("Nix build user 1")},
		{"several values", named("<string>a</string>\n\t<string>b</string>"), values("a", "b")},
		{"an empty value", named("<string/><string></string>"), values("", "")},
		{"escapes", named("<string>A &amp; &lt;B&gt; &#233; &#x1F600;</string>"), values("A & <B> é \U0001F600")},
		{"raw control characters", named("<string>a\x00b\x1bc\x7f</string>"), values("a\uFFFDb\uFFFDc\x7f")},
		{"control characters as references", named("<string>a&#0;b&#27;c&#x1b;d&#xFFFE;e</string>"), values("a\uFFFDb\uFFFDc\uFFFDd\uFFFDe")},
		{"references beyond Unicode", named("<string>&#x110000;&#99999999999999999999;</string>"), values("\uFFFD\uFFFD")},
		{"tab, newline and return", named("<string>a\tb\nc&#13;</string>"), values("a\tb\nc\r")},
		{"bytes that are not UTF-8", named("<string>Andr\xe9 \xed\xa0\x80</string>"), values("Andr\uFFFD \uFFFD")},
		{"noncharacters", named("<string>\uFFFE\uFFFF</string>"), values("\uFFFD\uFFFD")},
		{"both kinds", named("<string>\x01\xff</string>"), values("\uFFFD\uFFFD")},
		{"without its head", "<plist><array/></plist>", []map[string][]string{}},
		{"blanks in front", "\n\t " + head + "<array/>" + tail, []map[string][]string{}},
		{"CDATA and comments", named("<!-- <dict> --><string><![CDATA[</dict><dict>]]></string>"), values("</dict><dict>")},
		{"the first of two documents", head + "<array/>" + tail + head + "<array><dict/></array>" + tail, []map[string][]string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []map[string][]string
			if err := plistfile.Decode([]byte(tt.text), &got); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	full := head + "<array><dict><key>k</key><array><string>v</string></array></dict></array>" + tail
	var laughs strings.Builder
	laughs.WriteString(`<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a0 "ha">`)
	for i := range 30 {
		fmt.Fprintf(&laughs, `<!ENTITY a%d "&a%d;&a%d;">`, i+1, i, i)
	}
	laughs.WriteString("]><plist><array><dict><key>k</key><array><string>&a30;</string></array></dict></array></plist>")
	nested := func(open, end string, n int) string {
		return head + strings.Repeat(open, n) + strings.Repeat(end, n) + tail
	}
	tests := []struct {
		name, text string
		want       error // nil for any
	}{
		{"nothing, which the library takes for an empty dictionary", "", plistfile.ErrNotXML},
		{"only blanks", "\n\n", plistfile.ErrNotXML},
		{"a dictionary of OpenStep", `{ "UniqueID" = "301"; }`, plistfile.ErrNotXML},
		{"data of OpenStep", "<0fbd777f>", plistfile.ErrNotXML},
		{"text", "Data source (x) is not valid.", plistfile.ErrNotXML},
		{"a binary list", string(bomb()), plistfile.ErrNotXML},
		{"a binary list behind the start of another", "<?xml" + string(bomb()), plistfile.ErrNotXML},
		{"OpenStep behind the start of XML", "<?xml?>{a=b;}</plist>", nil},
		{"in UTF-16", "\xff\xfe<\x00?\x00", plistfile.ErrNotXML},
		{"with a byte order mark", "\uFEFF" + full, plistfile.ErrNotXML},
		{"in another encoding", strings.Replace(full, "UTF-8", "ISO-8859-1", 1), nil},
		{"an entity bomb", laughs.String(), nil},
		{"an entity of a file", `<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY f SYSTEM "file:///etc/passwd">]><plist><string>&f;</string></plist>`, nil},
		{"arrays without end", nested("<array>", "</array>", 20_000), plistfile.ErrTooDeep},
		{"dictionaries without end", nested("<dict><key>k</key>", "</dict>", 20_000), plistfile.ErrTooDeep},
		{"lists in lists", nested(`<plist version="1.0">`, "</plist>", 20_000), plistfile.ErrTooDeep},
		{"with a name space", nested("<x:dict><x:key>k</x:key>", "</x:dict>", 20_000), plistfile.ErrTooDeep},
		{"with an attribute that looks like an end", nested(`<dict a="/>"><key>k</key>`, "</dict>", 20_000), plistfile.ErrTooDeep},
		{"with ends in comments", nested("<array><!-- </array> -->", "</array>", 20_000), plistfile.ErrTooDeep},
		{"with ends in a directive", nested(`<array><!X "</array></array>">`, "</array>", 20_000), plistfile.ErrTooDeep},
		{"with ends in an instruction", nested("<array><?x </array> ?>", "</array>", 20_000), plistfile.ErrTooDeep},
		{"with ends in CDATA", nested("<array><string><![CDATA[</array></array>]]></string>", "</array>", 20_000), plistfile.ErrTooDeep},
		{"one level too many", nested("<array>", "</array>", 34), plistfile.ErrTooDeep},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			var got any
			err := plistfile.Decode([]byte(tt.text), &got)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, %v", got, err)
			}
			if spent := time.Since(began); spent > 2*time.Second {
				t.Errorf("it took %s", spent)
			}
		})
	}
	t.Run("cut off anywhere", func(t *testing.T) {
		end := len(strings.TrimRight(full, "\n"))
		for i := range end {
			var got any
			if err := plistfile.Decode([]byte(full[:i]), &got); err == nil {
				t.Errorf("accepted %q as %v", full[:i], got)
			}
		}
	})
	t.Run("32 levels are enough", func(t *testing.T) {
		var got any
		if err := plistfile.Decode([]byte(nested("<array>", "</array>", 32)), &got); err != nil {
			t.Error(err)
		}
	})
}

func TestDocuments(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"blanks", " \n", nil},
		{"one", "<plist>1</plist>\n", []string{"<plist>1</plist>"}},
		{"two records of one name", "<plist>1</plist>\n<plist>2</plist>\n", []string{"<plist>1</plist>", "<plist>2</plist>"}},
		{"the second cut off", "<plist>1</plist>\n<plist>2", []string{"<plist>1</plist>", "<plist>2"}},
		{"text behind it", "<plist>1</plist>\nx\n", []string{"<plist>1</plist>", "x\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, d := range plistfile.Documents([]byte(tt.text)) {
				got = append(got, string(d))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// users makes the answer of "dscl -plist . -readall /Users" for n users.
func users(n int) []byte {
	var b strings.Builder
	b.WriteString(head + "<array>\n")
	for i := range n {
		b.WriteString("\t<dict>\n")
		for key, value := range map[string]string{
			"dsAttrTypeStandard:RecordName": fmt.Sprintf("_nixbld%d", i), "dsAttrTypeStandard:UniqueID": fmt.Sprint(300 + i),
			"dsAttrTypeStandard:PrimaryGroupID": "30000", "dsAttrTypeStandard:NFSHomeDirectory": "/var/empty",
			"dsAttrTypeStandard:UserShell": "/sbin/nologin", "dsAttrTypeStandard:RealName": fmt.Sprintf("Nix build user %d", i),
			"dsAttrTypeStandard:GeneratedUID": "E75C1E93-9DD8-4E75-907A-EF5E09BED5C6", "dsAttrTypeNative:IsHidden": "1",
		} {
			fmt.Fprintf(&b, "\t\t<key>%s</key>\n\t\t<array>\n\t\t\t<string>%s</string>\n\t\t</array>\n", key, value)
		}
		b.WriteString("\t</dict>\n")
	}
	b.WriteString("</array>" + tail)
	return []byte(b.String())
}

// BenchmarkDecode reports, besides the usual, how much memory is in use when a list has been decoded.
func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		data := users(n)
		b.Run(fmt.Sprintf("%d-users", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			var got []map[string][]string
			for b.Loop() {
				got = nil
				if err := plistfile.Decode(data, &got); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/user")
			b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-live")
			b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-from-system")
			runtime.KeepAlive(got)
		})
	}
}

func FuzzDecode(f *testing.F) {
	binary, err := hex.DecodeString("62706c6973743030")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"", "{}", "<0101>", string(binary), string(bomb()), head + "<array/>" + tail, string(users(2)),
		head + "<dict><key>a</key><string>\x00\xff&#27;</string></dict>" + tail, head + "<integer>-</integer>" + tail,
		head + "<integer>0x</integer>" + tail, head + "<date>x</date>" + tail, head + "<data>=</data>" + tail, "<plist/>",
		head + "<dict><key>CF$UID</key><integer>1</integer></dict>" + tail, head + "<real></real>" + tail,
		`<!DOCTYPE plist [<!ENTITY a "b">]><plist><string>&a;</string></plist>`, head + strings.Repeat("<array>", 40) + tail,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, d := range plistfile.Documents(data) {
			if len(d) == 0 {
				t.Fatal("an empty document")
			}
		}
		var dicts []map[string][]string
		if err := plistfile.Decode(data, &dicts); err != nil {
			return
		}
		for _, d := range dicts {
			for _, values := range d {
				for _, v := range values {
					if !utf8.ValidString(v) {
						t.Fatalf("%q is not UTF-8", v)
					}
				}
			}
		}
		// What was accepted is read the same when it is written anew.
		again, err := plist.Marshal(dicts, plist.XMLFormat)
		if err != nil {
			t.Fatal(err)
		}
		var same []map[string][]string
		if err := plistfile.Decode(again, &same); err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
	})
}
