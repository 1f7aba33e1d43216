//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// watch notes every opening and every change of the files and directories that are named, by whomever and by whatever
// name: the kernel tells it of the file and not of the name.
func watch(args []string) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return err
	}
	names := map[int32]string{}
	for _, name := range args {
		wd, err := unix.InotifyAddWatch(fd, name, unix.IN_OPEN|unix.IN_ACCESS|unix.IN_MODIFY|unix.IN_ATTRIB|
			unix.IN_CREATE|unix.IN_DELETE|unix.IN_MOVED_TO|unix.IN_MOVED_FROM)
		if err != nil {
			return fmt.Errorf("watch %s: %w", name, err)
		}
		names[int32(wd)] = name
	}
	ready()
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(fd, buf)
		if err != nil {
			return err
		}
		for data := buf[:n]; len(data) >= unix.SizeofInotifyEvent; {
			wd, mask := int32(binary.NativeEndian.Uint32(data)), binary.NativeEndian.Uint32(data[4:])
			size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(data[12:]))
			entry := string(bytes.TrimRight(data[unix.SizeofInotifyEvent:size], "\x00"))
			data = data[size:]
			kind := "opened"
			if mask&(unix.IN_OPEN|unix.IN_ACCESS) == 0 {
				kind = "changed"
			}
			if err := note(Run{Kind: kind, File: names[wd] + " " + entry, Args: []string{fmt.Sprintf("%#x",
				mask)}}); err != nil {
				return err
			}
		}
	}
}
