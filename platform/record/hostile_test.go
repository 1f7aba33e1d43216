package record

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// entry is one of a hand-made archive.
type entry struct {
	tar.Header
	data string
}

func file(name, data string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(data))}, data}
}

func packed(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, e := range entries {
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatal(err)
		}
	}
	// A size that is only declared cannot be closed.
	_ = w.Close()
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const aQuestion = `{"by":"x","ask":"read","of":["/etc/x"],"answers":[{"in":"files/etc/x"}]}` + "\n"

// archive is a good record of one file, as spoil leaves it.
func archive(t testing.TB, spoil func(m map[string]any, c map[string]string)) []byte {
	t.Helper()
	m := map[string]any{
		"format": Format, "lixfix": "1", "made": "2026-01-02T03:04:05Z", "host": map[string]any{"os": "linux", "arch": "amd64"},
	}
	c := map[string]string{questions: aQuestion, top + "files/etc/x": "hello"}
	keep := content{}
	if spoil != nil {
		spoil(m, c)
	}
	for name, data := range c {
		keep[name] = []byte(data)
	}
	if m["sha256"] == nil {
		m["sha256"] = keep.sum()
	}
	head, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	entries := []entry{file(manifest, string(head))}
	for name, data := range c {
		entries = append(entries, file(name, data))
	}
	return packed(t, entries...)
}

// zeros is an archive whose one file has so many bytes, all the same.
func zeros(t testing.TB, size int64) []byte {
	t.Helper()
	var out bytes.Buffer
	zip, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	w := tar.NewWriter(zip)
	if err := w.WriteHeader(&tar.Header{Name: top + "files/x", Typeflag: tar.TypeReg, Size: size}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, endless{}, size); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	_ = zip.Close()
	return out.Bytes()
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// hostile are archives that somebody has made to do harm, and a word of what is said of each.
func hostile(t testing.TB, within bounds) map[string]struct {
	data []byte
	says string
} {
	t.Helper()
	type made = struct {
		data []byte
		says string
	}
	link := func(kind byte, to string) made {
		return made{packed(t, entry{tar.Header{Name: top + "files/x", Typeflag: kind, Linkname: to}, ""}), "no ordinary file"}
	}
	named := func(name, says string) made { return made{packed(t, file(name, "x")), says} }
	line := func(text, says string) made {
		return made{archive(t, func(_ map[string]any, c map[string]string) { c[questions] = text }), says}
	}
	head := func(key string, value any, says string) made {
		return made{archive(t, func(m map[string]any, _ map[string]string) { m[key] = value }), says}
	}
	good := archive(t, nil)
	var nested strings.Builder
	nested.WriteString(top)
	for range 1000 {
		nested.WriteString("d/")
	}
	var many []entry
	for i := range within.entries + 2 {
		many = append(many, file(top+"files/"+strconv.Itoa(i), ""))
	}
	var wide strings.Builder
	wide.WriteString(`{"by":"x","ask":"list","of":["/x"],"answers":[{"names":["a"`)
	for range within.values {
		wide.WriteString(`,"a"`)
	}
	wide.WriteString("]}]}\n")
	// As much as may be in it, in as many pieces: more memory than this takes nothing that is read.
	var most strings.Builder
	for n := range within.values/1000 - 2 {
		fmt.Fprintf(&most, `{"by":"x","ask":"list","of":["/%d"],"answers":[{"names":["aa"`, n)
		for range 985 {
			most.WriteString(`,"bcdefg"`)
		}
		most.WriteString("]}]}\n")
	}
	broken := bytes.Clone(good)
	broken[len(broken)-6] ^= 1 // of the checksum of gzip
	second := append(bytes.Clone(good), good...)
	control := "a\x1b]0;owned\x07b"
	return map[string]made{
		"empty":               {nil, "not in gzip"},
		"no archive":          {[]byte("hello, this is a text"), "not in gzip"},
		"an empty archive":    {packed(t), "no manifest"},
		"an absolute name":    named("/etc/passwd", "not a name within a record"),
		"a climbing name":     named(top+"../../etc/passwd", "not a name within a record"),
		"a name above":        named("../x", "not a name within a record"),
		"a name beside":       named("elsewhere/x", "not a name within a record"),
		"dots in a name":      named(top+"files/./x", "not a name within a record"),
		"control in a name":   named(top+"files/"+control, "cannot be printed"),
		"a name of 5 KiB":     named(top+strings.Repeat("x", 5000), "5014 bytes"),
		"1000 directories":    named(nested.String()+"x", "bytes"),
		"40 directories":      named(top+strings.Repeat("d/", 40)+"x", "directories deep"),
		"a symbolic link":     link(tar.TypeSymlink, "/etc/passwd"),
		"a hard link":         link(tar.TypeLink, top+"manifest.json"),
		"a device":            link(tar.TypeChar, ""),
		"a disk":              link(tar.TypeBlock, ""),
		"a FIFO":              link(tar.TypeFifo, ""),
		"a directory":         {packed(t, entry{tar.Header{Name: top + "files/", Typeflag: tar.TypeDir}, ""}), "directory"},
		"twice the same":      {packed(t, file(top+"files/x", "a"), file(top+"files/x", "b")), "in it twice"},
		"too many files":      {packed(t, many...), "more than"},
		"10 GB declared":      {packed(t, entry{tar.Header{Name: top + "files/x", Typeflag: tar.TypeReg, Size: 10 << 30}, "x"}), "is said to have 10737418240 bytes"},
		"8 GB of holes":       {sparse(t), "no ordinary file"},
		"a bomb":              {zeros(t, 64*int64(within.unpacked)), "is said to have"},
		"a bomb in small":     {zeros(t, int64(within.unpacked)), ""},
		"a bomb behind it":    {behind(t, 64*int64(within.unpacked)), "more than"},
		"a wrong checksum":    head("sha256", strings.Repeat("0", 64), "checksum is wrong"),
		"a damaged archive":   {broken, "damaged"},
		"cut off":             {good[:len(good)-20], "damaged"},
		"cut off early":       {good[:40], "damaged"},
		"two archives":        {second, ""}, // what follows is not read
		"a newer format":      head("format", Format+1, "use a newer lixfix"),
		"a strange system":    head("host", map[string]any{"os": "plan9"}, "system"),
		"a strange year":      head("made", "1970-01-01T00:00:00Z", "year"),
		"broken manifest":     {packed(t, file(manifest, "{"), file(questions, aQuestion)), "manifest is broken"},
		"no questions":        {archive(t, func(_ map[string]any, c map[string]string) { delete(c, questions) }), "no questions"},
		"broken JSON":         line("{\n", "line 1"),
		"broken second line":  line(aQuestion+"[]\n", "line 2"),
		"an unknown file":     line(`{"ask":"read","of":["/x"],"answers":[{"in":"files/y"}]}`, "not in the record"),
		"the same twice":      line(aQuestion+aQuestion, "twice"),
		"no answer":           line(`{"ask":"read","of":["/x"],"answers":[]}`, "without an answer"),
		"about nothing":       line(`{"ask":"read","answers":[{}]}`, "about nothing"),
		"too often":           line(`{"ask":"read","of":["/x"],"answers":[{"times":1000000000}]}`, "times"),
		"less than never":     line(`{"ask":"read","of":["/x"],"answers":[{"times":-1}]}`, "times"),
		"deep JSON":           line(strings.Repeat("[", 1<<16), "nested"),
		"wide JSON":           line(wide.String(), "values"),
		"as wide as may be":   line(most.String(), ""),
		"a strange address":   line(`{"ask":"sockets","answers":[{"sockets":[{"local":"x"}]}]}`, "address"),
		"a strange time":      line(`{"ask":"now","answers":[{"time":"yesterday"}]}`, "time"),
		"control in asking":   line(`{"by":"\u001b","ask":"read","of":["/x"],"answers":[{}]}`, "cannot be printed"),
		"control in version":  head("lixfix", control, "cannot be printed"),
		"control in product":  head("host", map[string]any{"os": "linux", "product": control}, "cannot be printed"),
		"control in fixes":    head("fixes", []string{control}, "cannot be printed"),
		"control in verdict":  head("verdict", []any{map[string]any{"fix": "x", "status": control}}, "cannot be printed"),
		"control in plan":     head("verdict", []any{map[string]any{"fix": "x", "plan": []string{control}}}, "cannot be printed"),
		"control in replaced": head("replaced", map[string]int{control: 1}, "cannot be printed"),
		"a large manifest":    head("lixfix", strings.Repeat("x", within.manifest), "manifest is larger"),
	}
}

// sparse declares a file that is nothing but holes.
func sparse(t testing.TB) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(packed(t, file(top+"files/x", "x"))))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	// As GNU tar has it: the type, the size with the holes, and the sum of all bytes of the header as if its own were blank.
	const kind, magic, size, sum, sumEnd, header = 156, 257, 483, 148, 156, 512
	raw[kind] = tar.TypeGNUSparse
	copy(raw[magic:], "ustar  \x00")
	copy(raw[size:], "77777777777\x00")
	total := 0
	copy(raw[sum:sumEnd], "        ")
	for _, b := range raw[:header] {
		total += int(b)
	}
	copy(raw[sum:sumEnd], fmt.Sprintf("%06o\x00 ", total))
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	_, _ = zip.Write(raw)
	_ = zip.Close()
	return out.Bytes()
}

// behind is a good record, and behind its end as much as would fill the memory.
func behind(t testing.TB, size int64) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(archive(t, nil)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	zip, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if _, err := io.Copy(zip, r); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(zip, endless{}, size); err != nil {
		t.Fatal(err)
	}
	_ = zip.Close()
	return out.Bytes()
}

// harmless are those of hostile that may be read: what is wrong about them is left unread.
var harmless = map[string]bool{"two archives": true, "as wide as may be": true}

// limitMemory and limitTime are what reading a record may take, whatever it is.
const (
	limitMemory = 64 << 10 // KiB, of the whole process
	limitTime   = 10 * time.Second
)

const childVariable = "LIXFIX_TEST_RECORD"

// TestHostile reads each of the archives in a process of its own, and refuses it with a sentence within 64 MiB.
func TestHostile(t *testing.T) {
	if name := os.Getenv(childVariable); name != "" {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Read(f)
		status, _ := os.ReadFile("/proc/self/status")
		_, peak, _ := strings.Cut(string(status), "VmHWM:")
		fmt.Fprintf(os.Stderr, "PEAK %s\nSAYS %v\n", strings.Fields(peak)[0], err)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	refused, highest := 0, 0
	for name, made := range hostile(t, within) {
		at := dir + "/archive"
		if err := os.WriteFile(at, made.data, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestHostile$")
		cmd.Env = append(os.Environ(), childVariable+"="+at)
		began := time.Now()
		out, err := cmd.CombinedOutput()
		took := time.Since(began)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
			continue
		}
		var peak int
		_, rest, _ := strings.Cut(string(out), "PEAK ")
		if _, err := fmt.Sscanf(rest, "%d", &peak); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		_, says, _ := strings.Cut(rest, "SAYS ")
		says, _, _ = strings.Cut(says, "\n")
		highest = max(highest, peak)
		switch {
		case harmless[name]:
			if says != "<nil>" {
				t.Errorf("%s: %s", name, says)
			}
		case !strings.Contains(says, ErrBad.Error()) || !strings.Contains(says, made.says):
			t.Errorf("%s: %q, want %q", name, says, made.says)
		default:
			refused++
		}
		if peak > limitMemory {
			t.Errorf("%s: %d KiB of memory", name, peak)
		}
		if took > limitTime {
			t.Errorf("%s: %v", name, took)
		}
	}
	t.Logf("%d hostile archives refused, with at most %d MiB of memory", refused, highest>>10)
}

// TestGood reads what the hostile ones are made from.
func TestGood(t *testing.T) {
	r, err := Read(bytes.NewReader(archive(t, nil)))
	if err != nil {
		t.Fatal(err)
	}
	v := r.View("x")
	if data, err := v.ReadFile(t.Context(), "/etc/x"); string(data) != "hello" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := v.ReadFile(t.Context(), "/etc/y"); !errors.Is(err, ErrNotRecorded) || len(v.Missing()) != 1 {
		t.Errorf("%v, %q", err, v.Missing())
	}
}

func FuzzRead(f *testing.F) {
	// What is large is as well to be found small: this takes a thousandth of the time.
	small := bounds{packed: 32 << 10, unpacked: 32 << 10, entries: 30, manifest: 4 << 10, line: 8 << 10, values: 3000}
	for _, made := range hostile(f, small) {
		f.Add(made.data)
	}
	f.Add(archive(f, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := small.read(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, ErrBad) {
				t.Errorf("%v is no error of a record", err)
			}
			return
		}
		// Whatever it holds can be asked for, and written again.
		v := r.View("x")
		_, _ = v.ReadFile(t.Context(), "/etc/x")
		_ = v.Now()
		if err := r.Write(io.Discard); err != nil && !errors.Is(err, ErrTooMuch) {
			t.Error(err)
		}
	})
}

// FuzzLine does the same with the questions alone, behind a checksum that is right.
func FuzzLine(f *testing.F) {
	f.Add(aQuestion)
	f.Add(`{"ask":"now","answers":[{"time":"2026-01-02T03:04:05Z","times":3}]}`)
	f.Add(`{"ask":"read","of":["/x"],"answers":[{"error":{"op":"open","path":"/x","wraps":[{"errno":"ENOENT"}]}}]}`)
	f.Add(`{"ask":"ask","of":["1.1.1.1:53","udp","x","A"],"answers":[{"dns":{"rcode":0,"addresses":["1.2.3.4"],"took":1}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		data := archive(t, func(_ map[string]any, c map[string]string) { c[questions] = text })
		r, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, q := range r.order {
			v := r.View(q.scope)
			if len(q.of) > 0 {
				_, err1 := v.ReadFile(t.Context(), q.of[0])
				_, err2 := v.Stat(t.Context(), q.of[0])
				_, _ = fmt.Sprint(err1), fmt.Sprint(err2)
			}
		}
		if err := r.Write(io.Discard); err != nil && !errors.Is(err, ErrTooMuch) {
			t.Error(err)
		}
	})
}
