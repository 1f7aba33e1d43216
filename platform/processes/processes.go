// Package processes lists the processes of a Mac through ps(1).
package processes

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/platform"
)

// Tool is where macOS keeps ps.
const Tool = "/bin/ps"

// Process is one line of ps.
type Process struct {
	PID     int
	Parent  int
	UID     int
	Command string // the executable, as ps shows it
}

// List returns all processes, the ps that listed them among them.
func List(ctx context.Context, v platform.View) ([]Process, error) {
	// One -o each: behind the first "=" BSD takes all of an argument for the text of the header.
	out, err := v.Query(ctx, Tool, "-ax", "-o", "pid=", "-o", "ppid=", "-o", "uid=", "-o", "comm=")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var list []Process
	for line := range strings.Lines(string(out)) {
		p, err := parse(line)
		if err != nil {
			return nil, fmt.Errorf("list processes: %w", err)
		}
		list = append(list, p)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("list processes: %s printed nothing", Tool)
	}
	return list, nil
}

func parse(line string) (Process, error) {
	rest := line
	var n [3]int
	for i := range n {
		rest = strings.TrimLeft(rest, " \t")
		word, after, _ := strings.Cut(rest, " ")
		v, err := strconv.Atoi(word)
		if err != nil {
			return Process{}, fmt.Errorf("ps: cannot read the line %q", line)
		}
		n[i], rest = v, after
	}
	return Process{PID: n[0], Parent: n[1], UID: n[2], Command: strings.TrimSpace(rest)}, nil
}

// Descendants returns the processes that descend from pid, without itself.
func Descendants(list []Process, pid int) []Process {
	children := make(map[int][]Process, len(list))
	for _, p := range list {
		if p.PID != p.Parent {
			children[p.Parent] = append(children[p.Parent], p)
		}
	}
	var found []Process
	seen := map[int]bool{pid: true}
	for next := []int{pid}; len(next) > 0; {
		var deeper []int
		for _, parent := range next {
			for _, p := range children[parent] {
				if !seen[p.PID] {
					seen[p.PID] = true
					found = append(found, p)
					deeper = append(deeper, p.PID)
				}
			}
		}
		next = deeper
	}
	return found
}
