package stuck

import (
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/kinds"
)

// Kinds implements fix.Fix.
func (stuck) Kinds() []*fix.Kind { return kinds.All }
