package processes

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lixfix/lixfix/platform"
)

// Lsof is where macOS keeps lsof.
const Lsof = "/usr/sbin/lsof"

// Detail is a line of ps with what a process is doing.
type Detail struct {
	PID, Parent, Group, UID int
	State                   byte // R, S, I (asleep for long), T (stopped), U (uninterruptible), Z
	RSSKiB                  int
	CPU                     time.Duration // that it has used so far
	Started                 string        // as ps writes it
	Start                   time.Time
	Arguments               []string // split at spaces: ps does not tell arguments with spaces from two arguments
	Self                    bool     // the ps that made the list
}

// Details lists all processes.
func Details(ctx context.Context, v platform.View) ([]Detail, error) {
	// Each column has an -o of its own: in "-o pid=,ppid=" macOS takes ",ppid=" for the heading of pid.
	args := []string{"-axww"}
	for _, column := range []string{"pid", "ppid", "pgid", "uid", "state", "rss", "time", "lstart", "command"} {
		args = append(args, "-o", column+"=")
	}
	out, err := v.Query(ctx, Tool, args...)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var list []Detail
	for line := range strings.Lines(string(out)) {
		d, err := parseDetail(line)
		if err != nil {
			return nil, fmt.Errorf("list processes: %w", err)
		}
		d.Self = d.Parent == v.Facts().PID && strings.HasPrefix(strings.Join(d.Arguments, " "), Tool)
		list = append(list, d)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("list processes: %s printed nothing", Tool)
	}
	return list, nil
}

func parseDetail(line string) (Detail, error) {
	f := strings.Fields(line)
	bad := fmt.Errorf("ps: cannot read the line %q", line)
	if len(f) < 12 { // a zombie may have no command
		return Detail{}, bad
	}
	var n [4]int
	for i := range n {
		v, err := strconv.Atoi(f[i])
		if err != nil {
			return Detail{}, bad
		}
		n[i] = v
	}
	d := Detail{PID: n[0], Parent: n[1], Group: n[2], UID: n[3], State: f[4][0], Arguments: f[12:]}
	var err error
	if d.RSSKiB, err = strconv.Atoi(f[5]); err != nil {
		return Detail{}, bad
	}
	if d.CPU, err = cpu(f[6]); err != nil {
		return Detail{}, bad
	}
	// "Sun Nov 22 15:52:23 2026", the day padded with a space.
	d.Started = strings.Join(f[7:12], " ")
	if d.Start, err = time.ParseInLocation("Mon Jan 2 15:04:05 2006", d.Started, time.Local); err != nil {
		return Detail{}, bad
	}
	return d, nil
}

// cpu reads "1:02.34", minutes, seconds and hundredths, and "1-02:03:04", as ps of Linux writes it.
func cpu(s string) (time.Duration, error) {
	days, rest, ok := strings.Cut(s, "-")
	total := time.Duration(0)
	if ok {
		n, err := strconv.Atoi(days)
		if err != nil {
			return 0, err
		}
		total, s = time.Duration(n)*24*time.Hour, rest
	}
	parts := strings.Split(s, ":")
	unit := time.Second
	for _, part := range slices.Backward(parts) {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil || n < 0 || n > 1e9 {
			return 0, fmt.Errorf("processor time %q", s)
		}
		total += time.Duration(n * float64(unit))
		unit *= 60
	}
	return total, nil
}
