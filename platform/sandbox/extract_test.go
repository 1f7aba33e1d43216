package sandbox

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
)

func reported(t testing.TB, r Report) string {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return Prefix + string(data)
}

func TestExtract(t *testing.T) {
	const nonce = "nabcdef"
	mine := reported(t, Report{Nonce: nonce, UID: 1000, Files: map[string]File{ResolvConf: {Data: []byte(Prefix + "\n\x1b[2J\r")}}})
	other := reported(t, Report{Nonce: "nother", UID: 0})
	large := strings.Repeat("a builder that says much, and LIXFIX-PROBE-1 {\"nonce\":\"nabcdef\" too\n", 150_000)
	tests := []struct {
		name, log string
		none      bool
	}{
		{name: "alone", log: mine + "\n"},
		{name: "no newline", log: mine},
		{name: "behind a name", log: "lixfix-dns-probe-nabcdef> " + mine + "\n"},
		{name: "CR", log: mine + "\r\n"},
		{name: "among others", log: "building\n" + other + "\n" + mine + "\nwarning\n"},
		{name: "behind an unfinished line", log: "half a line \x1b[31m" + Prefix + "{" + mine + "\n"},
		{name: "behind 10 MB", log: large + mine + "\n"},
		{name: "before 10 MB", log: mine + "\n" + large},
		{name: "somebody else's", log: other + "\n", none: true},
		{name: "cut", log: mine[:len(mine)-1] + "\n", none: true},
		{name: "more behind it", log: mine + "}\n", none: true},
		{name: "over two lines", log: strings.Replace(mine, ",", "\n,", 1), none: true},
		{name: "the nonce somewhere else", log: reported(t, Report{Nonce: "x", Cwd: nonce}) + "\n", none: true},
		{name: "one endless line", log: strings.Repeat(Prefix, 700_000) + mine, none: false},
		{name: "longer than any report", log: Prefix + strings.Repeat(" ", lineLimit) + mine[len(Prefix):], none: true},
		{name: "nothing", none: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			r := Extract([]byte(tt.log), nonce)
			if (r == nil) != tt.none {
				t.Fatalf("%+v", r)
			}
			if r != nil && (r.Nonce != nonce || r.UID != 1000) {
				t.Errorf("%+v", r)
			}
			// Generous: what is quadratic takes hours.
			if took := time.Since(began); took > time.Minute {
				t.Errorf("took %s", took)
			}
		})
	}
	if Extract([]byte(reported(t, Report{})), "") != nil {
		t.Error("an empty nonce matches what has none")
	}
}

func TestLines(t *testing.T) {
	got := lines([]byte("one\n\n\x1b[31;1mtwo\x1b[0m\r\n\x07three\x00\u202e\nfour\n"), 3)
	if strings.Join(got, "|") != "two| three|four" {
		t.Errorf("%q", got)
	}
}

// FuzzExtract gives Extract hostile logs around and instead of a report.
func FuzzExtract(f *testing.F) {
	const nonce = "nabcdef"
	mine := []byte(reported(f, Report{Nonce: nonce, UID: 1000, Cwd: "/build"}))
	f.Add([]byte("building '/nix/store/x.drv'...\n"), []byte("\nwarning"))
	f.Add([]byte("x> "), []byte("\r"))
	f.Add([]byte(Prefix), []byte(Prefix))
	f.Add([]byte(Prefix+`{"nonce":"nabcdef"}`+"\n"), []byte{})
	f.Add([]byte("\x1b]0;title\x07\x1b[2K"), []byte("\x00\xff"))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		for _, log := range [][]byte{before, append(bytes.Clone(before), after...)} {
			if r := Extract(log, nonce); r != nil && r.Nonce != nonce {
				t.Errorf("a report of another: %+v", r)
			}
			for _, l := range lines(log, 20) {
				if strings.ContainsFunc(l, unicode.IsControl) {
					t.Errorf("a control character in %q", l)
				}
			}
		}
		// On a line of its own it is found whatever else there is.
		log := append(append(append(append(bytes.Clone(before), '\n'), mine...), '\n'), after...)
		if r := Extract(log, nonce); r == nil {
			t.Errorf("not found in %q", log)
		}
	})
}
