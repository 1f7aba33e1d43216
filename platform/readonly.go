package platform

import "slices"

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
	case "/bin/launchctl":
		return len(args) > 0 && slices.Contains([]string{"print", "managername", "list"}, args[0])
	}
	return false
}
