// Package say writes what the host names, and amounts, so that they are fit to print: short, without control characters and
// without secrets.
package say

import (
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lixfix/lixfix/platform/redact"
	"github.com/lixfix/lixfix/platform/words"
)

// IsStoreLock tells from its name whether a file is the lock of a store path: 32 characters of a hash and a name.
func IsStoreLock(name string) bool {
	base, ok := strings.CutSuffix(path.Base(name), ".lock")
	return ok && len(base) > 33 && base[32] == '-' && !strings.ContainsFunc(base[:32], func(r rune) bool {
		return !strings.ContainsRune("0123456789abcdfghijklmnpqrsvwxyz", r)
	})
}

// Clip shortens s to n characters.
func Clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// Short shortens a name to n characters, at the end of a word: half of a name would not be known for one.
func Short(s string, n int) string {
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

// Middle shortens s to n characters by leaving out its middle.
func Middle(s string, n int) string {
	r := []rune(s)
	if len(r) <= n || n < 3 {
		return s
	}
	head := (n - 1) / 2
	return string(r[:head]) + "…" + string(r[len(r)-(n-1-head):])
}

// Plain makes text of the host fit to print: what a process calls itself can hold escape sequences and secrets. It comes
// before text is shortened, because half of a secret does not look like one.
func Plain(s string) string {
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

// ShortPath shortens the hash of a store path to eight characters.
func ShortPath(name string) string {
	name = Plain(name)
	dir, base := path.Split(name)
	trimmed := strings.TrimSuffix(base, ".lock")
	if IsStoreLock(trimmed + ".lock") {
		return dir + base[:8] + "…" + base[32:]
	}
	return name
}

// Seconds writes a time as people say it.
func Seconds(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return seconds.Fill(words.With{"count": int(d.Seconds())})
	case d < 2*time.Hour:
		return minutes.Fill(words.With{"count": int(d.Minutes())})
	case d < 48*time.Hour:
		return hours.Fill(words.With{"count": int(d.Hours())})
	}
	return days.Fill(words.With{"count": int(d.Hours() / 24)})
}

// Bytes writes an amount of data as people say it.
func Bytes(n uint64) string {
	switch {
	case n < 10<<10:
		return byteCount.Fill(words.With{"count": n})
	case n < 10<<20:
		return kib.Fill(words.With{"count": n >> 10})
	}
	return mib.Fill(words.With{"count": n >> 20})
}

// Command is the arguments of a process without what is secret in them, and without what is longer than anybody reads.
func Command(argv []string) []string {
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
		list = append(list, more.Fill(words.With{"count": rest}))
	}
	return list
}
