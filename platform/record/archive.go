package record

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lixfix/lixfix/platform"
)

// bounds are what a record may be. Whoever made one may have meant ill.
type bounds struct {
	packed   int // bytes of the archive
	unpacked int // bytes of all that is in it
	entries  int
	manifest int // bytes
	line     int // bytes
	// values bounds what questions.jsonl is decoded into, which is larger than its text.
	values int
}

// within are the bounds of every record. Tests also read with narrower ones.
var within = bounds{packed: 16 << 20, unpacked: 16 << 20, entries: 40_000, manifest: 256 << 10, line: 4 << 20, values: 700_000}

const level = 4 // of compression: half the time of the usual one, for a tenth more bytes

const (
	longestName = 256 // of an entry, in bytes
	deepestName = 32
	deepestJSON = 32
)

// ErrBad is what every error of Read wraps that comes from what is in a record.
var ErrBad = errors.New("not a record that lixfix reads")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrBad, fmt.Errorf(format, args...))
}

// content is what a record holds, by the names of entries.
type content map[string][]byte

// sum is the SHA-256 of all entries but the manifest: of each, in the order of their names, the name, NUL, the number of
// its bytes, NUL, and the bytes.
func (c content) sum() string {
	h := sha256.New()
	for _, name := range c.names() {
		fmt.Fprintf(h, "%s\x00%d\x00", name, len(c[name]))
		_, _ = h.Write(c[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (c content) names() []string {
	var names []string
	for name := range c {
		if name != manifest {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// pack makes entries of the questions and answers.
func (r *Record) pack() (content, error) {
	c := content{}
	where := map[string]map[string]string{} // entries by the name of the file, and what is in it
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	enc.SetEscapeHTML(false)
	n := 0
	for _, q := range r.order {
		l := line{By: q.scope, Ask: q.ask, Of: q.of}
		for _, a := range q.answers {
			w := a.wired()
			if a.data != nil {
				n++
				name := entryOf(q, n)
				if q.ask == "query" {
					name = "tools/" + strings.Join(q.of, "\x00")
				}
				same := where[name]
				if same == nil {
					same = map[string]string{}
					where[name] = same
				}
				at, ok := same[string(a.data)]
				if !ok {
					at = top + entryOf(q, n)
					if len(same) > 0 && q.ask != "query" {
						at = fmt.Sprintf("%slater/%d/%s", top, len(same)+1, entryOf(q, n))
					}
					same[string(a.data)] = at
					c[at] = a.data
				}
				w.In = strings.TrimPrefix(at, top)
			}
			l.Answers = append(l.Answers, w)
		}
		l.Answers = folded(l.Answers)
		if err := enc.Encode(l); err != nil {
			return nil, fmt.Errorf("write %s: %w", says(q.ask, q.of), err)
		}
	}
	c[questions] = lines.Bytes()
	return c, nil
}

// folded counts answers that follow each other and are the same.
func folded(all []wire) []wire {
	if len(all) < 2 {
		return all
	}
	var some []wire
	last := []byte(nil)
	for _, w := range all {
		text, err := json.Marshal(w)
		if err == nil && last != nil && bytes.Equal(text, last) {
			some[len(some)-1].Times = max(some[len(some)-1].Times, 1) + 1
			continue
		}
		some, last = append(some, w), text
	}
	return some
}

// ErrTooMuch is the error of Write for a host that does not fit into a record.
var ErrTooMuch = errors.New("more than a record can hold")

// Write writes the record as an archive: tar, in gzip.
func (r *Record) Write(w io.Writer) error {
	r.mu.Lock()
	c, err := r.pack()
	m := r.Manifest
	r.mu.Unlock() // others may ask while it is compressed
	if err != nil {
		return err
	}
	m.Sum = c.sum()
	head, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	c[manifest] = append(head, '\n')
	total := 0
	for _, data := range c {
		total += len(data)
	}
	if total > within.unpacked || len(c) > within.entries || len(c[manifest]) > within.manifest || values(c[questions]) > within.values {
		return fmt.Errorf("%w: %d bytes in %d files", ErrTooMuch, total, len(c))
	}
	zip, err := gzip.NewWriterLevel(w, level)
	if err != nil {
		return err
	}
	t := tar.NewWriter(zip)
	for _, name := range append([]string{manifest, questions}, slices.DeleteFunc(c.names(), func(n string) bool { return n == questions })...) {
		h := &tar.Header{
			Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(c[name])), Format: tar.FormatUnknown,
			ModTime: m.Made.Truncate(time.Second),
		}
		if err := t.WriteHeader(h); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if _, err := t.Write(c[name]); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return errors.Join(t.Close(), zip.Close())
}

// Entries lists what is in the record, by the names of entries, with their sizes in bytes.
func (r *Record) Entries() (map[string]int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err := r.pack()
	if err != nil {
		return nil, err
	}
	sizes := map[string]int{}
	for name, data := range c {
		sizes[strings.TrimPrefix(name, top)] = len(data)
	}
	return sizes, nil
}

// values counts at most how many values a text of JSON has.
func values(text []byte) int {
	n := 1
	for _, c := range text {
		if c == ',' || c == ':' || c == '[' || c == '{' {
			n++
		}
	}
	return n
}

// counted fails when more is read than may be.
type counted struct {
	r          io.Reader
	left, most int64
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, bad("it holds more than %d KiB", c.most>>10)
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	return n, err
}

// Read reads a record, whoever made it: in memory and time that do not depend on what it claims. Every error that comes
// from what is in it wraps ErrBad.
func Read(from io.Reader) (*Record, error) { return within.read(from) }

func (most bounds) read(from io.Reader) (*Record, error) {
	packed := &io.LimitedReader{R: from, N: int64(most.packed) + 1}
	zip, err := gzip.NewReader(bufio.NewReader(packed))
	if err != nil {
		return nil, bad("it is not in gzip (%v)", err)
	}
	defer func() { _ = zip.Close() }() // it has nothing to say that was not read
	zip.Multistream(false)
	// Headers and padding count as well: twice what may be in the files is far more than they have.
	all := &counted{zip, 3 * int64(most.unpacked), int64(most.unpacked)}
	c, err := most.unpack(tar.NewReader(all))
	if err == nil {
		// To the end, where gzip has its checksum.
		_, err = io.Copy(io.Discard, all)
	}
	switch {
	case packed.N <= 0:
		return nil, bad("it is larger than %d KiB", most.packed>>10)
	case errors.Is(err, ErrBad):
		return nil, err
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, bad("it is damaged or cut off (%v)", err)
	case err != nil:
		return nil, bad("%v", err)
	}
	return most.decode(c)
}

// unpack reads the entries of an archive.
func (most bounds) unpack(t *tar.Reader) (content, error) {
	c := content{}
	left := most.unpacked
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		if err := fits(h); err != nil {
			return nil, err
		}
		_, double := c[h.Name]
		switch {
		case double:
			return nil, bad("%q is in it twice", h.Name)
		case len(c) == most.entries:
			return nil, bad("it has more than %d files", most.entries)
		case h.Size > int64(left):
			return nil, bad("%q is said to have %d bytes, and all of it may have %d", h.Name, h.Size, most.unpacked)
		case h.Name == manifest && h.Size > int64(most.manifest):
			return nil, bad("its manifest is larger than %d KiB", most.manifest>>10)
		}
		left -= int(h.Size)
		data := make([]byte, h.Size)
		if _, err := io.ReadFull(t, data); err != nil {
			return nil, err
		}
		c[h.Name] = data
	}
}

// fits refuses entries that a record does not have.
func fits(h *tar.Header) error {
	name := h.Name
	switch {
	case len(name) > longestName:
		return bad("the name of a file in it has %d bytes", len(name))
	case !clean(name):
		return bad("the name of a file in it has characters that cannot be printed: %q", name)
	case h.Typeflag == tar.TypeDir:
		return bad("%q is a directory: attach the file as lixfix has written it", name)
	case h.Typeflag != tar.TypeReg:
		return bad("%q is no ordinary file", name)
	case h.Linkname != "", h.PAXRecords["GNU.sparse.major"] != "", h.PAXRecords["GNU.sparse.name"] != "", h.PAXRecords["GNU.sparse.map"] != "":
		return bad("%q is no ordinary file", name)
	case path.IsAbs(name), path.Clean(name) != name, strings.HasPrefix(name, "../"), !strings.HasPrefix(name, top):
		return bad("%q is not a name within a record", name)
	case strings.Count(name, "/") > deepestName:
		return bad("%q lies more than %d directories deep", name, deepestName)
	case h.Size < 0:
		return bad("%q has a negative size", name)
	}
	return nil
}

// clean reports whether a text can be printed as it is.
func clean(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) })
}

// decode makes a record of its entries.
func (most bounds) decode(c content) (*Record, error) {
	head, ok := c[manifest]
	if !ok {
		return nil, bad("it has no manifest")
	}
	var format struct {
		Format int `json:"format"`
	}
	if err := strictly(head, &format); err != nil {
		return nil, bad("its manifest is broken: %v", err)
	}
	if format.Format != Format {
		return nil, bad("its format is %d, and this lixfix reads %d: use a newer lixfix", format.Format, Format)
	}
	r := &Record{scopes: map[string]map[string]*asked{}, any: map[string]*asked{}}
	if err := strictly(head, &r.Manifest); err != nil {
		return nil, bad("its manifest is broken: %v", err)
	}
	if err := r.Manifest.check(); err != nil {
		return nil, err
	}
	if got := c.sum(); got != r.Manifest.Sum {
		return nil, bad("its checksum is wrong: it was changed after lixfix made it, or damaged")
	}
	text, ok := c[questions]
	if !ok {
		return nil, bad("it has no questions")
	}
	delete(c, questions)
	if values(text) > most.values {
		return nil, bad("it has more than %d values", most.values)
	}
	for n := 1; len(text) > 0; n++ {
		one, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		if err := r.line(one, c, most.line); err != nil {
			return nil, bad("line %d of its questions: %v", n, err)
		}
	}
	return r, nil
}

// line reads one line of questions.
func (r *Record) line(text []byte, c content, longest int) error {
	if len(text) > longest {
		return fmt.Errorf("it is longer than %d KiB", longest>>10)
	}
	var l line
	if err := strictly(text, &l); err != nil {
		return err
	}
	switch {
	case !clean(l.By), !clean(l.Ask), l.Ask == "":
		return errors.New("who asked, or how, cannot be printed")
	case len(l.Answers) == 0:
		return errors.New("a question without an answer")
	case r.scopes[l.By][key(l.Ask, l.Of)] != nil:
		return errors.New("the same question twice")
	case l.Ask != "now" && l.Ask != "sockets" && len(l.Of) == 0:
		return errors.New("a question about nothing")
	}
	const most = 100_000 // answers to one question
	for i := range l.Answers {
		w := &l.Answers[i]
		data, ok := c[top+w.In]
		if w.In != "" && !ok {
			return fmt.Errorf("it names %q, which is not in the record", w.In)
		}
		if w.Times < 0 || w.Times > most {
			return fmt.Errorf("an answer is said to have been given %d times", w.Times)
		}
		a, err := w.answer(data)
		if err != nil {
			return err
		}
		a.times = max(w.Times, 1)
		r.add(l.By, l.Ask, l.Of, a)
	}
	return nil
}

// strictly decodes one value of JSON that is not too deep.
func strictly(text []byte, into any) error {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}', c == ']':
			depth--
		}
	}
	if deepest > deepestJSON {
		return fmt.Errorf("it is nested %d deep", deepest)
	}
	return json.Unmarshal(text, into)
}

// check refuses a manifest that no lixfix writes.
func (m *Manifest) check() error {
	h := m.Host
	words := slices.Concat([]string{m.Lixfix, h.OS, h.Product, h.Version, h.Build, h.Arch}, m.Fixes, m.Differs, m.Unseen)
	for _, v := range m.Verdict {
		words = append(append(words, v.Fix, v.Status, v.Refused), v.Plan...)
		for _, f := range v.Findings {
			words = append(words, f.ID, f.Status, f.Class)
		}
	}
	for what := range m.Replaced {
		words = append(words, what)
	}
	for _, w := range words {
		if !clean(w) {
			return bad("its manifest has characters that cannot be printed")
		}
	}
	switch {
	case h.OS != platform.Darwin && h.OS != platform.Linux:
		return bad("it is of a system that lixfix does not know: %q", h.OS)
	case m.Made.Year() < 2020 || m.Made.Year() > 2200:
		return bad("it was made in the year %d", m.Made.Year())
	}
	return nil
}
