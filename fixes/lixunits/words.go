package lixunits

import "github.com/lixfix/lixfix/fixes/fix"

// Why there is nothing to look at, or nothing to do.
const (
	byNixOS  = "NixOS makes its units itself"
	noSocket = "systemd has no " + socketUnit + " that it could read"
)

// What units should say, and what they say.
const (
	noLink         = "nothing, beside a socket with Accept=yes"
	aLink          = "a link"
	wantsEach      = "wants a service for each connection, and is shut out by one for all"
	noSuchLine     = "no such line"
	startsOne      = "starts one service for all connections, which shuts it out"
	notConflicting = "no Conflicts=" + socketUnit
	oneForAll      = "one service for all connections"
	oneForEach     = "a service for each connection"
	aUnit          = "a unit"
)

// Why an upgrade breaks nothing.
const (
	hasOneForAll             = "it has one service for all connections"
	templateThere  fix.Words = "{file} is there"
	byDistribution fix.Words = "{file} is a distribution's, whose package brings all units"
	lix            fix.Words = "Lix {version}"
)

// What a step is for.
const (
	maySocketStart = "the socket of that release may start it"
	asProfile      = "as the default profile has it"
	filesChanged   = "their files have changed"
	socketStarts   = "the socket starts it for each connection"
	startsDaemon   = "the socket starts the daemon"
	afterFailing   = "it does not start it before"
	soItAnswers    = "so that the daemon answers"
)
