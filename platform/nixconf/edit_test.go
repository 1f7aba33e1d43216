package nixconf_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform/nixconf"
)

func TestEdit(t *testing.T) {
	const conf = "# head\nsandbox = true\n  pasta-path = \"\" # off\r\nextra = a  b\npasta-path-x = 1"
	for _, c := range []struct{ name, data, value, with, without string }{
		{
			name: "a line with a comment", data: conf,
			with:    "# head\nsandbox = true\n  pasta-path = # off\r\nextra = a  b\npasta-path-x = 1",
			without: "# head\nsandbox = true\n# off\r\nextra = a  b\npasta-path-x = 1",
		},
		{name: "none", data: "a = b", value: "/p", with: "a = b\npasta-path = /p\n", without: "a = b"},
		{name: "empty", with: "pasta-path =\n"},
		{
			name: "twice: the last counts", data: "pasta-path = /a\npasta-path = /b\n", value: "/c",
			with: "pasta-path = /a\npasta-path = /c\n",
		},
		{name: "not a setting", data: "pasta-path=/a\n#pasta-path = /b\n", with: "pasta-path=/a\n#pasta-path = /b\npasta-path =\n", without: "pasta-path=/a\n#pasta-path = /b\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := nixconf.With([]byte(c.data), "pasta-path", c.value)
			if err != nil || string(got) != c.with {
				t.Errorf("with the setting: %q, %v, want %q", got, err, c.with)
			}
			if got := string(nixconf.Without([]byte(c.data), "pasta-path")); got != c.without {
				t.Errorf("without it: %q, want %q", got, c.without)
			}
		})
	}
	for _, bad := range []string{"a\nb = c", "a#b", "\x1b[2J"} {
		if got, err := nixconf.With(nil, "x", bad); err == nil {
			t.Errorf("the value %q gave %q", bad, got)
		}
	}
}

// others are the lines that do not set a name.
func others(data []byte, name string) []string {
	var list []string
	for line := range strings.Lines(string(data)) {
		if _, set := nixconf.Value([]byte(line), name); !set {
			list = append(list, line)
		}
	}
	return list
}

func FuzzEdit(f *testing.F) {
	f.Add([]byte("# a\nsandbox = true\npasta-path = \"\" # x\n!include y\n"), "/nix/store/x")
	f.Add([]byte("pasta-path =\r\n\x00"), "")
	f.Fuzz(func(t *testing.T, data []byte, value string) {
		const name = "pasta-path"
		gone := nixconf.Without(data, name)
		if v, ok := nixconf.Value(gone, name); ok {
			t.Fatalf("%q still sets it to %q", gone, v)
		}
		var comments []string
		for _, line := range others(gone, name) {
			if strings.HasPrefix(line, "#") {
				comments = append(comments, line)
			}
		}
		// What stays is what was there, but for comments that stood behind the setting.
		kept := slices.DeleteFunc(others(gone, name), func(l string) bool { return slices.Contains(comments, l) })
		were := slices.DeleteFunc(others(data, name), func(l string) bool { return strings.HasPrefix(l, "#") })
		if !slices.Equal(kept, were) {
			t.Fatalf("%q lost or changed lines: %q", data, gone)
		}
		if strings.Count(string(gone), "#") < strings.Count(string(data), "#") {
			t.Fatalf("%q lost a comment: %q", data, gone)
		}
		with, err := nixconf.With(data, name, value)
		if err != nil {
			return
		}
		want := strings.Join(strings.Fields(value), " ")
		if got, ok := nixconf.Value(with, name); !ok || strings.Join(strings.Fields(got), " ") != want {
			t.Fatalf("%q sets it to %q, want %q", with, got, value)
		}
		before, after := others(data, name), others(with, name)
		if _, had := nixconf.Value(data, name); !had && len(before) > 0 {
			last := len(before) - 1
			before[last] = strings.TrimSuffix(before[last], "\n") + "\n" // a line was added behind it
		}
		if !slices.Equal(before, after) {
			t.Fatalf("%q changed other lines: %q", data, with)
		}
		again, err := nixconf.With(with, name, value)
		if err != nil || string(again) != string(with) {
			t.Fatalf("%q, once more %q: %v", with, again, err)
		}
	})
}
