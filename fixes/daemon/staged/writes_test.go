//go:build linux

package staged

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// writes are the system calls by which lixfix writes to a host and into its journal, by kind. Each is made to end in
// death.
var writes = []struct {
	kind  string
	calls []int
}{
	{"renameat", []int{unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2}},
	{"symlinkat", []int{unix.SYS_SYMLINKAT}},
	{"mkdirat", []int{unix.SYS_MKDIRAT}},
	{"unlinkat", []int{unix.SYS_UNLINKAT}},
	{"fchmod", []int{unix.SYS_FCHMOD, unix.SYS_FCHMODAT}},
	{"fsync", []int{unix.SYS_FSYNC}},
}

// counted has the kernel ask about a command's writes before they happen, and about those of all that it starts: see
// "SECCOMP_RET_USER_NOTIF" in seccomp_unotify(2). A trace would stop the command at each other call as well, which costs
// more than the command; and strace counts the calls of each thread by itself, so that it misses those of a program that
// has its goroutines change threads.
const counted = "LIXFIX_TEST_COUNTED"

// seccompNotif and seccompAnswer are the kernel's seccomp_notif and seccomp_notif_resp.
type (
	seccompNotif struct {
		id         uint64
		pid, flags uint32
		call       int32
		arch       uint32
		at         uint64
		args       [6]uint64
	}
	seccompAnswer struct {
		id    uint64
		value int64
		err   int32
		flags uint32
	}
)

// confine takes the place of a test, in a process of its own: it arranges to be asked about, hands the descriptor of the
// questions to the test, and becomes the command.
func confine() error {
	runtime.LockOSThread()                                                       // the filter is this thread's, which becomes the command
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the number of the call
	for _, w := range writes {
		for _, call := range w.calls {
			filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(call), Jf: 1},
				unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
		}
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	questions, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	const test = 3
	if err := unix.Sendmsg(test, []byte{0}, unix.UnixRights(int(questions)), nil, 0); err != nil {
		return fmt.Errorf("hand over the questions: %w", err)
	}
	unix.CloseOnExec(test)
	if err := os.Unsetenv(counted); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", os.Args[1], syscall.Exec(os.Args[1], os.Args[2:], os.Environ()))
}

// watched are the writes of a command, as they were asked about.
type watched struct {
	lixfix map[string]int // how often lixfix itself did each
	killed bool
	out    []byte
	err    error // of the command
}

// watch runs a command, kills the process that does a write of a kind for the nth time, and returns when the command has
// ended with all that it started. 0 is never.
func watch(t *testing.T, cmd *exec.Cmd, kind string, n int) watched {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	its := os.NewFile(uintptr(ends[1]), "questions")
	defer unix.Close(ends[0])
	var out bytes.Buffer
	cmd.Args = append([]string{"confine", cmd.Path}, cmd.Args...)
	cmd.Path, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = "/proc/self/exe", &out, &out, []*os.File{its}
	cmd.Env = append(cmd.Env, counted+"=1")
	err = cmd.Start()
	its.Close()
	if err != nil {
		t.Fatal(err)
	}
	w := watched{lixfix: map[string]int{}}
	asked, err := received(ends[0])
	if err == nil {
		err = w.answer(asked, kind, n)
		unix.Close(asked)
	}
	w.err = cmd.Wait()
	w.out = out.Bytes()
	if err != nil {
		t.Fatalf("count writes: %v\n%s", err, w.out)
	}
	return w
}

// received is the descriptor that a process sends through a socket.
func received(socket int) (int, error) {
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return -1, fmt.Errorf("%d messages: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("%d descriptors: %w", len(fds), err)
	}
	return fds[0], nil
}

// answer lets all writes happen but the one that ends in death, until nobody is left who could ask.
func (w *watched) answer(asked int, kind string, n int) error {
	did, kinds := map[int]map[string]int{}, map[int]string{}
	for _, one := range writes {
		for _, call := range one.calls {
			kinds[call] = one.kind
		}
	}
	for {
		ready := []unix.PollFd{{Fd: int32(asked), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, -1); errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil {
			return err
		}
		if ready[0].Revents&unix.POLLIN == 0 {
			return nil // hung up
		}
		var q seccompNotif
		// Who asked may be dead, or interrupted, in which case the same call is asked about once more.
		switch err := ioctl(asked, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&q)); {
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		}
		process, name := groupOf(q.pid)
		kindOf := kinds[int(q.call)]
		if process == 0 {
			continue
		}
		done := did[process]
		if done == nil {
			done = map[string]int{}
			did[process] = done
		}
		if kindOf == kind && done[kind]+1 >= n && n > 0 {
			w.killed = true
			if err := unix.Kill(process, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
			continue // without an answer: the call is not made
		}
		a := seccompAnswer{id: q.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		switch err := ioctl(asked, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a)); {
		case err == nil:
			done[kindOf]++
			if name == "lixfix" {
				w.lixfix[kindOf] = max(w.lixfix[kindOf], done[kindOf])
			}
		case !errors.Is(err, unix.ENOENT):
			return err
		}
	}
}

func ioctl(fd int, request uintptr, of unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(of)); errno != 0 {
		return errno
	}
	return nil
}

// groupOf is the process of a thread and its name; 0 if it is gone.
func groupOf(thread uint32) (process int, name string) {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", thread))
	field := func(key string) string {
		_, rest, _ := strings.Cut("\n"+string(data), "\n"+key+":\t")
		value, _, _ := strings.Cut(rest, "\n")
		return value
	}
	process, _ = strconv.Atoi(field("Tgid"))
	return process, field("Name")
}
