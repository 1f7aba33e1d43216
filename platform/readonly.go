package platform

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// systemBins are where systems keep the tools that root trusts; NixOS has the first alone.
var systemBins = []string{"/run/current-system/sw/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// nixBins are where a nix is asked. Where there is one, package installation finds out; a user's own is not asked.
var nixBins = []string{
	"/nix/var/nix/profiles/default/bin", "/root/.nix-profile/bin", "/root/.local/state/nix/profile/bin",
	"/nix/var/nix/profiles/per-user/root/profile/bin", "/usr/local/bin",
}

// SystemTool returns the names under which a tool of the system may be found, the likeliest first.
func SystemTool(name string) []string {
	var all []string
	for _, dir := range systemBins {
		all = append(all, path.Join(dir, name))
	}
	return all
}

// forms are the arguments with which a tool of the system changes nothing, by the name of the tool.
var forms = map[string][][]string{
	"nft":            {{"list", "ruleset"}},
	"iptables-save":  {{}},
	"ip6tables-save": {{}},
	"ip":             {{"rule", "show"}, {"-6", "rule", "show"}},
	"resolvectl":     {{"domain"}},
	"dmesg":          {{}},
	"nix": {
		{"--version"},
		{"--extra-experimental-features", "nix-command", "config", "show", "--json"},
		{"--extra-experimental-features", "nix-command", "show-config", "--json"},
	},
}

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
			if strings.HasPrefix(a, "_PID=") || strings.HasPrefix(a, "_SYSTEMD_UNIT=") || strings.HasPrefix(a, "UNIT=") || a == "+" {
				return false
			}
			_, err := strconv.ParseUint(a, 10, 16)
			return err != nil && !slices.Contains([]string{"-q", "--no-pager", "-b", "-k", "-o", "cat", "-n"}, a)
		})
	case "/bin/launchctl":
		return len(args) > 0 && slices.Contains([]string{"print", "managername", "list"}, args[0])
	}
	name := path.Base(tool)
	if !slices.Contains(systemBins, path.Dir(tool)) && (name != "nix" || !slices.Contains(nixBins, path.Dir(tool))) {
		return false
	}
	switch name {
	case "lsattr": // of one file, itself
		return len(args) == 3 && args[0] == "-d" && args[1] == "--" && path.IsAbs(args[2])
	case "getfacl": // of one file
		return len(args) == 3 && args[0] == "-cpn" && args[1] == "--" && path.IsAbs(args[2])
	case "systemctl": // the state of one unit, or some properties of several
		return len(args) == 3 && args[0] == "is-active" && args[1] == "--" ||
			len(args) > 5 && slices.Equal(args[:3], []string{"show", "--no-pager", "-p"}) && args[4] == "--"
	}
	return slices.ContainsFunc(forms[name], func(form []string) bool { return slices.Equal(form, args) })
}
