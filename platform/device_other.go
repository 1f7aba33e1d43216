//go:build !linux

package platform

import "os"

// look describes a file, without following a link at the end of its name.
func look(file string) (looked, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return looked{}, err
	}
	l := looked{info: info}
	if info.Mode()&os.ModeSymlink != 0 {
		l.target, err = os.Readlink(file)
		return l, err
	}
	l.acl = hasACL(file)
	return l, nil
}
