//go:build !linux

package platform

import (
	"os/exec"
	"syscall"
)

// start starts a process as somebody else, or as lixfix itself where as is nil or root.
func start(cmd *exec.Cmd, as *Account) error {
	if as != nil && as.UID != 0 {
		c := &syscall.Credential{Uid: uint32(as.UID), Gid: uint32(as.GID)}
		for _, g := range as.Groups {
			c.Groups = append(c.Groups, uint32(g))
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: c}
	}
	return cmd.Start()
}

// tethered is start: here nothing ends a process with the one that has started it.
func tethered() (begin func(*exec.Cmd, *Account) error, release func()) { return start, func() {} }

// ended cannot wait for a child without reaping it here.
func ended(int) bool { return false }
