// Package resolvconf reads resolv.conf(5) as each of its readers does. They do not agree: glibc, the resolver of Go,
// pasta and Lix each take other lines for a name server, and that is how a host can resolve while its sandbox cannot.
package resolvconf

import (
	"bytes"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"unicode"
)

// File is where every reader looks.
const File = "/etc/resolv.conf"

// glibcServers is how many servers glibc and Go use; what follows is ignored (MAXNS in resolv.h).
const glibcServers = 3

const (
	// Limit bounds the file in bytes. Its readers have none, and a file with megabytes of comments is good to them.
	Limit = 4 << 20
	// Kept bounds the servers, and the differing lines, that are kept of a file; readers use no more than three.
	Kept = 64

	headerLimit = 4 << 10 // bytes of the comments at the top
)

// Addresses that Lix gives the sandbox where pasta serves it: linux.hh of Lix, pasta_addrs.
const (
	PastaV4 = "169.254.1.1"
	PastaV6 = "64:ff9b:1:4b8e:472e:a5c8:a9fe:0101"
)

// lines numbers the lines of data from 0. They keep their line feeds, so that joined they are the data again.
func lines(data []byte) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		n := 0
		for line := range strings.Lines(string(data)) {
			if !yield(n, line) {
				return
			}
			n++
		}
	}
}

// Server is an address as a reader takes it, and the line it stands on.
type Server struct {
	Line    int // counted from 1
	Address netip.Addr
}

// usable parses an address as inet_pton(3) does, with a scope behind a percent sign.
func usable(word string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(word)
	return a, err == nil
}

// Glibc returns the servers that the C library takes, at most three: "nameserver" at the start of the line, then
// blanks or tabs, then the address up to the next blank, tab or the end of the line. A carriage return is part of the
// address, which makes it none. (resolv/res_init.c of glibc).
func Glibc(data []byte) []Server {
	var found []Server
	for n, line := range lines(data) {
		rest, ok := strings.CutPrefix(line, "nameserver")
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
			continue
		}
		rest = strings.TrimLeft(rest, " \t")
		if i := strings.IndexAny(rest, " \t\n"); i >= 0 {
			rest = rest[:i]
		}
		if a, ok := usable(rest); ok {
			if found = append(found, Server{n + 1, a}); len(found) == glibcServers {
				break
			}
		}
	}
	return found
}

// Go returns the servers that the resolver of Go takes, at most three: words between blanks, tabs and carriage
// returns, wherever the line begins. (net/dnsconfig_unix.go).
func Go(data []byte) []Server {
	var found []Server
	for n, line := range lines(data) {
		if line[0] == '#' || line[0] == ';' {
			continue
		}
		words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \r\t\n", r) })
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if a, ok := usable(words[1]); ok {
			if found = append(found, Server{n + 1, a}); len(found) == glibcServers {
				break
			}
		}
	}
	return found
}

// Pasta returns the lines that pasta can read a server from, up to Kept of them: "nameserver" and one blank at the
// start of the line, the address after the last blank of the line and up to a percent sign. It uses the first of each
// family; see Choice. (get_dns in conf.c of passt).
func Pasta(data []byte) []Server {
	var found []Server
	for s := range pasta(data) {
		if found = append(found, s); len(found) == Kept {
			break
		}
	}
	return found
}

// pastaLine is how long a line may be for pasta, in bytes with its end (lineread.h of passt). It reads no further.
const pastaLine = 8192

func tooLong(line string) bool {
	return len(line) > pastaLine || len(line) == pastaLine && !strings.HasSuffix(line, "\n")
}

// PastaStops returns the number of the line that is too long for pasta, which reads nothing from there on; 0 for none.
func PastaStops(data []byte) int {
	for n, line := range lines(data) {
		if tooLong(line) {
			return n + 1
		}
	}
	return 0
}

// Ahead returns the file with the lines of servers that stand behind one that is too long for pasta moved before it.
func Ahead(data []byte) []byte {
	var before, moved, after []byte
	stopped := false
	for _, line := range lines(data) {
		_, _, _, server := normal(line)
		switch stopped = stopped || tooLong(line); {
		case !stopped:
			before = append(before, line...)
		case server && !tooLong(line):
			moved = append(moved, strings.TrimSuffix(line, "\n")+"\n"...)
		default:
			after = append(after, line...)
		}
	}
	return slices.Concat(before, moved, after)
}

func pasta(data []byte) iter.Seq[Server] {
	return func(yield func(Server) bool) {
		for n, line := range lines(data) {
			if tooLong(line) {
				return
			}
			line = strings.TrimSuffix(line, "\n")
			if !strings.HasPrefix(line, "nameserver ") {
				continue
			}
			word := line[strings.LastIndexByte(line, ' ')+1:]
			address, zone, _ := strings.Cut(word, "%")
			a, ok := usable(address)
			if !ok {
				continue
			}
			if a.Is6() && zone != "" {
				a = a.WithZone(zone)
			}
			if !yield(Server{n + 1, a}) {
				return
			}
		}
	}
}

// Choice returns the server that pasta forwards the queries of each family to; nil where it has none. 0.0.0.0 and ::
// count as none. pasta never turns to another one.
func Choice(data []byte) (v4, v6 *Server) {
	for s := range pasta(data) {
		switch {
		case s.Address.IsUnspecified():
		case s.Address.Is4() && v4 == nil:
			v4 = &Server{s.Line, s.Address}
		case s.Address.Is6() && v6 == nil:
			v6 = &Server{s.Line, s.Address}
		}
		if v4 != nil && v6 != nil {
			break
		}
	}
	return v4, v6
}

// LixTakes reports whether Lix empties a line when it rewrites the file for a sandbox that pasta serves: it matches
// ^nameserver\s.*$ (rewriteResolvConf in linux.cc).
func LixTakes(line string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "nameserver")
	return ok && rest != "" && strings.ContainsRune(" \t\r\v\f", rune(rest[0]))
}

// Rewrite returns the file that Lix puts into a sandbox that pasta serves: the lines of servers emptied, the addresses
// of pasta behind them. Lix up to 2.93 names only the families that the file had a line of; later ones both.
func Rewrite(data []byte, bothFamilies bool) []byte {
	var b bytes.Buffer
	v4, v6 := bothFamilies, bothFamilies
	for line := range strings.Lines(string(data)) {
		if !LixTakes(line) {
			b.WriteString(line)
			continue
		}
		if strings.Contains(line, ":") {
			v6 = true
		} else {
			v4 = true
		}
		// The pattern ends before a carriage return, which ECMAScript takes for the end of a line.
		body := strings.TrimSuffix(line, "\n")
		if strings.HasSuffix(body, "\r") {
			b.WriteString("\r")
		}
		b.WriteString(line[len(body):])
	}
	b.WriteString("\n")
	if v4 {
		b.WriteString("nameserver " + PastaV4 + "\n")
	}
	if v6 {
		b.WriteString("nameserver " + PastaV6 + "\n")
	}
	return b.Bytes()
}

// Trouble is what a reader stumbles over.
type Trouble string

const (
	Tab          Trouble = "a tab before the address"    // pasta ignores the line
	Trailing     Trouble = "a blank after the address"   // pasta
	Comment      Trouble = "a comment after the address" // pasta
	Return       Trouble = "a carriage return (CRLF)"    // glibc and pasta
	ByteOrder    Trouble = "a byte order mark"           // everybody
	LeadingBlank Trouble = "a blank before the keyword"  // glibc and pasta
)

// Difference is a line that names a server for some readers and not for others.
type Difference struct {
	Line    int
	Text    string // of the line, without its end
	Trouble Trouble
	Address netip.Addr // that it names to those who can read it
	Glibc   bool       // who can
	Go      bool
	Pasta   bool
}

// normal returns a line that names a server as every reader takes it, and what is the matter with it as it is. ok is
// false where the line names no server to a person either.
func normal(line string) (fixed string, a netip.Addr, trouble Trouble, ok bool) {
	body := strings.TrimSuffix(line, "\n")
	end := line[len(body):]
	note := func(t Trouble) {
		if trouble == "" {
			trouble = t
		}
	}
	if rest := strings.TrimLeft(body, "\ufeff"); rest != body {
		body = rest
		note(ByteOrder)
	}
	if rest, cut := strings.CutSuffix(body, "\r"); cut {
		body = strings.TrimRight(rest, "\r")
		note(Return)
	}
	if rest := strings.TrimLeft(body, " \t"); rest != body {
		body = rest
		note(LeadingBlank)
	}
	rest, cut := strings.CutPrefix(body, "nameserver")
	if !cut || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
		return "", a, "", false
	}
	gap := len(rest) - len(strings.TrimLeft(rest, " \t"))
	if strings.Contains(rest[:gap], "\t") {
		note(Tab)
	}
	word := rest[gap:]
	tail := ""
	if i := strings.IndexAny(word, " \t"); i >= 0 {
		word, tail = word[:i], word[i:]
	}
	switch {
	case strings.TrimLeft(tail, " \t") != "":
		note(Comment)
	case tail != "":
		note(Trailing)
	}
	if a, ok = usable(word); !ok {
		return "", a, "", false
	}
	return "nameserver " + word + end, a, trouble, true
}

// Differences returns the lines that not all readers take for the server that they name, up to Kept of them.
func Differences(data []byte) []Difference {
	var all []Difference
	for n, line := range lines(data) {
		_, a, trouble, ok := normal(line)
		if !ok || trouble == "" {
			continue
		}
		// Asked alone, so that the limit of three says nothing about the line.
		one := []byte(line)
		d := Difference{
			Line: n + 1, Text: strings.TrimSuffix(line, "\n"), Trouble: trouble, Address: a,
			Glibc: len(Glibc(one)) > 0, Go: len(Go(one)) > 0, Pasta: len(Pasta(one)) > 0,
		}
		if d.Glibc && d.Go && d.Pasta {
			continue
		}
		if all = append(all, d); len(all) == Kept {
			break
		}
	}
	return all
}

// Normalise returns the file with every line that names a server as all readers take it; what stood behind the address
// is gone, and so are carriage returns of other lines and a byte order mark. All else stays as it is.
func Normalise(data []byte) []byte {
	var b bytes.Buffer
	for n, line := range lines(data) {
		if n == 0 {
			line = strings.TrimLeft(line, "\ufeff")
		}
		if fixed, _, trouble, ok := normal(line); ok && trouble != "" {
			b.WriteString(fixed)
			continue
		}
		body := strings.TrimSuffix(line, "\n")
		b.WriteString(strings.TrimRight(body, "\r") + line[len(body):])
	}
	return b.Bytes()
}

// First returns the file with the line of one server moved before all other servers; the rest keeps its order. It
// returns data itself where the server is first already, or is not in it.
func First(data []byte, server netip.Addr) []byte {
	all := slices.Collect(strings.Lines(string(data)))
	first, at := -1, -1
	for n, line := range all {
		_, a, _, ok := normal(line)
		if !ok {
			continue
		}
		if first < 0 {
			first = n
		}
		if a == server && at < 0 {
			at = n
		}
	}
	if at <= first || first < 0 {
		return data
	}
	moved := all[at]
	if !strings.HasSuffix(moved, "\n") {
		// The last line had no end; the one that is last from now on loses its own.
		moved += "\n"
		all[at-1] = strings.TrimSuffix(all[at-1], "\n")
	}
	all = slices.Delete(all, at, at+1)
	return []byte(strings.Join(slices.Insert(all, first, moved), ""))
}

// Options returns the words of all lines that set options, as glibc reads them, each word once.
func Options(data []byte) []string {
	var words []string
	seen := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "options"); ok && rest != "" && unicode.IsSpace(rune(rest[0])) {
			for word := range strings.FieldsSeq(rest) {
				if !seen[word] {
					seen[word] = true
					words = append(words, word)
				}
			}
		}
	}
	return words
}

// Header returns the comments before the first setting, joined: whoever wrote the file names itself there, in the first
// lines. Of comments without end the start is returned.
func Header(data []byte) string {
	var text strings.Builder
	for line := range strings.Lines(string(data[:min(len(data), headerLimit)])) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
		if line == "" {
			continue
		}
		if line[0] != '#' && line[0] != ';' {
			break
		}
		if text.Len() > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(strings.TrimLeft(line, "#; "))
	}
	return text.String()
}
