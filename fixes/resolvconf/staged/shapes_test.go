//go:build linux

package staged

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/resolvconf/probe"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
	parse "github.com/lixfix/lixfix/platform/resolvconf"
	"github.com/lixfix/lixfix/platform/sandbox"
)

// shape is a host of the recordings in ../testdata/scenarios, and what was seen on it.
type shape struct {
	name    string
	host    string   // its addresses: v4, v6, dual, none, v4nodef
	text    string   // of resolv.conf, quoted, or a word for another shape of it
	servers []string // that answer
	onHost  outcome  // of a lookup on the host, which Nix's builds have the network of
	pasta   outcome
}

// outcome is what came of a build: UDP and TCP to the IPv4 address of pasta, the same to its IPv6 address, and of a
// lookup by the C library.
type outcome struct {
	queries string // "ok T T N"; "-" for what was not asked
	lookup  string // "ok", "fail", or "no build"
}

func (o outcome) String() string {
	if o.queries == "" || o.queries == none {
		return o.lookup
	}
	return o.queries + " · " + o.lookup
}

const (
	works   = "ok"
	fails   = "fail"
	noBuild = "no build"
	none    = "- - - -"
	lost    = "T T T T" // nothing answers
	pasta4  = "169.254.1.1"
	pasta6  = "64:ff9b:1:4b8e:472e:a5c8:a9fe:0101"
)

// code is a query in a letter: T for a time-out, R for a closed port, N for no route.
func code(answered bool, failure string) string {
	switch {
	case answered:
		return works
	case strings.Contains(failure, "timeout"):
		return "T"
	case strings.Contains(failure, "refused"):
		return "R"
	case strings.Contains(failure, "unreachable"):
		return "N"
	}
	return "?"
}

var (
	shapeHead  = regexp.MustCompile(`^(\S+) host=(\S+) resolv='(.*)' servers=\[(.*)\]$`)
	shapeQuery = regexp.MustCompile(`^q (\S+)/(udp|tcp) rcode=(-?\d+) ans=\[(.*?)\] err="(.*)" `)
	quoted     = regexp.MustCompile(`'([^']*)'`)
	// curl finds nobody at the address that it was given for the name. It was asked and not getent, which leaves an
	// address out whose family the host has none of.
	resolved = regexp.MustCompile(`Failed to connect to probe\.test`)
	version  = regexp.MustCompile(`\b(20\d\d)_\d\d_\d\d\.[0-9a-f]{7}`)
)

// recordings are those of the pasta of this machine, or of the one before it in its ways.
func recordings(t *testing.T) (file string, all []shape) {
	t.Helper()
	program, err := os.ReadFile("/usr/bin/pasta")
	if err != nil {
		t.Fatal(err)
	}
	year := "2023" // Debian's of that year does not know its version, and not the option --dns-host either
	if bytes.Contains(program, []byte("dns-host")) {
		year = "2025"
	}
	if m := version.FindSubmatch(program); m != nil && string(m[1]) >= "2026" {
		year = "2026"
	}
	files, err := filepath.Glob("../testdata/scenarios/pasta-" + year + "-*.txt")
	if err != nil || len(files) != 1 {
		t.Fatalf("recordings of %s: %v %v", year, files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq("\n"+string(data), "\n### ") {
		if strings.TrimSpace(block) == "" {
			continue
		}
		lines := strings.Split(block, "\n")
		m := shapeHead.FindStringSubmatch(lines[0])
		if m == nil {
			t.Fatalf("%s: %q is not the head of a recording", files[0], lines[0])
		}
		s := shape{name: m[1], host: m[2], text: m[3], onHost: outcome{lookup: fails}, pasta: outcome{lookup: fails}}
		for _, a := range quoted.FindAllStringSubmatch(m[4], -1) {
			s.servers = append(s.servers, a[1])
		}
		seen := map[string]string{}
		for _, l := range lines[1:] {
			switch {
			case strings.HasPrefix(l, "pasta up=false"):
				s.pasta.lookup = noBuild
			case strings.HasPrefix(l, "HOST curl") && resolved.MatchString(l):
				s.onHost.lookup = works
			case strings.HasPrefix(l, "IN ") && resolved.MatchString(l):
				s.pasta.lookup = works
			}
			if q := shapeQuery.FindStringSubmatch(l); q != nil {
				seen[q[1]+q[2]] = code(q[3] == "0" && q[4] != "", q[5])
			}
		}
		s.pasta.queries = line4(seen)
		all = append(all, s)
	}
	return filepath.Base(files[0]), all
}

func line4(seen map[string]string) string {
	var words []string
	for _, server := range []string{pasta4, pasta6} {
		for _, protocol := range []string{"udp", "tcp"} {
			word := seen[server+protocol]
			if word == "" {
				word = "-"
			}
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

// notStaged are the recordings that cannot be made again here.
var notStaged = map[string]string{
	"v6-linklocal-scoped": "nobody listened when that was recorded; scoped-if is the same with a server",
}

// nixSees is what Nix makes of a file otherwise than the host does, which reads it as root: its builders read it as a
// build user, and a link to nothing cannot be mounted.
var nixSees = map[string]string{
	"dangling": noBuild, "mode0600": fails, "mode0600-lan": fails, "dnsfw-drop": fails,
}

// lixSees is what Lix makes of it before pasta counts, which the recordings were made without.
var lixSees = map[string]string{"dir": noBuild}

// stage makes the host of a shape.
func (s shape) stage(t *testing.T, by string) *linuxnet.Host {
	t.Helper()
	o := linuxnet.Options{Nix: true, Mode: linuxnet.Mode(s.host)}
	if s.host == "v4nodef" {
		o.Mode = linuxnet.V4
	}
	if s.name == "tun0600" {
		o.Tun = 0o600
	}
	h := linuxnet.New(t, o)
	if by == nix {
		h.Store(t)
	} else {
		lix(t, h, by)
	}
	if s.host == "v4nodef" {
		h.Run(t, "ip", "route", "del", "default")
	}
	for _, a := range s.servers {
		switch addr, err := netip.ParseAddr(a); {
		case a == "IF:ext0":
			h.Run(t, "ip", "-6", "addr", "add", "fe80::99/64", "dev", "ext0", "nodad")
			a = "fe80::99"
		case err != nil:
			t.Fatal(err)
		case addr.IsLoopback(), a == linuxnet.Addr4, a == linuxnet.Addr6:
		default:
			h.Run(t, "ip", "addr", "add", a+"/32", "dev", "lo")
		}
		h.Resolver(t, a)
	}
	const at, aside = "/etc/resolv.conf", "/run/resolv/resolv.conf"
	local := "nameserver 127.0.0.53\n"
	switch s.text {
	case "MISSING":
	case "DANGLING":
		h.Symlink(t, "/run/gone/resolv.conf", at)
	case "DIR":
		h.Run(t, "mkdir", at)
	case "MODE600":
		h.WriteFile(t, at, local, 0o600)
	case "MODE600L":
		h.WriteFile(t, at, good, 0o600)
	case "SYMLINK", "SYMLINKPRIV":
		h.WriteFile(t, aside, local, 0o644)
		h.Symlink(t, aside, at)
		if s.text == "SYMLINKPRIV" {
			h.Run(t, "chmod", "700", filepath.Dir(aside))
		}
	default:
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(s.text, `"`, `\"`) + `"`)
		if err != nil {
			t.Fatalf("%s: %v", s.text, err)
		}
		h.WriteFile(t, at, text, 0o644)
	}
	if s.name == "dnsfw-drop" {
		h.WriteFile(t, "/run/rules", fmt.Sprintf("table inet t {\n\tchain o {\n\t\ttype filter hook output priority filter; "+
			"policy accept;\n\t\tmeta skuid %d udp dport 53 drop\n\t}\n}\n", linuxnet.BuildUID), 0o644)
		h.Run(t, "nft", "-f", "/run/rules")
	}
	return h
}

// saw is what a build of lixfix probe found.
func saw(t *testing.T, r *probe.Result) outcome {
	t.Helper()
	switch r.Outcome {
	case sandbox.Ran:
	case sandbox.SetupFailed, sandbox.SetupTimeout:
		return outcome{lookup: noBuild}
	default:
		t.Errorf("the probe ended with %s: %s", r.Outcome, r.Reason)
		return outcome{lookup: string(r.Outcome)}
	}
	file := r.Report.Files[sandbox.ResolvConf]
	servers := parse.Glibc(file.Data)
	if len(servers) == 0 {
		servers = []parse.Server{{Address: netip.MustParseAddr("127.0.0.1")}}
	}
	protocol := "udp"
	if slices.Contains(parse.Options(file.Data), "use-vc") {
		protocol = "tcp"
	}
	o, seen := outcome{lookup: fails}, map[string]string{}
	for _, q := range r.Report.Queries {
		if q.Type != "A" || q.Name != linuxnet.Name {
			continue // the recording has no names of a search list
		}
		word := code(q.RCode == 0 && len(q.Answers) > 0, q.Error)
		seen[q.Server+q.Protocol] = word
		a, err := netip.ParseAddr(q.Server)
		if err != nil {
			t.Error(err)
		}
		asked := slices.ContainsFunc(servers, func(s parse.Server) bool { return s.Address == a })
		if word == works && q.Protocol == protocol && asked {
			o.lookup = works
		}
	}
	o.queries = line4(seen)
	return o
}

// predicted is what lixfix says of the host without a build.
func predicted(r report) string {
	for _, f := range r.Fixes {
		for _, found := range f.Findings {
			for _, e := range found.Evidence {
				if !strings.Contains(e.Source, "(predicted)") {
					continue
				}
				switch {
				case strings.HasPrefix(e.Observed, "lookups should work"):
					return works
				case strings.HasPrefix(e.Observed, "lookups should fail"):
					return fails
				}
				return "not known"
			}
		}
	}
	return "nothing"
}

// exception is why a shape is not what was recorded, or not what is predicted.
type exception struct {
	why   string
	maybe bool // it is at times
}

// The exceptions, by who builds and shape. Debian's pasta of 2023 has none but what comes too early.
var (
	notAsRecorded = map[string]exception{
		newLix + " missing": {early, true}, newLix + " dangling": {early, true},
	}
	notAsPredicted = map[string]exception{
		newLix + " missing": {early, true}, newLix + " dangling": {early, true},
	}
)

const early = "asked before pasta forwarded the loopback"

// shapeLine is what became of a shape, from the results of its test.
type shapeLine struct{ name, by, seen, recorded, predicted, note string }

// build has a build look.
func (s shape) build(t *testing.T, h *linuxnet.Host) (*probe.Result, []byte, time.Duration) {
	t.Helper()
	began := time.Now()
	lixfix := linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix")
	out, _ := h.Command(lixfix, "probe", "--all", "--name", linuxnet.Name, "--format", "json").Output()
	var d struct{ Probe *probe.Result }
	if err := json.Unmarshal(out, &d); err != nil || d.Probe == nil {
		t.Fatalf("lixfix probe: %v\n%s", err, out)
	}
	return d.Probe, out, time.Since(began)
}

// play stages a shape, has a build look, and compares.
func (s shape) play(t *testing.T, by string) shapeLine {
	want := s.pasta
	if by == nix {
		want = s.onHost
		if other, ok := nixSees[s.name]; ok {
			want.lookup = other
		}
	} else if other, ok := lixSees[s.name]; ok {
		want = outcome{lookup: other}
	}
	h := s.stage(t, by)
	lixfix := linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix")
	// Beside each other, for a silent server costs both of them the same seconds.
	look := h.Command(lixfix, "check", "resolv-conf", "--passive", "--name", linuxnet.Name, "--format", "json")
	var passive bytes.Buffer
	look.Stdout = &passive
	if err := look.Start(); err != nil {
		t.Fatal(err)
	}
	// Behind pasta, a build can ask before pasta forwards what it is asked, and then nothing answers it: fix start-race. How
	// often, the machine decides. What is recorded is what comes of it otherwise.
	var seen outcome
	for builds := 1; ; builds++ {
		d, out, took := s.build(t, h)
		if lix := d.Implementation == "Lix"; lix != (by == newLix) {
			t.Fatalf("%q %s has built", d.Implementation, d.Version)
		}
		seen = saw(t, d)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("probe, %v:\n%s", took, out)
			}
		})
		if by == nix || seen == want || seen.queries != lost || builds == 3 {
			break
		}
		t.Logf("build %d saw %s, and not %s", builds, seen, want)
	}
	_ = look.Wait() // its exit tells what it found
	var r report
	if err := json.Unmarshal(passive.Bytes(), &r); err != nil {
		t.Fatalf("lixfix check: %v\n%s", err, passive.Bytes())
	}
	if by == nix && seen.lookup != noBuild {
		seen.queries = "" // of the host's own servers
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("check:\n%s", passive.Bytes())
		}
	})
	l := shapeLine{name: s.name, by: by, seen: seen.String(), recorded: want.String(), predicted: predicted(r)}
	key := by + " " + s.name
	differs := func(what string, is bool, known map[string]exception) {
		e, listed := known[key]
		switch {
		case is && listed:
			l.note = strings.TrimPrefix(l.note+"; "+e.why, "; ")
		case is:
			t.Errorf("seen %s, recorded %s, predicted %s: not as %s", l.seen, l.recorded, l.predicted, what)
		case listed && !e.maybe:
			t.Errorf("seen %s: listed as not as %s, and it is", l.seen, what)
		}
	}
	differs("recorded", l.seen != l.recorded, notAsRecorded)
	known := l.predicted == works || l.predicted == fails
	differs("predicted", !known || (seen.lookup == works) != (l.predicted == works), notAsPredicted)
	return l
}

// TestShapesOfResolvConf stages each shape of resolv.conf that was recorded, once for real Nix and once for Lix's ways
// with the pasta of this machine, and holds what a build sees against the recording and the prediction. Its table is
// printed with -v.
func TestShapesOfResolvConf(t *testing.T) {
	t.Parallel()
	file, all := recordings(t)
	if len(all) != 60 {
		t.Fatalf("%s: %d recordings, want 60", file, len(all))
	}
	builders := []string{nix, newLix}
	lines := make([]shapeLine, len(builders)*len(all))
	t.Run("all", func(t *testing.T) {
		for i, s := range all {
			for j, by := range builders {
				l := &lines[i*len(builders)+j]
				if why, ok := notStaged[s.name]; ok {
					*l = shapeLine{name: s.name, by: by, seen: "not staged", recorded: "-", predicted: "-", note: why}
					continue
				}
				t.Run(by+" "+s.name, func(t *testing.T) {
					t.Parallel()
					*l = s.play(t, by)
				})
			}
		}
	})
	row := func(l shapeLine) string {
		line := fmt.Sprintf("%-22s %-13s %-17s %-17s %-10s %s", l.name, l.by, l.seen, l.recorded, l.predicted, l.note)
		return strings.TrimRight(line, " ") + "\n"
	}
	table := row(shapeLine{"shape", "built by", "seen", "recorded", "predicted", ""})
	for _, l := range lines {
		if l.name == "" {
			continue // not asked for with -run
		}
		if l.by == newLix {
			l.by = "as Lix " + newLix
		}
		table += row(l)
	}
	t.Logf("recorded: %s, and the host's own lookups for Nix\n%s", file, table)
}
