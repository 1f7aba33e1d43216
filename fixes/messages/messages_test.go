package messages_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/known"
	"github.com/lixfix/lixfix/fixes/messages"
)

func index() *messages.Index { return messages.New(fixes.All(), known.Pages()) }

// leads reports whether a match leads to a finding, a page or a fix.
func leads(m messages.Match, to string) bool {
	return slices.Contains(m.Fixes, to) || slices.ContainsFunc(m.Kinds, func(k *fix.Kind) bool { return k.ID == to })
}

func show(all []messages.Match) string {
	var b strings.Builder
	for _, m := range all {
		fmt.Fprintf(&b, "\n  %v %q (%q):", m.Sure, m.Message, m.Line)
		for _, k := range m.Kinds {
			b.WriteString(" " + k.ID)
		}
	}
	return b.String()
}

type row struct{ text, to string }

// rows are the tables of messages.
func rows(t testing.TB) []row {
	t.Helper()
	data, err := os.ReadFile("testdata/messages.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var all []row
	for line := range strings.Lines(string(data)) {
		if line[0] != '#' {
			text, to, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			all = append(all, row{text, to})
		}
	}
	return all
}

// filled is a message as a host prints it.
func filled(text string) string { return strings.ReplaceAll(text, "…", "/home/alice/x-1.2") }

// Every message that is known leads to its finding, or to a page.
func TestMessages(t *testing.T) {
	x := index()
	for _, r := range rows(t) {
		for _, text := range []string{r.text, filled(r.text)} {
			got := x.Find(text)
			if len(got) == 0 || text != r.text && !leads(got[0], r.to) || !slices.ContainsFunc(got, func(m messages.Match) bool { return leads(m, r.to) }) {
				t.Errorf("%q does not lead to %s, but to:%s", text, r.to, show(got))
			} else if got[0].Number != 1 {
				t.Errorf("%q was found in line %d", text, got[0].Number)
			}
		}
	}
}

// So does every message in the tables of kinds.
func TestKindsAreFound(t *testing.T) {
	x := index()
	kinds := known.Pages()
	for _, f := range fixes.All() {
		kinds = append(kinds, f.Kinds()...)
		for _, s := range f.Doc().Symptoms {
			if got := x.Find(filled(s)); !slices.ContainsFunc(got, func(m messages.Match) bool { return leads(m, f.Name()) }) {
				t.Errorf("%s: %q leads to:%s", f.Name(), s, show(got))
			}
		}
	}
	for _, k := range kinds {
		for _, m := range k.Messages {
			if got := x.Find(filled(m)); !slices.ContainsFunc(got, func(m messages.Match) bool { return leads(m, k.ID) }) {
				t.Errorf("%s: %q leads to:%s", k.ID, m, show(got))
			}
		}
	}
}

var quotedWord = regexp.MustCompile(`'([^' ]*)'`)

// dresses are what terminals, logs and chats make of a line.
var dresses = map[string]func(string) string{
	"typographic quotation marks": func(s string) string { return quotedWord.ReplaceAllString(s, "‘$1’") },
	"double quotation marks":      func(s string) string { return quotedWord.ReplaceAllString(s, `"$1"`) },
	"colours": func(s string) string {
		return "\x1b[31;1merror:\x1b[0m " + quotedWord.ReplaceAllString(s, "'\x1b[35;1m$1\x1b[0m'") + "\x1b[0m"
	},
	"colours that were copied": func(s string) string { return `\u001b[31;1merror:\u001b[0m ` + s + `\e[0m` },
	"a progress bar": func(s string) string {
		return "[1/0/1 built] \x1b[0m\x1b[?2026l\r\x1b[K\x1b[31;1merror:\x1b[0m " + s + "\r\n"
	},
	"a journal":            func(s string) string { return "Nov 29 13:16:54 hall nix-daemon[812]: error: " + s },
	"a journal with zones": func(s string) string { return "2026-11-29T13:16:54+0000 hall nix-daemon[812]: " + s },
	"the log of a build":   func(s string) string { return "hello-2.12> error: " + s },
	"a trace": func(s string) string {
		return "error:\n       … while calling the 'derivationStrict' builtin\n         at «internal»:1:552:\n\n       error: " + s + "\n"
	},
	"Windows":         func(s string) string { return "error: " + s + "\r\n" },
	"capital letters": strings.ToUpper,
	"a narrow terminal": func(s string) string {
		var b strings.Builder
		for i, r := range []rune("error: " + s) {
			if i > 0 && i%60 == 0 {
				b.WriteByte('\n')
			}
			b.WriteRune(r)
		}
		return b.String()
	},
	"an indented paragraph": func(s string) string {
		words := strings.Split(s, " ")
		half := len(words) / 2
		return "error: " + strings.Join(words[:half], " ") + "\n       " + strings.Join(words[half:], " ")
	},
}

func TestDresses(t *testing.T) {
	x := index()
	for name, dress := range dresses {
		for _, r := range rows(t) {
			if r.text[0] == ':' && strings.Contains(dress("a b\n"), "\n       ") {
				continue // two words are not to be broken as well
			}
			text := dress(filled(r.text))
			got := x.Find(text)
			if !slices.ContainsFunc(got[:min(1, len(got))], func(m messages.Match) bool { return leads(m, r.to) }) {
				t.Errorf("%s: %q does not lead to %s, but to:%s", name, text, r.to, show(got))
			}
		}
	}
}

// Quotation marks that a chat has left out are missed only where few words are left.
func TestNoQuotationMarks(t *testing.T) {
	x := index()
	for text, to := range map[string]string{
		"the user _nixbld7 in the group nixbld does not exist":                                             "sequoia/users-missing",
		"error: cannot connect to socket at /nix/var/nix/daemon-socket/socket: Connection refused":         "daemon/stale-socket",
		"illegal configuration line foo in /etc/nix/nix.conf":                                              "nix-conf/syntax",
		"ignoring untrusted substituter https://x.example.org, you are not a trusted user":                 "nix-conf/not-trusted",
		"waiting for lock on /nix/store/abc-hello":                                                         "stuck/waits-for-output-lock",
		"cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Verbindungsaufbau abgelehnt":     "daemon/stale-socket",
		"cannot connect to socket at « /nix/var/nix/daemon-socket/socket » : Connexion refusée":            "daemon/stale-socket",
		"error: opening lock file '/nix/var/nix/db/big-lock': Отказано в доступе":                          "daemon/no-init",
		"error: creating directory '/nix/store': 許可がありません":                                                 "daemon/not-mounted",
		"User _nixbld5 existed but had a different uid (305) than planned (355)":                           "sequoia/receipt-stale",
		"error: experimental Nix feature 'flakes' is disabled; add '--extra-experimental-features flakes'": "nix-conf/feature-off",
	} {
		if got := x.Find(text); len(got) == 0 || !leads(got[0], to) || !got[0].Sure {
			t.Errorf("%q does not lead to %s, but to:%s", text, to, show(got))
		}
	}
}

// What a build prints day by day matches nothing, line by line and as a whole.
func TestOrdinaryLines(t *testing.T) {
	x := index()
	data, err := os.ReadFile("testdata/ordinary.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) < 60 {
		t.Fatalf("only %d lines", len(lines))
	}
	for _, text := range append(lines, string(data), strings.Repeat("hello> "+strings.Join(lines, "\nhello> ")+"\n", 50)) {
		if got := x.Find(text); len(got) > 0 {
			t.Errorf("%.200q leads to:%s", text, show(got))
		}
	}
}

var escaped = strings.NewReplacer(`\e`, "\x1b", `\r`, "\r")

// The same errors, as Lix prints them to pipes and to terminals of 80 and 200 columns.
func TestStyles(t *testing.T) {
	data, err := os.ReadFile("testdata/error-styles.txt")
	if err != nil {
		t.Fatal(err)
	}
	x := index()
	found := map[string]int{}
	var heading, command string
	var out []string
	check := func() {
		text := strings.Join(out, "\n")
		out = nil
		to := map[bool]string{true: "daemon/stale-socket"}[strings.Contains(heading, "socket")]
		switch {
		case text == "" || strings.Contains(heading, "log formats"):
			return
		case strings.Contains(text, "per-user"):
			to = "daemon/socket-missing"
		case strings.Contains(heading, "TLS 60"):
			to = "tls-certs/not-trusted"
		case strings.Contains(heading, "TLS 77"):
			to = "tls-certs/bundle-missing"
		case strings.Contains(heading, "TLS"):
			return
		}
		got := x.Find(text)
		if to == "" && len(got) > 0 || to != "" && (len(got) == 0 || !leads(got[0], to)) {
			t.Errorf("%s: %s does not lead to %q, but to:%s", heading, command, to, show(got))
		}
		found[to]++
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "# =="):
			check()
			heading = line
		case strings.HasPrefix(line, "$ "):
			check()
			command = line
		default:
			for _, stream := range []string{"stderr| ", "stdout| ", "tty| "} {
				line = strings.TrimPrefix(line, stream)
			}
			out = append(out, escaped.Replace(line))
		}
	}
	check()
	if found[""] < 20 || found["daemon/stale-socket"] < 10 || found["tls-certs/not-trusted"] < 3 || found["tls-certs/bundle-missing"] < 3 {
		t.Errorf("too few were seen: %v", found)
	}
}

// A log tells the most specific first, in at most five matches, and where each stands.
func TestLog(t *testing.T) {
	ordinary, err := os.ReadFile("testdata/ordinary.txt")
	if err != nil {
		t.Fatal(err)
	}
	log := strings.Repeat(string(ordinary), 20)
	at := strings.Count(log, "\n")
	log += "warning: unknown setting 'lazy-trees'\n" +
		"error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused\n" +
		"Failed to start nix-daemon.socket: Unit nix-daemon.socket is masked.\n" +
		"evaluating derivation 'x'\nhello> cp: writing /nix/store/x: No space left on device\n" + log
	got := index().Find(log)
	if len(got) < 3 || len(got) > messages.Most || !leads(got[0], "daemon/masked") || len(got[0].Kinds) != 1 || got[0].Number != at+3 {
		t.Fatalf("got:%s", show(got))
	}
	if !leads(got[1], "daemon/stale-socket") || len(got[1].Kinds) < 5 || !strings.HasPrefix(got[1].Line, "error: cannot connect") {
		t.Errorf("got:%s", show(got))
	}
	for _, to := range []string{"stuck/disk-full", "nix-conf/unknown-setting"} {
		if !slices.ContainsFunc(got, func(m messages.Match) bool { return leads(m, to) }) {
			t.Errorf("%s is not found:%s", to, show(got))
		}
	}
	for _, m := range got {
		if leads(m, "stuck/evaluating") {
			t.Error("what all is well with is told of a log")
		}
	}
}

// A message is sure where its words are its own, or the line speaks of Nix; what is only near it is not.
func TestSure(t *testing.T) {
	x := index()
	for text, sure := range map[string]bool{
		"touch: cannot touch '/x': Read-only file system":                                             false,
		"error: could not set permissions on '/nix/var/nix/profiles/per-user': Read-only file system": true,
		"No space left on device":                                                             false,
		"writing to file '/nix/store/x-y': No space left on device":                           true,
		"error: the group 'nixbld', specified by build-users-group, does not exist":           false,
		"Could not connect to any socket of lix, which was tried: /nix/var/nix/daemon-socket": false,
	} {
		got := x.Find(text)
		if len(got) == 0 || got[0].Sure != sure {
			t.Errorf("%q should be sure: %v, but leads to:%s", text, sure, show(got))
		}
	}
	for _, text := range []string{"", " ", "nothing like that", "error", "\x1b", "…", "'", "does not exist", "the user does not exist"} {
		if got := x.Find(text); len(got) > 0 {
			t.Errorf("%q leads to:%s", text, show(got))
		}
	}
}

// Two halves of a message in two paragraphs are no message, and neither are two that are far from each other.
func TestGaps(t *testing.T) {
	x := index()
	for _, text := range []string{
		"the user 'a'\n\nin the group 'b'\n\ndoes not exist",
		"the user 'a' in the group 'b' " + strings.Repeat("of many words ", 60) + "does not exist",
		"the user\nof\nthe\nmachine\nis in the group\nof\nthose\nwho\ndoes not exist",
		"illegal configuration line a\nb\nc\nd\ne\nf\nin some file",
		"phoenix: command not foundation",
	} {
		for _, m := range x.Find(text) {
			if m.Sure {
				t.Errorf("%q leads to:%s", text, show([]messages.Match{m}))
			}
		}
	}
}

func FuzzFind(f *testing.F) {
	x := index()
	for _, dress := range dresses {
		f.Add(dress("the user '_nixbld1' in the group 'nixbld' does not exist"))
	}
	f.Add("@nix {\"msg\":\"\\u001b[31;1merror:\\u001b[0m x\\nunexpected end-of-file\"}\n\x1b]8;;x\a\x1b")
	f.Add("Nov 29 13:16:54.123 h p[1]: x> y\n2026-11-29T13:16:54 h: \r\r\n\xff\xfe拒绝连接")
	f.Fuzz(func(t *testing.T, text string) {
		got := x.Find(text)
		if len(got) > messages.Most {
			t.Errorf("%d matches", len(got))
		}
		for _, m := range got {
			if m.Number < 1 || m.Number > strings.Count(text, "\n")+1 || len(m.Kinds)+len(m.Fixes) == 0 || m.Message == "" {
				t.Errorf("got %+v", m)
			}
		}
	})
}

// BenchmarkFind reads the longest text there is.
func BenchmarkFind(b *testing.B) {
	ordinary, err := os.ReadFile("testdata/ordinary.txt")
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat("hello> "+string(ordinary), messages.Longest/len(ordinary))
	text += strings.Repeat("the user '", 1000) + "x"
	x := index()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		x.Find(text)
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		index()
	}
}
