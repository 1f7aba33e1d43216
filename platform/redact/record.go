package redact

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/lixfix/lixfix/platform/pattern"
)

// Recorder takes names and secrets out of what is recorded of a host. What stood at two places is the same afterwards at
// both, and what could be read as a file of its kind still can: the same detectors say the same of it.
//
// All of a record is learned first, and replaced then, because a name in the first file can be known from the last.
type Recorder struct {
	names     *Names
	keepNames bool
	lines     map[string]string // what was made of a line
	parsing   sync.Mutex
	tokens    map[string]bool   // keys of JSON and property lists whose values are secrets
	read      map[string]bool   // lines that were learned from
	parsed    map[string]parsed // structured files, by their content
	known     int               // names and secrets when Settled was last asked
}

// NewRecorder returns a Recorder that knows nobody. With keepNames, secrets alone are taken out.
func NewRecorder(keepNames bool) *Recorder {
	n := NewNames()
	n.table.shaped = true
	return &Recorder{
		names: n, keepNames: keepNames, lines: map[string]string{}, read: map[string]bool{}, tokens: map[string]bool{},
		parsed: map[string]parsed{},
	}
}

// Names are those that the recorder knows, to be told of more.
func (r *Recorder) Names() *Names { return r.names }

// Used is how often something was replaced, by what it was.
func (r *Recorder) Used() map[string]int {
	used := map[string]int{}
	for what, n := range r.names.table.used {
		if what != "" {
			used[what] = n
		}
	}
	if r.names.secrets.count > 0 {
		used["secret"] = r.names.secrets.count
	}
	return used
}

// Text is a text of one line, or a name, without names and secrets. Text of the result is the result.
func (r *Recorder) Text(s string) string { return r.text(s, true) }

func (r *Recorder) text(s string, secrets bool) string {
	if numeric(s) {
		return s
	}
	if t, ok := r.lines[s]; ok {
		return t
	}
	t := strings.ToValidUTF8(s, "\uFFFD")
	if secrets {
		t = r.names.secrets.of(t, false)
	}
	t = r.names.secrets.encoded(r.names.secrets.swept(t), r.namesOf)
	t = r.namesOf(t)
	if len(s) < 4<<10 {
		r.lines[s] = t
	}
	return t
}

// numeric reports whether a text has nothing but numbers and the words of the kernel around them: of thousands of processes
// there are tens of thousands of those.
func numeric(s string) bool {
	for _, form := range []string{"/proc/", "socket:[", "pipe:[", "anon_inode:"} {
		if rest, ok := strings.CutPrefix(s, form); ok {
			s = rest
			break
		}
	}
	for w := range strings.SplitSeq(strings.TrimSuffix(s, "]"), "/") {
		if strings.Trim(w, "0123456789") != "" && !kernelWord()[w] {
			return false
		}
	}
	return true
}

// kernelWord are names below /proc that no user has.
var kernelWord = set("self", "task", "fd", "fdinfo", "ns", "stat", "status", "cmdline", "environ", "exe", "cwd", "io", "syscall",
	"wchan", "cgroup", "limits", "mountinfo", "net", "tcp", "tcp6", "pid", "mnt", "user", "[eventpoll", "[eventfd", "[signalfd", "[timerfd",
	"inotify", "[pidfd")

func (r *Recorder) namesOf(s string) string {
	if r.keepNames {
		return s
	}
	return r.names.all(s)
}

// Arguments are the arguments of a program.
func (r *Recorder) Arguments(argv []string) []string {
	rules := r.names.secrets.rules()
	out := rules.arguments(argv)
	for i := range out {
		if out[i] != argv[i] {
			r.names.secrets.remember(argv[i], out[i])
		}
		out[i] = r.text(out[i], true)
	}
	return out
}

// Address is the address that stands for another.
func (r *Recorder) Address(a netip.Addr) netip.Addr {
	if r.keepNames || !a.IsValid() {
		return a
	}
	if s := r.names.addresses.of(a); s != "" {
		if to, err := netip.ParseAddr(s); err == nil {
			if a.Is4In6() {
				return netip.AddrFrom16(to.As16())
			}
			return to
		}
	}
	return a
}

// AddressPort is the same with a port.
func (r *Recorder) AddressPort(a netip.AddrPort) netip.AddrPort {
	if !a.IsValid() {
		return a
	}
	return netip.AddrPortFrom(r.Address(a.Addr()), a.Port())
}

// counters are files of the kernel that have numbers and no names.
var counters = pattern.New(`^/proc/(?:locks|uptime|[0-9]+/(?:task/[0-9]+/)?(?:io|syscall|statm|wchan|sched|schedstat|limits))$`)

// Body is the content of a file, or what a tool has printed. name is the file's.
func (r *Recorder) Body(name string, data []byte) []byte {
	base := path.Base(name)
	switch {
	case len(data) == 0, counters.MatchString(name):
		return data
	case isProgram(data):
		return ofProgram(data)
	case name == "/etc/passwd", name == "/etc/group":
		return r.fields(data)
	case strings.HasPrefix(name, "/proc/") && base == "stat":
		return r.named(data)
	case strings.HasPrefix(name, "/proc/") && base == "status":
		return r.status(data)
	case packaged(name):
		return ofNix(data)
	case path.Base(name) == "nix.conf":
		return r.nixConf(data)
	case name == "/etc/nsswitch.conf":
		return r.services(data)
	case strings.HasPrefix(name, "/proc/net/") && (base == "ipv6_route" || base == "if_inet6" || base == "route"):
		return routes(data, base == "route", r.Address)
	case strings.HasPrefix(name, "/proc/") && base == "environ":
		return r.environment(data)
	case strings.HasPrefix(name, "/proc/") && (base == "tcp" || base == "tcp6") && path.Base(path.Dir(name)) == "net":
		return connections(data, r.Address)
	case bytes.IndexByte(data, 0) >= 0 && strings.HasPrefix(name, "/proc/"):
		return r.arguments(data)
	case bytes.HasPrefix(data, []byte("bplist00")):
		return []byte("bplist00" + Mark) // nothing of lixfix reads it
	}
	if parse := structured(data); parse != nil {
		return r.tokensOf(data, parse)
	}
	return r.plain(string(data))
}

// structured returns what reads a file that is made of texts, nil where none does.
func structured(data []byte) parser {
	trimmed := bytes.TrimLeft(data, " \t\r\n\uFEFF")
	switch {
	case bytes.HasPrefix(trimmed, []byte("<?xml")):
		return xmlTokens
	case len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') && json.Valid(data):
		return jsonTokens
	}
	return nil
}

// plain is text in lines.
func (r *Recorder) plain(s string) []byte {
	s = r.names.secrets.of(strings.ToValidUTF8(s, "\uFFFD"), true)
	var b strings.Builder
	for line := range strings.Lines(s) {
		bare := strings.TrimRight(line, "\r\n")
		b.WriteString(r.text(bare, false))
		b.WriteString(line[len(bare):])
	}
	return []byte(b.String())
}

// fields are files such as passwd(5), whose colons are no part of what stands between them.
func (r *Recorder) fields(data []byte) []byte {
	var b strings.Builder
	for line := range strings.Lines(strings.ToValidUTF8(string(data), "\uFFFD")) {
		bare := strings.TrimRight(line, "\r\n")
		for i, field := range strings.Split(bare, ":") {
			if i > 0 {
				b.WriteByte(':')
			}
			for j, part := range strings.Split(field, ",") {
				if j > 0 {
					b.WriteByte(',')
				}
				b.WriteString(r.Text(part))
			}
		}
		b.WriteString(line[len(bare):])
	}
	return []byte(b.String())
}

// named is the stat file of a process: numbers, and a name in parentheses.
func (r *Recorder) named(data []byte) []byte {
	from, to := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if from < 0 || to < from {
		return r.plain(string(data))
	}
	name := r.Text(string(data[from+1 : to]))
	return slices.Concat(data[:from+1], []byte(name), data[to:])
}

// status is the status file of a process: its name, and numbers. What the kernel tells of memory, processors and other
// things is left out, which is most of it: no detector asks for it.
func (r *Recorder) status(data []byte) []byte {
	var b strings.Builder
	b.Grow(len(data))
	for line := range strings.Lines(strings.ToValidUTF8(string(data), "\uFFFD")) {
		key, value, ok := strings.Cut(line, ":")
		switch {
		case !ok || !statusLines()[key]:
			if !ok || !plainValue(value) && !statusWords.MatchString(value) {
				b.Write(r.plain(line))
			}
		case key == "Name":
			value = strings.TrimRight(strings.TrimPrefix(value, "\t"), "\n")
			b.WriteString("Name:\t" + r.Text(value) + "\n")
		case plainValue(value) || statusWords.MatchString(value):
			b.WriteString(line)
		default:
			b.Write(r.plain(line))
		}
	}
	return []byte(b.String())
}

// statusLines are those that are kept.
var statusLines = set("Name", "State", "Tgid", "Pid", "PPid", "TracerPid", "Uid", "Gid", "FDSize", "NSpid", "VmRSS", "Threads",
	"SigBlk", "ShdPnd", "CapEff", "NoNewPrivs", "Seccomp", "voluntary_ctxt_switches")

// plainValue reports whether what stands behind a name is made of numbers.
func plainValue(s string) bool {
	s = strings.TrimSuffix(strings.TrimRight(s, "\n"), " kB")
	for i := range len(s) {
		if c := s[i]; !isHex(c) && c != '\t' && c != ' ' && c != ',' && c != '-' && c != '/' && c != 'x' {
			return false
		}
	}
	return true
}

// statusWords are the values that are words.
var statusWords = pattern.New(`^[ \t]*(?:[A-Z] \([a-z -]+\)|not vulnerable|thread [a-z -]+|conditional [a-z -]+|unknown|vulnerable)[ \t]*\n?$`)

// packaged reports whether a file is a database of packages.
func packaged(name string) bool {
	return name == "/var/lib/dpkg/status" || strings.HasSuffix(name, "/apk/db/installed")
}

// ofNix are the paragraphs of a database of packages that are about Nix: what else is installed is nobody's business.
func ofNix(data []byte) []byte {
	var kept []string
	for part := range strings.SplitSeq(string(data), "\n\n") {
		var lines []string
		is := false
		for line := range strings.Lines(part) {
			switch name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); name {
			case "Package", "P":
				value = strings.TrimSpace(value)
				is = value == "nix-bin" || value == "nix" || value == "lix"
				lines = append(lines, line)
			case "Status", "Version", "V", "Architecture", "A":
				lines = append(lines, line)
			}
		}
		if is {
			kept = append(kept, strings.Join(lines, ""))
		}
	}
	return []byte(strings.Join(kept, "\n"))
}

// programStart begins the file of a program on Linux (elf(5)).
const programStart = "\x7fELF"

func isProgram(data []byte) bool { return bytes.HasPrefix(data, []byte(programStart)) }

// ofProgram is what is asked of a program that is not run, such as pasta: its version, and whether it has an option. What
// else is in a program looks like anything, and says nothing of the host.
func ofProgram(data []byte) []byte {
	out := []byte(programStart + "\n")
	seen := map[string]bool{}
	for _, m := range toldOfPrograms.FindAllSubmatch(data, -1) {
		if w := string(m[0]); !seen[w] {
			seen[w] = true
			out = append(append(out, w...), '\n')
		}
	}
	return out
}

var toldOfPrograms = pattern.New(`\b20[0-9]{2}_[0-9]{2}_[0-9]{2}\.[0-9a-f]{7}|dns-(?:host|forward)`)

// nixConf is a nix.conf(5). What is no setting there may be the value of one, such as a token on a line of its own.
func (r *Recorder) nixConf(data []byte) []byte {
	var b strings.Builder
	for line := range strings.Lines(strings.ToValidUTF8(string(data), "\uFFFD")) {
		bare := strings.TrimRight(line, "\r\n")
		text, _, _ := strings.Cut(bare, "#")
		f := strings.Fields(text)
		setting := len(f) == 0 || len(f) > 1 && f[1] == "=" || f[0] == "include" || f[0] == "!include"
		if !setting {
			done := configLine(text)
			r.names.secrets.remember(text, done)
			line = done + line[len(bare):]
		}
		b.WriteString(line)
	}
	return r.plain(b.String())
}

// service is a line of nsswitch.conf(5), whose databases are called like secrets.
var service = pattern.New(`^[ \t]*[a-z_]+:(?:[ \t]+(?:files|compat|db|dns|nis|nisplus|hesiod|ldap|sss|systemd|winbind|resolve|` +
	`myhostname|mymachines|mdns[46]?(?:_minimal)?|wins|libvirt(?:_guest)?|altfiles|extrausers|cache|\[[!A-Za-z= ]+\]))*[ \t]*$`)

func (r *Recorder) services(data []byte) []byte {
	var b strings.Builder
	for line := range strings.Lines(string(data)) {
		if bare := strings.TrimRight(line, "\r\n"); !service.MatchString(bare) {
			line = string(r.plain(line))
		}
		b.WriteString(line)
	}
	return []byte(b.String())
}

// environment keeps the names of variables alone: nobody needs more, and anything can be in them.
func (r *Recorder) environment(data []byte) []byte {
	var out []byte
	for v := range bytes.SplitSeq(data, []byte{0}) {
		name, value, ok := strings.Cut(string(v), "=")
		if ok && value != "" && value != Mark {
			for w := range strings.FieldsFuncSeq(value, outside) {
				if odd(w) && secretName.MatchString(name) {
					r.names.secrets.seen[strings.ToLower(w)] = true
				}
			}
			r.names.secrets.count++
			value = Mark
		}
		if len(out) > 0 {
			out = append(out, 0)
		}
		out = append(out, r.Text(name)...)
		if ok {
			out = append(append(out, '='), value...)
		}
	}
	return out
}

// arguments are those of a process, which end in NUL.
func (r *Recorder) arguments(data []byte) []byte {
	return []byte(strings.Join(r.Arguments(strings.Split(string(data), "\x00")), "\x00"))
}

// Settled reports whether nothing new was found out since it was last asked: what was redacted before that may have to be
// redacted again.
func (r *Recorder) Settled() bool {
	known := len(r.names.secrets.seen) + len(r.names.table.kinds)
	if known == r.known {
		return true
	}
	r.known, r.lines, r.names.secrets.count, r.names.table.used = known, map[string]string{}, 0, map[string]int{}
	return false
}

// LearnBody is Learn for the content of a file, or what a tool has printed.
func (r *Recorder) LearnBody(name string, data []byte) {
	switch {
	case r.keepNames, counters.MatchString(name), packaged(name), isProgram(data), strings.HasPrefix(name, "/proc/") && path.Base(name) == "status":
		return
	case strings.HasPrefix(name, "/proc/") && path.Base(name) == "stat":
		if from, to := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')'); from >= 0 && to > from {
			data = data[from+1 : to]
		}
	}
	var texts []string
	switch {
	case bytes.IndexByte(data, 0) >= 0:
		texts = strings.Split(string(data), "\x00")
	case json.Valid(data):
		for _, t := range r.parse(data, jsonTokens).all {
			texts = append(texts, t.text)
		}
	default:
		texts = strings.Split(strings.ToValidUTF8(string(data), "\uFFFD"), "\n")
	}
	for _, t := range texts {
		r.Learn(t)
	}
}

// Learn reads the names out of something that is recorded.
func (r *Recorder) Learn(texts ...string) {
	if r.keepNames {
		return
	}
	for _, s := range texts {
		if numeric(s) || r.read[s] {
			continue
		}
		r.read[s] = true
		r.names.allOf(s, true)
	}
}
