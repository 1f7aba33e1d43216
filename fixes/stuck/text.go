package stuck

import (
	"fmt"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lixfix/lixfix/platform/redact"
)

const column = 38 // characters of the right column of the tree

// clip shortens s to n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// short shortens a name to n characters, at the end of a word: half of a name would not be known for one.
func short(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	cut := []rune(s)[:n-1]
	for i := len(cut) - 1; i > n/2; i-- {
		if !unicode.IsLetter(cut[i]) && !unicode.IsNumber(cut[i]) {
			return string(cut[:i+1]) + "…"
		}
	}
	return string(cut) + "…"
}

// middle shortens s to n characters by leaving out its middle.
func middle(s string, n int) string {
	r := []rune(s)
	if len(r) <= n || n < 3 {
		return s
	}
	head := (n - 1) / 2
	return string(r[:head]) + "…" + string(r[len(r)-(n-1-head):])
}

// plain makes text of the host fit to print: what a process calls itself can hold escape sequences and secrets. It comes
// before text is shortened, because half of a secret does not look like one.
func plain(s string) string {
	const long = 8 << 10 // nobody reads more
	return redact.Secrets(printable(redact.Cut(s, long)))
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// shortPath shortens the hash of a store path to eight characters.
func shortPath(name string) string {
	name = plain(name)
	dir, base := path.Split(name)
	trimmed := strings.TrimSuffix(base, ".lock")
	if isStoreLock(trimmed + ".lock") {
		return dir + base[:8] + "…" + base[32:]
	}
	return name
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "s") {
		return fmt.Sprintf("%d %ses", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// seconds writes a time as people say it.
func seconds(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func bytesText(n uint64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// unnamed is how a user is called whose name is not known.
const unnamed = "user ID "

func (s *snapshot) user(uid int) string {
	if name := s.users[uid]; name != "" {
		return plain(name)
	}
	return fmt.Sprintf("%s%d", unnamed, uid)
}

// title names a process in the tree.
func (s *snapshot) title(p *proc) string {
	if p == nil {
		return "a process that cannot be seen"
	}
	name := short(plain(p.program()), 24)
	if p.role == Helper {
		name = plain(p.Name) // of a script, and not of its shell
	}
	switch p.role {
	case Worker:
		return fmt.Sprintf("worker %d", p.PID)
	case Listener:
		return fmt.Sprintf("daemon %d", p.PID)
	case Builder:
		return fmt.Sprintf("builder %d %s (%s)", p.PID, clip(plain(p.Name), 15), s.user(p.uid))
	case Client:
		return fmt.Sprintf("%s %d (%s, %s)", name, p.PID, s.user(p.uid), seconds(s.age(p)))
	case Hook:
		return fmt.Sprintf("build hook %d", p.PID)
	case Remote:
		return fmt.Sprintf("server for another machine %d", p.PID)
	}
	return fmt.Sprintf("%s %d (%s)", name, p.PID, s.user(p.uid))
}

// describe names a process in a sentence.
func (s *snapshot) describe(p *proc) string {
	if p == nil {
		return "a process that cannot be seen"
	}
	t := s.title(p)
	if p.role == Worker && p.pair != nil {
		if p.pairing() != Certain {
			t += ", probably"
		}
		t += " for " + s.title(p.pair)
	}
	return t
}

// owner names the client behind a worker, which is what people know.
func (s *snapshot) owner(p *proc) string {
	if p != nil && p.role == Worker && p.pair != nil {
		if p.pairing() != Certain {
			return "probably " + s.title(p.pair)
		}
		return s.title(p.pair)
	}
	return s.describe(p)
}

// command is the arguments of a process without what is secret in them, and without what is longer than anybody reads.
func command(argv []string) []string {
	const most, long = 1000, 4 << 10
	rest := len(argv) - most
	if rest > 0 {
		argv = argv[:most]
	}
	list := make([]string, 0, len(argv)+1)
	for _, a := range argv {
		list = append(list, printable(redact.Cut(a, long)))
	}
	list = redact.Arguments(list)
	if rest > 0 {
		list = append(list, fmt.Sprintf("… and %d more", rest))
	}
	return list
}
