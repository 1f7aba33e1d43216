package platform

import (
	"slices"
	"strconv"
	"strings"
)

// readOnly lists the tool calls that leave the machine as it is. Query runs nothing else, so that a detector cannot
// change anything even by mistake.
func readOnly(tool string, args []string) bool {
	switch tool {
	case "/usr/bin/sw_vers", "/bin/ps", "/usr/bin/id":
		return true
	case "/usr/bin/dscl":
		// Options, the node, the command: in this place and no other, for what follows is data. Without a command dscl
		// would read commands from standard input.
		for len(args) > 0 && slices.Contains([]string{"-plist", "-raw", "-url", "-q"}, args[0]) {
			args = args[1:]
		}
		return len(args) > 2 && (args[0] == "." || args[0] == "/Search") &&
			slices.Contains([]string{"-read", "-readall", "-list"}, args[1])
	case "/usr/sbin/lsof":
		return len(args) > 0 && args[0] == "-nP"
	case "/usr/bin/journalctl":
		// Some of its options rotate and delete the logs, so none but these are allowed, and fields to match.
		return !slices.ContainsFunc(args, func(a string) bool {
			if strings.HasPrefix(a, "_PID=") {
				return false
			}
			_, err := strconv.ParseUint(a, 10, 16)
			return err != nil && !slices.Contains([]string{"-q", "--no-pager", "-b", "-o", "cat", "-n"}, a)
		})
	case "/bin/launchctl":
		return len(args) > 0 && slices.Contains([]string{"print", "managername", "list"}, args[0])
	}
	return false
}
