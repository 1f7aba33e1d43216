package procfs

import (
	"slices"
	"time"
)

// Calls are the numbers that an architecture gives the system calls in which processes of Nix wait.
type Calls struct {
	Flock, Read, Accept, Wait4, Futex, Nanosleep, ClockNanosleep, Fcntl, Sigtimedwait int64
	Writes                                                                            []int64 // write(2) and its like, whose first argument is the file
	// Wait are calls that wait for several files for some milliseconds: the index of the argument, by call.
	Wait map[int64]int
	// WaitUntil are such calls whose time is behind a pointer and cannot be read.
	WaitUntil []int64
}

// CallsOf returns the numbers of an architecture, in Go's name; ok is false where they are not known.
func CallsOf(arch string) (c Calls, ok bool) {
	switch arch {
	case "amd64":
		return Calls{
			Flock: 73, Read: 0, Accept: 43, Wait4: 61, Futex: 202, Nanosleep: 35, ClockNanosleep: 230, Fcntl: 72, Sigtimedwait: 128,
			Writes:    []int64{1, 20, 44, 46},              // write, writev, sendto, sendmsg
			Wait:      map[int64]int{232: 3, 281: 3, 7: 2}, // epoll_wait, epoll_pwait, poll
			WaitUntil: []int64{271, 441},                   // ppoll, epoll_pwait2
		}, true
	case "arm64":
		return Calls{
			Flock: 32, Read: 63, Accept: 202, Wait4: 260, Futex: 98, Nanosleep: 101, ClockNanosleep: 115, Fcntl: 25, Sigtimedwait: 137,
			Writes:    []int64{64, 66, 206, 211}, // write, writev, sendto, sendmsg
			Wait:      map[int64]int{22: 3},      // epoll_pwait
			WaitUntil: []int64{73, 441},          // ppoll, epoll_pwait2
		}, true
	}
	return Calls{}, false
}

// Timeout returns how long the call waits at most; ok is false for other calls. It is negative for calls that wait for
// ever, and those whose time cannot be read.
func (c Calls) Timeout(call Call) (d time.Duration, ok bool) {
	if !call.Known {
		return 0, false
	}
	if i, ok := c.Wait[call.N]; ok {
		return time.Duration(int32(call.Args[i])) * time.Millisecond, true
	}
	if slices.Contains(c.WaitUntil, call.N) {
		return -1, true
	}
	return 0, false
}
