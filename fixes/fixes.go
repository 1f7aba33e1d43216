// Package fixes is the registry: the one list of the fixes that lixfix knows.
package fixes

import (
	"github.com/lixfix/lixfix/fixes/daemon"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/lixunits"
	"github.com/lixfix/lixfix/fixes/resolvconf"
	"github.com/lixfix/lixfix/fixes/sequoia"
	"github.com/lixfix/lixfix/fixes/stuck"
)

// All returns every fix, in the order in which "lixfix check" shows them.
func All() []fix.Fix {
	return []fix.Fix{
		sequoia.New(),
		stuck.New(),
		daemon.New(),
		lixunits.New(),
		resolvconf.New(),
	}
}
