//go:build linux

package staged

import (
	"bufio"
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// opened is one call that opened a file, or tried to.
type opened struct {
	program string // that did it: the last one that the process was made to run
	how     string // look, list, read, write, run
	name    string // as it was asked for
	led     string // where that led; "" where it failed
	line    string
}

var (
	// strace pads the number of the process; with -y it prints the files of descriptors in angle brackets.
	callLine   = regexp.MustCompile(`^(\d+) +(\w+)\((.*)\) += (-?\d+)(?:<(.*)>)?.*$`)
	firstText  = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)
	directory  = regexp.MustCompile(`^(?:AT_FDCWD|\d+)<([^>]*)>, `)
	childLine  = regexp.MustCompile(`^(\d+) +(?:clone|clone3|fork|vfork)\(.*= (\d+)`)
	unfinished = regexp.MustCompile(`^(\d+) +(.*) <unfinished \.\.\.>$`)
	resumed    = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>(.*)$`)
	number     = regexp.MustCompile(`\bN\b`)
	ownFile    = regexp.MustCompile(`^/proc/self/fd/(\d+)(/.*)?$`)
	handed     = regexp.MustCompile(`^\d+ +(?:dup3\(\d+<([^>]*)>, (\d+)(?:<[^>]*>)?, 0\)|fcntl\((\d+)<([^>]*)>, F_SETFD, 0\)) += \d`)
	deleted    = regexp.MustCompile(`\((?:deleted)\)$`)
)

// parseTrace reads what strace -f -y wrote about a program.
func parseTrace(trace []byte, program string) ([]opened, error) {
	var list []opened
	programs := map[string]string{}
	files := map[string]string{} // that a child was handed, by its number and that of the descriptor
	halves := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(trace))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if m := unfinished.FindStringSubmatch(line); m != nil {
			halves[m[1]] = m[1] + " " + m[2]
			continue
		}
		if m := resumed.FindStringSubmatch(line); m != nil {
			line = halves[m[1]] + m[2]
		}
		if m := childLine.FindStringSubmatch(line); m != nil {
			// With vfork the child has become another program by the time that the parent goes on.
			if programs[m[2]] == "" {
				programs[m[2]] = programs[m[1]]
			}
			continue
		}
		m := callLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if h := handed.FindStringSubmatch(line); h != nil {
			files[m[1]+" "+h[2]+h[3]] = h[1] + h[4]
			continue
		}
		pid, call, args, result, led := m[1], m[2], m[3], m[4], deleted.ReplaceAllString(m[5], "")
		text := firstText.FindStringSubmatch(args)
		if text == nil {
			continue
		}
		name, err := strconv.Unquote(`"` + text[1] + `"`)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		if !path.IsAbs(name) {
			if d := directory.FindStringSubmatch(args); d != nil {
				name = path.Join(d[1], name)
			}
		}
		o := opened{program: programs[pid], name: name, led: led, line: line}
		if o.program == "" {
			o.program = program
		}
		switch call {
		case "open", "openat", "openat2", "creat":
			o.how = how(args)
		case "execve", "execveat":
			o.how = "run"
			// lixfix runs a tool below the directory that it has looked at.
			if fd := ownFile.FindStringSubmatch(name); fd != nil && files[pid+" "+fd[1]] != "" {
				name = files[pid+" "+fd[1]] + fd[2]
				o.name = name
			}
			if result == "0" {
				programs[pid] = name
			}
		default:
			continue
		}
		list = append(list, o)
	}
	return list, lines.Err()
}

// how tells from the flags what a file was opened for.
func how(args string) string {
	// Flags come behind the name, which can hold their names.
	flags := args[strings.LastIndex(args, `"`)+1:]
	switch {
	case strings.Contains(flags, "O_PATH"):
		return "look"
	case strings.Contains(flags, "O_WRONLY"), strings.Contains(flags, "O_RDWR"), strings.Contains(flags,
		"O_CREAT"), strings.Contains(flags, "O_TRUNC"):
		return "write"
	case strings.Contains(flags, "O_DIRECTORY"):
		return "list"
	}
	return "read"
}

// rule allows one kind of programs to open one kind of files.
type rule struct {
	program, how, name *regexp.Regexp
	text               string
	used               int
}

// parseRules reads a list of what may be opened: on each line a program, a way, and a name, as regular expressions of
// the whole word. "N" is a number.
func parseRules(text string) ([]*rule, error) {
	var list []*rule
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 3 {
			return nil, fmt.Errorf("%q has not three words", line)
		}
		r := &rule{text: line}
		for i, to := range []**regexp.Regexp{&r.program, &r.how, &r.name} {
			re, err := regexp.Compile("^(?:" + number.ReplaceAllString(f[i], "[0-9]+") + ")$")
			if err != nil {
				return nil, err
			}
			*to = re
		}
		list = append(list, r)
	}
	return list, nil
}

// allows reports whether one of the rules allows what was opened, both by its name and by where that led.
func allows(rules []*rule, o opened) bool {
	for _, name := range []string{path.Clean(o.name), o.led} {
		if name == "" || name == o.led && !path.IsAbs(name) {
			continue
		}
		ok := false
		for _, r := range rules {
			if r.program.MatchString(o.program) && r.how.MatchString(o.how) && r.name.MatchString(name) {
				r.used++
				ok = true
				break
			}
		}
		if !ok {
			return false
		}
	}
	return true
}
