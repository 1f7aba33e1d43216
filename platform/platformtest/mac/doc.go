// Package mac is a simulated Mac: a folder that holds what a repair of Nix
// looks at on macOS, and the data behind the stand-ins for macOS's tools
// (package mactools), which are real programs with real exit codes.
//
//	m, err := mac.New(root, mac.Options{Version: "14.7"})
//	err = mac.Install(root, binary)           // ROOT/usr/bin/dscl and so on
//	err = m.BuildUsers(mac.Build{})           // _nixbld1.. at 301..
//	err = m.WriteReceipt(mac.Build{}, mac.Tagged)
//	err = m.Upgrade("15.1")                   // four of them are gone
//	err = m.Config(func(c *mac.Config) { c.Consent = false })
//	exec.Command(m.Path("/usr/bin/dscl"), ".", "-read", "/Users/_nixbld1")
//
// # On disk
//
// The directory is one XML plist a record in
// ROOT/private/var/db/dslocal/nodes/Default/{users,groups}, with the attribute
// names opendirectoryd uses. The same record always has the same bytes. A write
// replaces a file by renaming, so a Mac can be read while a tool writes.
//
// ROOT/.standin is no part of the Mac: config.json (see [Config]), counts.json,
// calls.jsonl (see [Call]) and a lock. [Mac.Tree] leaves it out. Copying ROOT
// copies the Mac; no file holds an absolute path of this machine.
//
// # Reading and seeding
//
// [Mac.User], [Mac.SetUser], [Mac.AddUser], [Mac.RemoveUser] and the same for
// groups work below dscl, without its rules, as an upgrade of macOS does.
// [Variants] are the states of hosts known from public reports, each with what
// a check has to find.
//
// # Faults
//
// A [Fault] strikes the nth call that matches, or the nth write of the Mac:
// fails it, hangs it, kills the tool, or signals the tool's caller, before,
// after or in the middle of what it does. Writes are the calls of dscl's and
// dseditgroup's changing verbs, and of launchctl's unless
// [Switches].FreeLaunchctl, failed ones included. The log of an undisturbed run
// tells the writes and the stages of each: together they are all the points at
// which the caller can die.
//
//	{"name": "crash", "write": 7, "at": "middle", "stage": "record", "signal": "KILL"}
//	{"tool": "dscl", "args": ["^-create$", "^IsHidden$"], "times": -1, "signal": "KILL", "self": true}
//	{"tool": "dscl", "nth": 3, "at": "after", "fail": true, "exit": 70, "stderr": "..."}
//
// The caller is the tool's parent process. A test that calls a tool itself must
// not ask for a signal to the caller, which would be the test.
//
// # What is not known
//
// Where nobody has seen what a real Mac does, [Switches] has both sides; its
// zero value is the likelier one. A test should pass on either.
package mac
