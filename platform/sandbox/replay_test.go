package sandbox

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// recorded is one run in a file of testdata.
type recorded struct {
	name   string
	exit   int
	stderr strings.Builder
	log    strings.Builder
}

var realised = regexp.MustCompile(`^\+ nix-store --realise .*rc=(\d+) ms=`)

func recordings(t *testing.T, file string) []*recorded {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all []*recorded
	var r *recorded
	built := false
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.ReplaceAll(lines.Text(), `\e`, "\x1b")
		if head, ok := strings.CutPrefix(line, "=== "); ok {
			name, _, _ := strings.Cut(head, " ")
			r, built = &recorded{name: name, exit: -1}, false
			all = append(all, r)
			continue
		}
		if r == nil {
			continue
		}
		if m := realised.FindStringSubmatch(line); m != nil {
			built = true
			r.exit, _ = strconv.Atoi(m[1])
		} else if strings.HasPrefix(line, "+ ") {
			built = false
		}
		if s, ok := strings.CutPrefix(line, "stderr| "); ok && built {
			r.stderr.WriteString(s + "\n")
		} else if s, ok := strings.CutPrefix(line, "log| "); ok {
			r.log.WriteString(s + "\n")
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// earlier makes a report of the form that the recordings have.
func earlier(t *testing.T, log string) *Report {
	t.Helper()
	_, line, ok := strings.Cut(log, Prefix)
	if !ok {
		return nil
	}
	var e struct {
		UID, GID int
		Cwd      string
		NS       map[string]string
		Ifaces   []string
		Routes4  []string
		Routes6  []string
	}
	if err := json.NewDecoder(strings.NewReader(line)).Decode(&e); err != nil {
		t.Fatal(err)
	}
	r := &Report{UID: e.UID, GID: e.GID, Cwd: e.Cwd, NetNS: e.NS["net"], UserNS: e.NS["user"]}
	for _, s := range e.Ifaces {
		f := strings.SplitN(s, " ", 3)
		i := Interface{Name: f[0], Up: strings.HasPrefix(f[1], "up|"), Loopback: strings.Contains(f[1], "loopback")}
		if len(f) == 3 {
			i.Addresses = strings.Fields(strings.Trim(f[2], "[]"))
		}
		r.Interfaces = append(r.Interfaces, i)
	}
	for _, s := range e.Routes4 {
		if f := strings.Fields(s); len(f) > 7 && f[1] == "00000000" && f[7] == "00000000" {
			r.Routes = append(r.Routes, Route{Family: 4, To: "0.0.0.0/0", Interface: f[0]})
		}
	}
	for _, s := range e.Routes6 {
		if f := strings.Fields(s); len(f) == 10 && f[0] == strings.Repeat("0", 32) && f[1] == "00" && f[9] != "lo" {
			r.Routes = append(r.Routes, Route{Family: 6, To: "::/0", Interface: f[9]})
		}
	}
	return r
}

// expected is what a run has to be taken for, from its name; the reason is part of what is told.
func expected(version, name string) (o Outcome, reason string) {
	old := version == "2.93.4"
	switch {
	case name == "tun0600-nopasta":
		return Ran, ""
	case strings.HasPrefix(name, "tun0600"):
		return SetupTimeout, "gave up waiting"
	case strings.HasSuffix(name, "cliempty"), strings.HasPrefix(name, "conf-empty"):
		return Ran, ""
	case strings.HasPrefix(name, "conf-quotes"), strings.HasPrefix(name, "conf-squotes"), strings.HasPrefix(name, "conf-gone"), strings.HasPrefix(name, "conf-noexec"):
		switch {
		case !old:
			return PastaNotRun, "could not exec pasta"
		case strings.HasSuffix(name, "alice"):
			// The daemon keeps what the old one says of it.
			return SetupTimeout, "gave up waiting"
		}
		return PastaNotRun, "executing"
	case strings.HasPrefix(name, "3-dangling") && old:
		return SetupFailed, "opening file '/etc/resolv.conf'"
	case name == "conf-override-gone-alice":
		return SetupFailed, "/etc/nix/gone.conf"
	case name == "conf-override-symlink-alice" && old:
		return SetupFailed, "cannot copy: Invalid argument"
	case name == "conf-override-symlink-alice":
		return SetupFailed, "cannot copy symlink"
	}
	return Ran, ""
}

// TestReplay classifies what real Lix printed.
func TestReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/lix-*.txt.gz")
	if err != nil || len(files) != 10 {
		t.Fatalf("%v %v", files, err)
	}
	outcomes, networks := map[Outcome]int{}, map[Network]int{}
	for _, file := range files {
		version := strings.Split(filepath.Base(file), "-")[1]
		for _, r := range recordings(t, file) {
			if r.exit < 0 {
				continue // the daemon's own messages, and builds with other tools
			}
			report := earlier(t, r.log.String())
			outcome, reason := classify(ended{exit: r.exit, stderr: []byte(r.stderr.String()), report: report != nil})
			want, about := expected(version, r.name)
			if strings.Contains(file, "sandbox-paths-override") && report == nil && r.exit == 0 {
				continue // a build that is allowed no network, with another builder
			}
			if outcome != want || !strings.Contains(reason, about) {
				t.Errorf("%s %s: %s (%s), want %s\n%s", file, r.name, outcome, reason, want, r.stderr.String())
			}
			outcomes[outcome]++
			if strings.ContainsAny(reason, "\x1b\n") {
				t.Errorf("%s %s: the reason is %q", file, r.name, reason)
			}
			if report == nil {
				continue
			}
			got := network(report, "net:[1]")
			networks[got]++
			has := func(part string) bool { return strings.Contains(r.name, part) }
			behind := OtherNetwork // the host's, seen from elsewhere
			switch {
			case has("notun") && !has("nopasta"):
				behind = NoTun
			case version == "2.95.3" && r.name == "4-missing-override-pasta":
				behind = LateNetwork // one of the rare builds that began before pasta had finished
			case has("nopasta"), has("cliempty"), has("conf-empty"):
			default:
				behind = PastaNetwork
			}
			if got != behind {
				t.Errorf("%s %s: network %s, want %s: %+v %+v", file, r.name, got, behind, report.Interfaces, report.Routes)
			}
			if same := network(report, report.NetNS); same != HostNetwork {
				t.Errorf("%s %s: the host's network is taken for %s", file, r.name, same)
			}
			if !sandboxed(report, "user:[4026531837]") {
				t.Errorf("%s %s: no sandbox: %+v", file, r.name, report)
			}
		}
	}
	t.Logf("%v %v", outcomes, networks)
	for o, least := range map[Outcome]int{Ran: 100, SetupTimeout: 10, PastaNotRun: 10, SetupFailed: 5} {
		if outcomes[o] < least {
			t.Errorf("%d runs are %s", outcomes[o], o)
		}
	}
}

func TestClassify(t *testing.T) {
	tests := []struct {
		name string
		ended
		want   Outcome
		reason string
	}{
		{name: "reported, whatever came then", ended: ended{exit: 102, report: true}, want: Ran},
		{name: "nobody kept the log", want: NoLog, reason: "keep-build-log"},
		{
			name: "dangling, Nix 2.8", ended: ended{exit: 1, stderr: []byte("building '/nix/store/x.drv'...\nerror: getting attributes of path '/etc/resolv.conf': No such file or directory\n")},
			want: SetupFailed, reason: "/etc/resolv.conf",
		},
		{
			name: "daemon down, Lix", want: NoDaemon, reason: "could not connect",
			ended: ended{exit: 1, stderr: []byte("error: could not connect to any lix socket (tried /nix/var/nix/daemon-socket/socket)\n")},
		},
		{
			name: "daemon down, Nix 2.34", want: NoDaemon, reason: "Connection refused",
			ended: ended{exit: 1, stderr: []byte("error:\n       … while opening it\n       error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused\n")},
		},
		{
			name: "bad line", want: BadConfig, reason: "nix.conf",
			ended: ended{exit: 1, stderr: []byte("error: syntax error in configuration line 'x' in '/etc/nix/nix.conf'\n")},
		},
		{
			name: "not static, Lix", want: DynamicBinary, reason: "could not be executed",
			ended: ended{exit: 1, stderr: []byte("building '/nix/store/x.drv'...\nerror: running /nix/store/7d6s7saqfrs1xwa7mz81jk0b5cap5cyq-lixfix-probe: No such file or directory\n")},
		},
		{
			name: "not static, Nix 2.8", want: DynamicBinary, reason: "could not be executed",
			ended: ended{exit: 1, stderr: []byte("\x01\x1b[31;1mError\x1b[0mexecuting '/nix/store/7d6s7saqfrs1xwa7mz81jk0b5cap5cyq-lixfix-probe': No such file or directory\n")},
		},
		{
			name: "dead pasta, and interrupted for it", want: SetupTimeout, reason: "pasta exited",
			ended: ended{exit: 1, pastaDead: true, stderr: []byte("Failed to set up tap device in namespace\nerror: interrupted by the user\n")},
		},
		{
			name: "pasta that is not there, and interrupted for it", want: PastaNotRun, reason: "/nix/store/gone/bin/pasta",
			ended: ended{exit: 1, pastaDead: true, stderr: []byte("\x1b[31;1merror:\x1b[0m executing '\x1b[35;1m/nix/store/gone/bin/pasta\x1b[0m': No such file or directory\nerror: interrupted by the user\n")},
		},
		{name: "interrupted", ended: ended{exit: 1, stderr: []byte("error: interrupted by the user\n")}, want: Interrupted},
		{name: "something else", ended: ended{exit: 1, stderr: []byte("error: disk full\n")}, want: Other, reason: "disk full"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, reason := classify(tt.ended)
			if got != tt.want || !strings.Contains(reason, tt.reason) || strings.ContainsAny(reason, "\x1b\x01") {
				t.Errorf("%s: %q, want %s", got, reason, tt.want)
			}
		})
	}
}

func TestPastaWords(t *testing.T) {
	got := pastaWords([]byte("warning: you did not specify\nthis derivation will be built:\n  /nix/store/x.drv\n" +
		"Couldn't get any nameserver address\nbuilding '/nix/store/x.drv'...\nnot pasta\n"))
	if len(got) != 1 || got[0] != "Couldn't get any nameserver address" {
		t.Errorf("%q", got)
	}
}

func TestParseVersion(t *testing.T) {
	for line, want := range map[string][2]string{
		"nix (Nix) 2.8.0":                            {"Nix", "2.8.0"},
		"nix (Nix) 2.34.8":                           {"Nix", "2.34.8"},
		"nix (Lix, like Nix) 2.95.3":                 {"Lix", "2.95.3"},
		"nix-store (Lix, like Nix) 2.96.0-dev-pre12": {"Lix", "2.96.0-dev-pre12"},
		"nix (Determinate Nix 3.1) 2.30.1":           {"Determinate Nix 3.1", "2.30.1"},
	} {
		if i, v, ok := ParseVersion(line); !ok || i != want[0] || v != want[1] {
			t.Errorf("%q: %q %q %t", line, i, v, ok)
		}
	}
	for _, line := range []string{"", "nix", "nix (Nix)", "bash: nix: not found"} {
		if _, _, ok := ParseVersion(line); ok {
			t.Errorf("%q was taken for a version", line)
		}
	}
}
