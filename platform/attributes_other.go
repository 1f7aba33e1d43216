//go:build !linux

package platform

import "os"

// copyAttributes carries nothing over: macOS sets attributes of its own on what is new, and lets nobody set these.
func copyAttributes(string, *os.File) error { return nil }

func hasACL(string) bool { return false }
