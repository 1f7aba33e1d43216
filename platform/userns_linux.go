package platform

import (
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/platform/accounts"
)

// userSpace is what the user namespace that lixfix is in makes of the users of the host (user_namespaces(7)).
type userSpace struct {
	// sole: there is one user in it, and lixfix is run by that one. There is nobody else to run anything as.
	sole bool
	// foreign: the host's files belong to users whom the namespace has no number for, as for "unshare --user
	// --map-root-user". Whoever is called root there can do no more to them than before.
	foreign bool
}

var space = sync.OnceValue(func() userSpace {
	data, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return userSpace{} // a kernel without, or a chroot without /proc
	}
	var st unix.Stat_t
	if err := unix.Stat("/", &st); err != nil {
		return userSpace{}
	}
	return spaceOf(string(data), int(st.Uid))
})

// spaceOf takes it from a uid_map, and from whose the root directory is.
func spaceOf(uidMap string, owner int) userSpace {
	users, overflow := uint64(0), false
	for line := range strings.Lines(uidMap) {
		f := strings.Fields(line)
		if len(f) != 3 {
			return userSpace{}
		}
		first, err1 := strconv.ParseUint(f[0], 10, 32)
		count, err2 := strconv.ParseUint(f[2], 10, 32)
		if err1 != nil || err2 != nil {
			return userSpace{}
		}
		users += count
		overflow = overflow || first <= accounts.Overflow && accounts.Overflow < first+count
	}
	// Where the number that stands for all others is also that of a user, theirs cannot be told from that user's.
	return userSpace{sole: users == 1, foreign: owner == accounts.Overflow && users > 0 && !overflow}
}
