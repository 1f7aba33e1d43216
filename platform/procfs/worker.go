package procfs

import (
	"strconv"
	"strings"
)

// Serves reads the arguments of a daemon's process for one client: "nix-daemon CLIENT" of Nix and of Lix up to 2.93,
// "nix-daemon --for CLIENT --log-level N" of later ones. The client's number is padded with blanks or NUL where the
// arguments of the daemon left more room, and 0 where it says "unknown". worker is false for a daemon that listens, and
// for one that was started without arguments, which has no room for a number.
func Serves(arguments []string) (client int, worker bool) {
	switch {
	case len(arguments) < 2:
		return 0, false
	case arguments[1] == "--for" && len(arguments) > 2:
		client, _ = digits(arguments[2])
		return client, true
	}
	return digits(arguments[1])
}

func digits(word string) (int, bool) {
	n, err := strconv.Atoi(strings.Trim(word, " \x00"))
	if err != nil || n <= 0 {
		return 0, false
	}
	return n, true
}
