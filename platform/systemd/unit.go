package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/lixfix/lixfix/platform"
)

// Dirs are where systemd looks for units, the most important first (systemd.unit(5)).
var Dirs = []string{
	Units, "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
}

// Condition is what stands where systemd finds a unit's file.
type Condition string

// Conditions of a unit's file.
const (
	Missing  Condition = "missing"
	Masked   Condition = "masked"   // a link to /dev/null, or an empty file
	Dangling Condition = "dangling" // a link to nothing
	Present  Condition = "present"
)

// Unit is what the files say of a unit. systemd may have read others before: see State.
type Unit struct {
	Name      string // "nix-daemon.socket"
	File      string // where it was found, the link itself; "" where it is missing
	Link      string // the text of the link; "" for a file
	Condition Condition
	DropIns   []string
	Settings  []Setting         // of the file and of its drop-ins, in the order in which they count
	Wanted    []string          // links of targets that start it
	WantedTo  map[string]string // where these lead, as it is written there
}

// Setting is one line of a unit.
type Setting struct{ Section, Key, Value string }

// All returns the values of a setting that lists them; an empty one forgets those before it (systemd.syntax(7)).
func (u Unit) All(section, key string) []string {
	var values []string
	for _, s := range u.Settings {
		switch {
		case s.Section != section || s.Key != key:
		case s.Value == "":
			values = nil
		default:
			values = append(values, s.Value)
		}
	}
	return values
}

// Last returns the value of a setting that has one; "" where it is not set.
func (u Unit) Last(section, key string) string {
	value := ""
	for _, s := range u.Settings {
		if s.Section == section && s.Key == key {
			value = s.Value
		}
	}
	return value
}

// On reports whether a boolean setting is on.
func (u Unit) On(section, key string) bool {
	return slices.Contains([]string{"1", "yes", "y", "true", "t", "on"}, strings.ToLower(u.Last(section, key)))
}

// Installable reports whether the unit says what starts it: only then can it be enabled.
func (u Unit) Installable() bool {
	return slices.ContainsFunc(u.Settings, func(s Setting) bool { return s.Section == "Install" })
}

// Find looks for a unit's file as systemd would. The error says what could not be looked at. Callers that Share a context
// share the answer as well, and must not change it.
func Find(ctx context.Context, v platform.View, name string) (Unit, error) {
	s := sharedOf(ctx)
	if s == nil {
		return find(ctx, v, name)
	}
	s.mu.Lock()
	once, ok := s.units[name]
	if !ok {
		// As with the directories, the answer is for all.
		once = sync.OnceValues(func() (Unit, error) { return find(context.WithoutCancel(ctx), v, name) })
		s.units[name] = once
	}
	s.mu.Unlock()
	return once()
}

func find(ctx context.Context, v platform.View, name string) (Unit, error) {
	u, err := Read(ctx, v, name)
	if err != nil {
		return u, err
	}
	return u, u.wanted(ctx, v)
}

// Read is Find without what starts the unit, for which many directories are looked at.
func Read(ctx context.Context, v platform.View, name string) (Unit, error) {
	u := Unit{Name: name, Condition: Missing}
	for _, dir := range Dirs {
		file := path.Join(dir, name)
		info, err := v.Stat(ctx, file)
		if absent(err) {
			continue
		}
		if err != nil {
			return u, fmt.Errorf("look for the unit %s: %w", name, err)
		}
		u.File, u.Link, u.Condition = file, info.Target, Present
		if info.Target == "/dev/null" {
			u.Condition = Masked
			break
		}
		data, err := platform.ReadSmall(ctx, v, file)
		switch {
		case absent(err):
			u.Condition = Dangling
		case err != nil:
			return u, fmt.Errorf("read the unit %s: %w", name, err)
		case len(data) == 0:
			u.Condition = Masked
		}
		u.Settings = Parse(data)
		break
	}
	if u.Condition == Present {
		if err := u.dropIns(ctx, v); err != nil {
			return u, err
		}
	}
	return u, nil
}

func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// dropIns adds what the pieces of the unit say. Of pieces with one name the most important directory has the say.
func (u *Unit) dropIns(ctx context.Context, v platform.View) error {
	pieces := map[string]string{}
	for _, dir := range slices.Backward(Dirs) {
		dir = path.Join(dir, u.Name+".d")
		names, err := v.ReadDir(ctx, dir)
		if absent(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look for pieces of the unit %s: %w", u.Name, err)
		}
		for _, n := range names {
			if strings.HasSuffix(n, ".conf") {
				pieces[n] = path.Join(dir, n)
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(pieces)) {
		data, err := platform.ReadSmall(ctx, v, pieces[n])
		if absent(err) || errors.Is(err, platform.ErrNotRegular) { // /dev/null masks a piece
			continue
		}
		if err != nil {
			return fmt.Errorf("read a piece of the unit %s: %w", u.Name, err)
		}
		u.DropIns = append(u.DropIns, pieces[n])
		u.Settings = append(u.Settings, Parse(data)...)
	}
	return nil
}

// shared is what one look at the host has read of units.
type shared struct {
	once sync.Once
	dirs []string // whose links say what starts units
	err  error

	mu    sync.Mutex
	units map[string]func() (Unit, error)
}

type sharedKey struct{}

// Share returns a context in which each unit is looked for once, and the directories of units are listed once, of which
// there are some with hundreds of names. It is made anew for each look at the host.
func Share(ctx context.Context) context.Context {
	return context.WithValue(ctx, sharedKey{}, &shared{units: map[string]func() (Unit, error){}})
}

func sharedOf(ctx context.Context) *shared {
	s, ok := ctx.Value(sharedKey{}).(*shared)
	if !ok || platform.IsFresh(ctx) {
		return nil
	}
	return s
}

func startersOf(ctx context.Context, v platform.View) ([]string, error) {
	s := sharedOf(ctx)
	if s == nil {
		s = &shared{}
	}
	s.once.Do(func() {
		// Who asks first may be short of time; every read has a limit of its own, and the answer is for all.
		ctx := context.WithoutCancel(ctx)
		for _, dir := range Dirs {
			names, err := v.ReadDir(ctx, dir)
			if absent(err) {
				continue
			}
			if err != nil {
				s.err = err
				return
			}
			for _, n := range names {
				if strings.HasSuffix(n, ".wants") || strings.HasSuffix(n, ".requires") {
					s.dirs = append(s.dirs, path.Join(dir, n))
				}
			}
		}
	})
	return s.dirs, s.err
}

// wanted looks which targets have a link to the unit.
func (u *Unit) wanted(ctx context.Context, v platform.View) error {
	dirs, err := startersOf(ctx, v)
	if err != nil {
		return fmt.Errorf("look for what starts the unit %s: %w", u.Name, err)
	}
	links := make([]string, len(dirs))
	for i, dir := range dirs {
		links[i] = dir + "/" + u.Name
	}
	for i, found := range platform.StatAll(ctx, v, links) {
		link, info, err := links[i], found.FileInfo, found.Err
		switch {
		case err == nil:
			if u.WantedTo == nil {
				u.WantedTo = map[string]string{}
			}
			u.Wanted, u.WantedTo[link] = append(u.Wanted, link), info.Target
		case !absent(err):
			return fmt.Errorf("look for what starts the unit %s: %w", u.Name, err)
		}
	}
	return nil
}

// Parse reads the lines of a unit (systemd.syntax(7)).
func Parse(data []byte) []Setting {
	var list []Setting
	section, line := "", ""
	for raw := range strings.Lines(string(data)) {
		raw = strings.TrimRight(raw, "\r\n")
		trimmed := strings.TrimSpace(raw)
		// Comments may stand between the lines of one setting.
		if strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";") {
			continue
		}
		if head, ok := strings.CutSuffix(raw, `\`); ok {
			line += head + " "
			continue
		}
		line = strings.TrimSpace(line + raw)
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = line[1 : len(line)-1]
		} else if key, value, ok := strings.Cut(line, "="); ok && section != "" {
			list = append(list, Setting{section, strings.TrimSpace(key), strings.TrimSpace(value)})
		}
		line = ""
	}
	return list
}
