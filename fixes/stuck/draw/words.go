package draw

import "github.com/lixfix/lixfix/fixes/fix"

// Beside the tree, and how it has changed.
const (
	likely                  = "(likely: inferred from what the processes do)"
	seesMore      fix.Words = "; this sees more: {command}"
	ended         fix.Words = "ended: {processes}"
	waitsAsBefore fix.Words = "waits as before: {processes}"
	nothingWaited           = "nothing waited"
	notMoved      fix.Words = "the chain has not moved; {how}"
	hasMoved      fix.Words = "the chain has moved; {how}"
	backTo        fix.Words = "(back to {process})"
	probable                = " (probably)"
	probablyFor   fix.Words = "probably {client}"
	forClient     fix.Words = "for {client}"
	moreHidden    fix.Words = "and {count} more"
)
