package platform

import "slices"

// readOnly lists the tool calls that leave the machine as it is. Query runs nothing else, so that a detector cannot
// change anything even by mistake.
func readOnly(tool string, args []string) bool {
	switch tool {
	case "/usr/bin/sw_vers", "/bin/ps", "/usr/bin/id":
		return true
	case "/usr/bin/dscl":
		// Without a command dscl would read commands from standard input.
		return slices.ContainsFunc(args, func(a string) bool { return a == "-read" || a == "-readall" || a == "-list" }) &&
			!slices.ContainsFunc(args, func(a string) bool {
				return slices.Contains([]string{
					"-create", "-append", "-merge", "-delete", "-change", "-changei", "-passwd",
					"create", "append", "merge", "delete", "change", "changei", "passwd",
				}, a)
			})
	case "/usr/sbin/lsof":
		return len(args) > 0 && args[0] == "-nP"
	case "/bin/launchctl":
		return len(args) > 0 && slices.Contains([]string{"print", "managername", "list"}, args[0])
	}
	return false
}
