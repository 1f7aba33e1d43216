package redact_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/platformtest/memory"
	"github.com/lixfix/lixfix/platform/record"
	"github.com/lixfix/lixfix/platform/redact"
)

// canary is a secret or a name, and the rule without which it would be seen.
type canary struct {
	rule, line, gone string
	secret           bool
}

// planted are the canaries that stand in lines of text. Each has a secret of its own, so that no other line gives it away.
func planted() []canary {
	var all []canary
	for i, c := range redact.SecretTexts() {
		own := fmt.Sprintf("Canar%02dwl", i)
		line := strings.NewReplacer("%s", own, "Canary0wl", own, "%%", "%").Replace(c.Text)
		gone := c.Gone
		if gone == "" || gone == "Canary" {
			gone = own
		}
		all = append(all, canary{c.Rule, line, gone, true})
	}
	for i, c := range redact.BlockTexts() {
		own := fmt.Sprintf("Canar9%dwl", i)
		all = append(all, canary{c.Rule, strings.ReplaceAll(c.Text, "Canary0wl", own), own, true})
	}
	for i, c := range redact.NameTexts() {
		line, gone := c.Text, c.Gone
		if whole := wholes[gone]; whole != nil {
			i := slices.IndexFunc(whole, func(w string) bool { return strings.Contains(line, w) })
			if i < 0 {
				continue
			}
			gone = whole[i]
		}
		for _, name := range []string{"mallory", "hush", "teapot", "wonderco", "vault", "acme/x"} {
			if strings.Contains(line, name) {
				own := fmt.Sprintf("%s%c%c", name, 'q', 'a'+i%26)
				if name == "acme/x" {
					own = "acmeq/x"
				}
				line, gone = strings.ReplaceAll(line, name, own), strings.ReplaceAll(gone, name, own)
			}
		}
		all = append(all, canary{c.Rule, line, gone, false})
	}
	return all
}

// wholes are names of which the other tests look for a part, which is in other texts as well.
var wholes = map[string][]string{
	"db8": {"2001:db8::17", "2001:db8:1:2:3"}, "54": {"52:54:00:12:34:56"}, "10.0": {"10.0.0.300"}, "113": {"203.0.113.9"},
	"lat": {}, "canary": {"AAAAIcanarycanary"}, "arpa": {"9.113.0.203"}, "Ab1": {"Ab1Ab1Ab1"}, "0123": {"0123456789abcdef"},
	"555": {"555-0199"}, "5254": {"525400123456"}, "5054": {"5054:ff:fe12"},
}

// places are canaries in what is no line of text, which the structure of a file or of an answer gives away.
var places = []string{
	"Envir0nment1", "Envir0nment2", "Arg0ument1", "Arg0ument2", "Js0nValue1", "Js0nNested1", "Js0nArgument1", "Plist0Value1", "Plist0Argument1",
	"T0olError1", "S0cketPath1", "L1nkTarget", "Gr33ting1", "Qu3stion1", "queenie", "0dd-kn\u00e4ve", "o'hare", "d&uchess", "wh1te-rabbit",
	"bandersnatch", "jabberwock", "tweedledum", "mock-turtle", "dormouse", "cheshirecat", "gryphon", "lobster", "walrus", "carpenter",
	"humpty", "dumpty",
}

// host is a host with canaries wherever something is read.
type host struct {
	*memory.Host
	tools map[string]string // what they print, or say when they fail, by their last argument
}

// Query implements platform.View.
func (h host) Query(_ context.Context, tool string, args ...string) ([]byte, error) {
	if tool == "/usr/bin/false" {
		return nil, &platform.ToolError{Tool: tool, Args: args, Exit: 1, Stderr: "api_key=T0olError1 of jabberwock@tulgey.wood.net"}
	}
	text := h.tools[args[len(args)-1]]
	if tool == "/usr/bin/journalctl" {
		return []byte(text), nil
	}
	return nil, &platform.ToolError{Tool: tool, Exit: 1, Stderr: text}
}

// Sockets implements platform.View.
func (h host) Sockets(context.Context) ([]platform.Socket, error) {
	return []platform.Socket{
		{Path: "/home/tweedledum/S?token=S0cketPath1", Local: netip.MustParseAddrPort("93.184.216.34:1"), Remote: netip.MustParseAddrPort("[2a00:1450::17]:2")},
	}, nil
}

// Ask implements platform.View.
func (h host) Ask(context.Context, netip.AddrPort, dnsquery.Protocol, string, dnsquery.Type) (dnsquery.Answer, error) {
	return dnsquery.Answer{Addresses: []netip.Addr{netip.MustParseAddr("93.184.216.35")}}, nil
}

const plist = `<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict><key>Label</key><string>org.nixos.nix-daemon</string>
<key>EnvironmentVariables</key><dict><key>API_TOKEN</key><string>Plist0Value1</string><key>HOME</key><string>/Users/dormouse</string></dict>
<key>ProgramArguments</key><array><string>/bin/tool</string><string>--github-token</string><string>Plist0Argument1</string></array>
<!-- by mock-turtle@sea.example.com --></dict></plist>
`

// look reads everything there is.
func look(t *testing.T, lines []canary) *record.Record {
	t.Helper()
	passwd, groups, hosts, conf := redact.Host()
	passwd += "queenie:x:1100:1100:The Queen of Hearts,,,:/home/queenie:/bin/sh\n0dd-kn\u00e4ve:x:1101:1101::/home/0dd-kn\u00e4ve:/bin/sh\n" +
		"o'hare:x:1102:1102::/home/o'hare:/bin/sh\nd&uchess:x:1103:1103::/srv/people/d&uchess:/bin/sh\nwh1te-rabbit:x:1104:1104:::\n" +
		"humpty:x:1105:1105::/home/humpty:/bin/sh\n_nixbld1:x:351:30000:Nix build user 1:/var/empty:/bin/false\n"
	receipt, err := json.Marshal(map[string]any{
		"version": "0.1", "planner": map[string]any{"password": map[string]any{"inner": []string{"Js0nNested1"}}},
		"api_key": "Js0nValue1", "argv": []string{"curl", "--access-token", "Js0nArgument1"}, "user": "/home/gryphon/x",
		"owner": "d&uchess", "who": "/home/o'hare",
	})
	if err != nil {
		t.Fatal(err)
	}
	h := memory.New(platform.Facts{OS: platform.Linux, Product: "the \x1b[2JLinux of humpty", Arch: "amd64"}, "/home/lobster/\n/home/queenie/\n/etc/nix/x = y\n/nix/x = y\n"+
		"/Library/LaunchDaemons/y = z\n/proc/7/x = y\n/run/x = y\n")
	files := map[string]string{
		"/etc/passwd": passwd, "/etc/group": groups, "/etc/hosts": hosts, "/etc/resolv.conf": conf + "search carpenter.example.com dumpty\n",
		"/etc/hostname": "bigbox\n", "/nix/receipt.json": string(receipt), "/Library/LaunchDaemons/x.plist": plist,
		"/etc/nix/machines": "ssh-ng://walrus@cheshirecat x86_64-linux /root/.ssh/key\n",
		"/proc/7/environ":   "PATH=/bin\x00GITHUB_TOKEN=Envir0nment1\x00HUMPTY=Envir0nment2\x00",
		"/proc/7/cmdline":   "curl\x00-u\x00me:Arg0ument1\x00--token\x00Arg0ument2\x00/home/bandersnatch\x00",
		"/proc/7/stat":      "7 (humpty) S 1 7 7 0 -1 4194560 100 0 0 0 7 5 0 0 20 0 4 0 123456 567230464 9135 1 1 1",
	}
	for name, data := range files {
		h.Files[name] = memory.File{Data: data, Mode: 0o644}
	}
	h.Files["/etc/link"] = memory.File{Target: "/home/humpty/token/L1nkTarget?key=L1nkTarget", Mode: fs.ModeSymlink | 0o777}
	h.Files["/run/socket"] = memory.File{Mode: fs.ModeSocket | 0o666}
	h.Daemon = &nixdaemon.Answer{Outcome: nixdaemon.Refused, Text: "password: Gr33ting1", Err: errors.New("user humpty may not")}
	// Each line in a place of its own: some rules take what comes behind them.
	tools := map[string]string{}
	for i, c := range lines {
		if i%3 == 0 || strings.Contains(c.line, "\n") {
			h.Files[fmt.Sprintf("/etc/nix/%d.conf", i)] = memory.File{Data: c.line + "\n", Mode: 0o644}
		} else {
			tools[fmt.Sprint(i)] = c.line + "\n"
		}
	}
	rec := record.New(host{h, tools})
	v := rec.Watch("test", host{h, tools})
	ctx := t.Context()
	for i := range lines {
		_, _ = v.Query(ctx, []string{"/usr/bin/journalctl", "/usr/bin/systemctl"}[i%2], fmt.Sprint(i))
	}
	for name := range h.Files {
		_, _ = v.ReadFile(ctx, name)
		_, _ = v.Stat(ctx, name)
		_, _ = v.Guarded(ctx, name), 0
	}
	for _, dir := range []string{"/home", "/etc"} {
		_, _ = v.ReadDir(ctx, dir)
	}
	_, _ = v.Query(ctx, "/usr/bin/false", "--password", "T0olError1")
	_, _ = v.Sockets(ctx)
	_, _ = v.Greet(ctx, "/run/socket")
	_, _ = v.ReadFile(ctx, "/home/queenie/api_key=Qu3stion1")
	_, _ = v.Ask(ctx, netip.MustParseAddrPort("93.184.216.36:53"), dnsquery.UDP, "carpenter.example.com", dnsquery.A)
	return rec
}

// decoded is all that is in an archive: names and contents.
func decoded(t *testing.T, packed []byte) string {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	r := tar.NewReader(zip)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(h.Name + "\n")
		if _, err := io.Copy(&all, r); err != nil {
			t.Fatal(err)
		}
		all.WriteString("\n")
	}
}

// cleaned is what becomes of a record, without a rule if it is named.
func cleaned(t *testing.T, rec *record.Record, rule string, keepNames bool) string {
	t.Helper()
	clean, err := rec.Clean(redact.NewRecorder(keepNames).Without(rule), "bigbox")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := clean.Write(&out); err != nil {
		t.Fatal(err)
	}
	return decoded(t, out.Bytes())
}

// spellings are the ways in which a text may stand somewhere.
func spellings(s string) []string {
	percent := ""
	for i := range len(s) {
		percent += fmt.Sprintf("%%%02x", s[i])
	}
	quoted, _ := json.Marshal(s)
	list := []string{s, url.PathEscape(s), url.QueryEscape(s), percent, strings.Trim(string(quoted), `"`)}
	for i := range list {
		list[i] = strings.ToLower(list[i])
	}
	return slices.Compact(list)
}

// seen are the canaries that are in a text, in any letter case or spelling.
func seen(text string, all []string) []string {
	low := strings.ToLower(text)
	var out []string
	for _, c := range all {
		if slices.ContainsFunc(spellings(c), func(s string) bool { return strings.Contains(low, s) }) {
			out = append(out, c)
		}
	}
	return out
}

// TestCanaries plants secrets and names wherever detectors read, and looks for them in the record and in the report; then
// it takes every rule away in turn, and a canary has to be seen.
func TestCanaries(t *testing.T) {
	lines := planted()
	gone := slices.Clone(places)
	kinds := map[string]bool{}
	secrets := 0
	var secret []string
	for _, c := range lines {
		gone = append(gone, c.gone)
		if c.secret {
			secret = append(secret, c.gone)
			kinds[c.rule] = true
			secrets++
		}
	}
	// The same again in capitals, and with every byte as %XX.
	again := slices.Clone(lines)
	for _, c := range lines {
		alone := slices.Contains(strings.FieldsFunc(c.line, func(r rune) bool { return r <= ' ' || strings.ContainsRune("\"'`=&;,:@/?#<>()[]{}|\\", r) }), c.gone)
		if c.secret && alone && !strings.Contains(c.line, "\n") {
			again = append(again, canary{line: "x " + strings.ToUpper(c.gone) + " y"}, canary{line: "https://a.nixos.org/" + percent(c.gone)})
		}
	}
	again = append(again, canary{line: "QUEENIE was at /x/" + percent("queenie") + " and %2Fhome%2Fqueenie"})

	got := cleaned(t, look(t, again), "", false)
	if left := seen(got, gone); len(left) > 0 {
		t.Errorf("in the record: %q", left)
		for l := range strings.SplitSeq(got, "\n") {
			if s := seen(l, left); len(s) > 0 {
				t.Logf("%q in %.300q", s, l)
			}
		}
	}
	for _, kept := range []string{"_nixbld1", "nixbld", "org.nixos.nix-daemon", "postgres", "x86_64-linux"} {
		if !strings.Contains(got, kept) {
			t.Errorf("%s is not in the record", kept)
		}
	}
	page := strings.Join(report(again, ""), "\n")
	var inLines []string
	for _, c := range lines {
		inLines = append(inLines, c.gone)
	}
	if left := seen(page, inLines); len(left) > 0 {
		t.Errorf("in the report: %q", left)
		for l := range strings.Lines(page) {
			if s := seen(l, left); len(s) > 0 {
				t.Logf("%q in %.300q", s, l)
			}
		}
	}

	rec := look(t, lines)
	if left := seen(cleaned(t, rec, "", true), secret); len(left) > 0 {
		t.Errorf("with names, in the record: %q", left)
	}
	for _, rule := range redact.RuleNames() {
		if rule == "encoded address" {
			continue // what is written as %XX is read as it is meant as well
		}
		left := seen(cleaned(t, rec, rule, false), gone)
		if len(left) == 0 {
			// What is in an address goes with the names as well, where those go.
			left = seen(cleaned(t, rec, rule, true), secret)
		}
		if len(left) == 0 {
			t.Errorf("without the rule %q nothing is seen in the record", rule)
		}
	}
	t.Logf("%d secrets of %d kinds, %d names, %d in places of their own: none is seen, and each of %d rules is needed",
		secrets, len(kinds), len(lines)-secrets, len(places), len(redact.RuleNames()))
}

func percent(s string) string {
	out := ""
	for i := range len(s) {
		out += fmt.Sprintf("%%%02X", s[i])
	}
	return out
}

// report is the page that would be pasted.
func report(lines []canary, rule string) []string {
	passwd, groups, hosts, conf := redact.Host()
	n := redact.NewNames().Without(rule)
	n.Host("bigbox")
	n.Passwd([]byte(passwd+"queenie:x:1100:1100::/home/queenie:/bin/sh\n"), redact.FirstPerson(false))
	n.Group([]byte(groups), redact.FirstPerson(false))
	n.Hosts(hosts)
	n.ResolvConf(conf)
	page := redact.NewPage(n)
	for _, c := range lines {
		if strings.Contains(c.line, "\n") {
			page.Code(strings.Split(redact.Block(c.line), "\n"), 0) // as those do who print files
			continue
		}
		page.Item("%s", c.line)
	}
	return page.Lines()
}

// TestPrograms: of a program, a record has what is asked of it, and nothing is learned from it.
func TestPrograms(t *testing.T) {
	const program = "\x7fELF\x02\x01\x00user d \x00https://d/\x00\x00dns-host\x00dns-forward\x002024_09_06.6b38f07\x00token=Canary0wl1\x00"
	r := redact.NewRecorder(false)
	r.LearnBody("/usr/bin/pasta", []byte(program))
	const want = "\x7fELF\ndns-host\ndns-forward\n2024_09_06.6b38f07\n"
	if got := string(r.Body("/usr/bin/pasta", []byte(program))); got != want {
		t.Errorf("%q", got)
	}
	if got := r.Text("/etc/profile.d/nix.sh of https"); got != "/etc/profile.d/nix.sh of https" {
		t.Errorf("%q", got)
	}
}
