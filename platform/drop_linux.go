package platform

import (
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// lastCapability is above every capability that there is; the kernel says EINVAL to those that it does not know.
const lastCapability = 63

// start starts a process as somebody else, or as lixfix itself where as is nil or root. What it gives away is given
// away for good, before the program is executed.
func start(cmd *exec.Cmd, as *Account) error {
	if as == nil || as.UID == 0 {
		return cmd.Start()
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// A session of its own has no terminal, whose input it could fake.
		Setsid:     true,
		Credential: credential(as),
	}
	done := make(chan error)
	go func() {
		// What follows is of one thread, and inherited by the processes that it starts. It is never unlocked, so that the
		// thread ends with this function.
		runtime.LockOSThread()
		err := forgo()
		if err == nil {
			err = cmd.Start()
		}
		done <- err
	}()
	return <-done
}

// tethered is start for a process that does not outlive lixfix, whatever ends that. The kernel goes by the thread that has
// started it (PR_SET_PDEATHSIG in prctl(2)), which is kept until release.
func tethered() (begin func(*exec.Cmd, *Account) error, release func()) {
	over := make(chan struct{})
	begin = func(cmd *exec.Cmd, as *Account) error {
		done := make(chan error)
		go func() {
			runtime.LockOSThread()
			var err error
			if as != nil && as.UID != 0 {
				cmd.SysProcAttr.Credential = credential(as)
				err = forgo()
			}
			cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
			if err == nil {
				err = cmd.Start()
			}
			done <- err
			<-over
		}()
		return <-done
	}
	return begin, sync.OnceFunc(func() { close(over) })
}

func credential(as *Account) *syscall.Credential {
	c := &syscall.Credential{Uid: uint32(as.UID), Gid: uint32(as.GID)}
	for _, g := range as.Groups {
		c.Groups = append(c.Groups, uint32(g))
	}
	return c
}

// forgo takes from this thread what a program executed by another user could get privileges from: set-user-ID
// programs and file capabilities, and the sets of capabilities that outlive a change of the user ID.
func forgo() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("forgo new privileges: %w", err)
	}
	// Kernels before 4.3 have none of these, and say so with EINVAL.
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil && err != unix.EINVAL {
		return fmt.Errorf("forgo capabilities: %w", err)
	}
	for c := uintptr(0); c <= lastCapability; c++ {
		// Without CAP_SETPCAP it stays; no_new_privs lets nobody draw from it.
		_ = unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return fmt.Errorf("forgo capabilities: %w", err)
	}
	data[0].Inheritable, data[1].Inheritable = 0, 0
	if err := unix.Capset(&head, &data[0]); err != nil {
		return fmt.Errorf("forgo capabilities: %w", err)
	}
	return nil
}

// ended waits for the end of a child and leaves it to be reaped. It returns false where that cannot be waited for.
func ended(pid int) bool {
	return retry(func() error { return unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) }) == nil
}
