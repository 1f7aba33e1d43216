// Package account has the kinds of steps that change users and groups of macOS. They are compared with one reading of
// the directory, which each pass over a plan keeps.
package account

import "github.com/lixfix/lixfix/fixes/plan"

// isRecordWrite reports whether a step changes the directory.
func isRecordWrite(s plan.Step) bool {
	switch s := s.(type) {
	case SetAttribute, CreateRecord, DeleteRecord:
		return true
	case KeepNames:
		return s.Back
	}
	return false
}
