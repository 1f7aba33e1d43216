package installation

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/nixconf"
	"github.com/lixfix/lixfix/platform/plistfile"
)

// unitDirs are where systemd looks for units, the most important first (systemd.unit(5)).
var unitDirs = []string{
	"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
}

// units are those of a daemon, by their roles. Since 2.95, Lix starts an instance of the last for each connection.
var units = []string{"nix-daemon.socket", "nix-daemon.service", "nix-daemon@.service"}

// Labels are the jobs of a daemon: the first of Lix, Nix and older Determinate Nix.
var Labels = []string{"org.nixos.nix-daemon", "systems.determinate.nix-daemon"}

// Plist returns where launchd finds a job.
func Plist(label string) string { return "/Library/LaunchDaemons/" + label + ".plist" }

// variables are those of a daemon's environment that decide about where it reads and writes. Others are not kept: they
// can be secrets.
var variables = []string{
	"HOME", "NIX_CONFIG", "NIX_CONF_DIR", "NIX_DAEMON_SOCKET_PATH", "NIX_REMOTE", "NIX_STATE_DIR", "NIX_STORE_DIR",
	"NIX_USER_CONF_FILES", "XDG_CONFIG_DIRS", "XDG_CONFIG_HOME",
}

// daemons looks how a daemon is started. Whether it runs is not asked here.
type daemons struct{ host }

func (h daemons) find(ctx context.Context) Fact[*Daemon] {
	if h.v.Facts().OS == platform.Darwin {
		return h.launchd(ctx)
	}
	return h.systemd(ctx)
}

// launchd reads the job of a daemon.
func (h daemons) launchd(ctx context.Context) Fact[*Daemon] {
	for _, label := range Labels {
		name := Plist(label)
		switch s, _, err := h.at(ctx, name); s {
		case absent:
			continue
		case hidden:
			return unknown[*Daemon](err.Error())
		}
		d := &Daemon{Kind: "launchd", Files: []string{name}, Label: label, environment: map[string]string{}}
		var job struct {
			EnvironmentVariables map[string]string
			Program              string
			ProgramArguments     []string
		}
		data, err := h.v.ReadFile(ctx, name)
		if err == nil {
			err = plistfile.Decode(data, &job)
		}
		if err != nil {
			return Fact[*Daemon]{Value: d, From: name + ", which could not be read: " + err.Error()}
		}
		d.keep(job.EnvironmentVariables)
		d.run(append([]string{job.Program}, job.ProgramArguments...))
		return fact(d, name)
	}
	return fact[*Daemon](nil, "there is no job of a daemon in /Library/LaunchDaemons")
}

// systemd reads the units of a daemon, as systemd would find them.
func (h daemons) systemd(ctx context.Context) Fact[*Daemon] {
	d := &Daemon{Kind: "systemd", environment: map[string]string{}}
	for _, unit := range units {
		name, why := h.unit(ctx, unit)
		if why != "" {
			return unknown[*Daemon](why)
		}
		if name == "" {
			continue
		}
		d.Files = append(d.Files, name)
		h.settings(ctx, d, name)
		for _, dir := range slices.Backward(unitDirs) {
			names, err := h.v.ReadDir(ctx, dir+"/"+unit+".d")
			if err != nil {
				continue
			}
			for _, n := range names {
				if strings.HasSuffix(n, ".conf") {
					h.settings(ctx, d, path.Join(dir, unit+".d", n))
				}
			}
		}
	}
	if len(d.Files) == 0 {
		return fact[*Daemon](nil, "systemd has no unit of a daemon")
	}
	h.readFiles(ctx, d)
	return fact(d, d.Files[0])
}

// unit returns the file of a unit; a link to nothing, and one to /dev/null, is what somebody has put there, too.
func (h daemons) unit(ctx context.Context, unit string) (name, why string) {
	for _, dir := range unitDirs {
		switch s, _, err := h.at(ctx, dir+"/"+unit); s {
		case there:
			return dir + "/" + unit, ""
		case hidden:
			return "", err.Error()
		}
	}
	return "", ""
}

// settings takes from a unit, or a piece of one, what is started and with which environment (systemd.exec(5)).
func (h daemons) settings(ctx context.Context, d *Daemon, name string) {
	data, err := platform.ReadSmall(ctx, h.v, name)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			d.unread = append(d.unread, nixconf.Gap{File: name, Err: err})
		}
		return
	}
	text := strings.ReplaceAll(string(data), "\\\n", " ")
	service := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			service = line == "[Service]"
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || !service || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		switch value = strings.TrimSpace(value); strings.TrimSpace(key) {
		case "ExecStart":
			if value != "" {
				d.run(strings.Fields(strings.TrimLeft(value, "@-:+!")))
			}
		case "Environment":
			if value == "" {
				clear(d.environment)
			}
			env := map[string]string{}
			for _, word := range quoted(value) {
				if n, v, ok := strings.Cut(word, "="); ok {
					env[n] = v
				}
			}
			d.keep(env)
		case "EnvironmentFile":
			d.from(name, value)
		}
	}
}

// quoted cuts a line into words, of which some are in quotes.
func quoted(line string) []string {
	var words []string
	var word strings.Builder
	inside, started := rune(0), false
	for _, r := range line {
		switch {
		case inside != 0 && r == inside:
			inside = 0
		case inside == 0 && (r == '"' || r == '\''):
			inside, started = r, true
		case inside == 0 && (r == ' ' || r == '\t'):
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteRune(r)
			started = true
		}
	}
	if started {
		words = append(words, word.String())
	}
	return words
}

// keep keeps the variables that matter.
func (d *Daemon) keep(env map[string]string) {
	for _, name := range variables {
		if value, ok := env[name]; ok {
			d.environment[name] = value
		}
	}
}

// run takes from a command line the program that is to serve: the last absolute name of one of Nix's, because a job of
// macOS has a shell wait for the file system first.
func (d *Daemon) run(argv []string) {
	for _, arg := range argv {
		for word := range strings.FieldsSeq(arg) {
			if base := path.Base(word); path.IsAbs(word) && (base == "nix-daemon" || base == "nix" || base == "determinate-nixd") {
				d.Program = word
			}
		}
	}
}
