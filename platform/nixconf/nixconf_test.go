package nixconf_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixconf"
)

// files is a View of some files; nil stands for one that cannot be read.
type files struct {
	platform.View
	text map[string]*string
}

func (f files) ReadFile(_ context.Context, name string) ([]byte, error) {
	text, ok := f.text[name]
	switch {
	case !ok:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case text == nil:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return []byte(*text), nil
}

func TestRead(t *testing.T) {
	const main = nixconf.File
	at := func(value, file string) nixconf.Setting { return nixconf.Setting{Value: value, File: file} }
	many := map[string]string{main: "!include 1", "/etc/nix/31": "a = last"}
	for i := 1; i < 31; i++ {
		n := strings.Repeat("x", i)
		many[main] = "!include x"
		many["/etc/nix/"+n] = "!include x" + n
	}
	many["/etc/nix/"+strings.Repeat("x", 31)] = "a = last"
	tests := []struct {
		name  string
		files map[string]string // "-" cannot be read
		want  nixconf.Conf
		err   error // nil with a nil want for any
	}{
		{"no file", nil, nixconf.Conf{}, nil},
		{"an empty file", map[string]string{main: ""}, nixconf.Conf{}, nil},
		{"cannot be read", map[string]string{main: "-"}, nil, fs.ErrPermission},
		{
			"as the installers write it",
			map[string]string{main: "# comment\n\nbuild-users-group = nixbld\nexperimental-features = nix-command flakes # why not\n"},
			nixconf.Conf{"build-users-group": at("nixbld", main), "experimental-features": at("nix-command flakes", main)},
			nil,
		},
		{"CRLF, and no newline at the end", map[string]string{main: "a = 1\r\n\r\n# x\r\nb = 2\r"}, nixconf.Conf{"a": at("1", main), "b": at("2", main)}, nil},
		{"an empty value", map[string]string{main: "build-users-group =\n"}, nixconf.Conf{"build-users-group": at("", main)}, nil},
		{"the last one counts", map[string]string{main: "a = 1\na = 2"}, nixconf.Conf{"a": at("2", main)}, nil},
		{"blanks in front", map[string]string{main: "\t a  =   1 \t 2"}, nixconf.Conf{"a": at("1 2", main)}, nil},
		{"a value with an equals sign", map[string]string{main: "access-tokens = github.com=secret"}, nixconf.Conf{"access-tokens": at("github.com=secret", main)}, nil},
		{"no blanks around the equals sign", map[string]string{main: "a=1"}, nil, nil},
		{"garbage", map[string]string{main: "\x00\xff\xfe"}, nil, nil},
		{"a name alone", map[string]string{main: "a = 1\nbuild-users-group\n"}, nil, nil},
		{
			"an included file",
			map[string]string{main: "a = 1\ninclude extra.conf\nb = 1", "/etc/nix/extra.conf": "a = 2\nb = 2"},
			nixconf.Conf{"a": at("2", "/etc/nix/extra.conf"), "b": at("1", main)},
			nil,
		},
		{
			"an absolute one, and one relative to it",
			map[string]string{main: "include /opt/nix/a", "/opt/nix/a": "!include b", "/opt/nix/b": "x = y"},
			nixconf.Conf{"x": at("y", "/opt/nix/b")},
			nil,
		},
		{"an optional one that is missing", map[string]string{main: "!include nix.custom.conf\na = 1"}, nixconf.Conf{"a": at("1", main)}, nil},
		{"one that is missing", map[string]string{main: "include nix.custom.conf\na = 1"}, nil, fs.ErrNotExist},
		{"an optional one that cannot be read", map[string]string{main: "!include secret", "/etc/nix/secret": "-"}, nil, fs.ErrPermission},
		{"an optional one that includes a missing one", map[string]string{main: "!include a\nx = y", "/etc/nix/a": "include none\nx = z"}, nil, fs.ErrNotExist},
		{"it includes itself", map[string]string{main: "include nix.conf"}, nil, nil},
		{"two include each other", map[string]string{main: "!include a", "/etc/nix/a": "!include nix.conf"}, nil, nil},
		{"as many as are allowed", many, nixconf.Conf{"a": at("last", "/etc/nix/"+strings.Repeat("x", 31))}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := files{text: map[string]*string{}}
			for name, text := range tt.files {
				v.text[name] = &text
				if text == "-" {
					v.text[name] = nil
				}
			}
			got, err := nixconf.Read(t.Context(), v, main)
			if tt.want == nil {
				if err == nil || tt.err != nil && !errors.Is(err, tt.err) {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if d := cmp.Diff(tt.want, got); err != nil || d != "" {
				t.Error(d, err)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"", "a = b # c\r\n", "include nix.conf\n", "!include x\n", "a=b", "\x00", "build-users-group =\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := nixconf.Read(t.Context(), files{text: map[string]*string{nixconf.File: &text}}, nixconf.File)
		if err != nil {
			return
		}
		for name, s := range c {
			if name == "" || strings.ContainsAny(name+s.Value, "#\n\r") {
				t.Fatalf("%q = %q", name, s.Value)
			}
		}
	})
}
