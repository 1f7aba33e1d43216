package main_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/cmd/internal/cli"
	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/platformtest"
	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

func TestMain(m *testing.M) {
	// A program that was started with SIGHUP ignored, as under nohup(1), hands that on; a caught signal is not.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	defer platformtest.Clean()
	// A sixth of the time went to the collector, for a heap of some megabytes. What is measured are processes of their own.
	debug.SetGCPercent(800)
	// Most wait more than they compute: each check looks twice, and calls that fail are tried again after a while.
	if err := flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){
		// lixfix as root on the Mac of the story or on this machine, see testdata/script/README.md.
		"lixfix": func() {
			uid := 0
			if os.Getenv("UNPRIVILEGED") != "" {
				uid = 501
			}
			var host platform.Host
			if os.Getenv("LINUX") != "" {
				if uid != 0 {
					if err := errors.Join(syscall.Setgroups(nil), syscall.Setuid(uid)); err != nil {
						panic(err)
					}
				}
				host = platform.Local()
			} else {
				host = platformtest.Host(os.Getenv("MAC"), uid)
			}
			os.Exit(cli.Run(context.Background(), cli.Config{
				Host:  host,
				Fixes: fixes.All(), Args: os.Args[1:], Name: "lixfix", Version: "0.1.0",
			}))
		},
	})
}

// TestScripts plays the stories in testdata/script.
func TestScripts(t *testing.T) {
	// A short name, as lines of 80 columns have names of files in it.
	root, err := os.MkdirTemp("", "s") //nolint:usetesting // t.TempDir has a long one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		WorkdirRoot:         root,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("LIXFIX_UPDATE") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("MAC", filepath.Join(e.WorkDir, "mac"))
			e.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector sleeps a second at each exit
			e.Values["held"] = map[string]*os.File{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"mac": macCommand, "code": codeCommand},
	})
}

// codeCommand implements "code N PROGRAM ARGUMENT...": the program has to end with the exit code N.
func codeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N PROGRAM [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		ts.Fatalf("code: %v", err)
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("code: %v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s: exit %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// macCommand implements the command "mac" of the stories.
func macCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: mac seed|config|fault|calls|diff|…; see testdata/script/README.md")
	}
	root := ts.Getenv("MAC")
	m := mac.Open(root)
	check := func(err error) {
		if err != nil {
			ts.Fatalf("mac %s: %v", strings.Join(args, " "), err)
		}
	}
	switch verb, args := args[0], args[1:]; verb {
	case "seed":
		users := 32
		if len(args) == 2 {
			n, err := strconv.Atoi(args[1])
			check(err)
			users = n
		}
		i := slices.IndexFunc(mac.Variants(users), func(v mac.Variant) bool { return v.Name == args[0] })
		if i < 0 {
			ts.Fatalf("no state of a Mac is called %q", args[0])
		}
		v := mac.Variants(users)[i]
		check(os.RemoveAll(root))
		m, err := platformtest.Mac(root, mac.Options{Version: v.Version})
		check(err)
		check(v.Seed(m))
	case "keep":
		check(os.RemoveAll(root + ".kept"))
		_, err := m.Clone(root + ".kept")
		check(err)
	case "same":
		before, err := mac.Open(root + ".kept").Tree(journals)
		check(err)
		after, err := m.Tree(journals)
		check(err)
		diff := difference(before, after)
		if neg == (len(diff) == 0) {
			ts.Fatalf("since \"mac keep\" these files changed: %s", strings.Join(diff, ", "))
		}
	case "set":
		check(set(m, args))
	case "fault":
		check(m.Config(func(c *mac.Config) { err := addFault(c, args); check(err) }))
	case "nofault":
		check(m.Config(func(c *mac.Config) { c.Faults = nil }))
	case "service":
		loaded := false
		check(m.Config(func(c *mac.Config) { s := c.Service(mac.DaemonLabel); loaded = s != nil && s.Loaded }))
		if loaded == neg {
			ts.Fatalf("the daemon is loaded: %v", loaded)
		}
	case "uid":
		attrs, err := m.User(args[0])
		check(err)
		if got := strings.Join(attrs["UniqueID"], ","); (got == args[1]) == neg {
			ts.Fatalf("the user ID of %s is %q", args[0], got)
		}
	case "build":
		uid, err := strconv.Atoi(args[0])
		check(err)
		check(m.StartBuild(uid))
	case "hold":
		f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR|os.O_CREATE, 0o600)
		check(err)
		check(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB))
		held, _ := ts.Value("held").(map[string]*os.File)
		held[args[0]] = f
		ts.Defer(func() { f.Close() })
	case "release":
		held, _ := ts.Value("held").(map[string]*os.File)
		check(held[args[0]].Close())
	case "taken":
		check(m.AddUser("_newcomer"+args[0], map[string][]string{"uid": {args[0]}, "gid": {"1"}, "home": {"/var/empty"}}))
	case "person":
		check(m.AddUser(args[0], map[string][]string{
			"uid": {args[1]}, "gid": {"20"}, "home": {"/Users/" + args[0]}, "shell": {"/bin/zsh"},
			"generateduid": {"0BADF00D-0000-4000-8000-000000000" + args[1]},
		}))
	case "unperson":
		check(m.RemoveUser(args[0]))
	case "forget":
		check(m.ResetCalls())
	case "spawns":
		calls, err := m.Calls()
		check(err)
		n := map[string]int{}
		for _, c := range calls {
			n[c.Tool]++
			n["all"]++
		}
		for _, a := range args {
			tool, most, _ := strings.Cut(a, "=")
			if limit, err := strconv.Atoi(most); err != nil || n[tool] > limit {
				ts.Fatalf("%s was spawned %d times: %v", tool, n[tool], calls)
			}
		}
	case "writes":
		n, err := m.Writes()
		check(err)
		if (n > 0) == neg {
			ts.Fatalf("the tools were asked for %d writes", n)
		}
	default:
		ts.Fatalf("mac: unknown verb %q", verb)
	}
}

// set implements "mac set NAME VALUE": the configuration of the Mac.
func set(m *mac.Mac, args []string) error {
	return m.Config(func(c *mac.Config) {
		switch args[0] {
		case "consent":
			c.Consent = args[1] == "true"
		case "session":
			c.Session = args[1]
		case "root":
			c.Root = args[1] == "true"
		case "refuse-record-delete":
			c.Switches.RefuseRecordDelete = args[1] == "true"
		case "change-status":
			c.Switches.ChangeStatus, _ = strconv.Atoi(args[1])
		case "free-change":
			c.Switches.FreeChange = args[1] == "true"
		default:
			panic(fmt.Sprintf("mac set: unknown name %q", args[0]))
		}
	})
}

// addFault implements "mac fault": what goes wrong.
func addFault(c *mac.Config, args []string) error {
	var f mac.Fault
	number := func(i, otherwise int) (int, error) {
		if len(args) <= i {
			return otherwise, nil
		}
		return strconv.Atoi(args[i])
	}
	switch args[0] {
	case "kill-before", "kill-after":
		n, err := number(1, 1)
		if err != nil {
			return err
		}
		at := mac.Before
		if args[0] == "kill-after" {
			at = mac.After
		}
		f = mac.KillCaller(n, at, "")
	case "signal":
		n, err := number(1, 1)
		if err != nil {
			return err
		}
		f = mac.SignalCaller(n, args[2])
	case "spurious":
		n, err := number(1, 1)
		if err != nil {
			return err
		}
		f = mac.Spurious(n)
	case "spurious-read":
		n, err := number(1, 1)
		if err != nil {
			return err
		}
		f = mac.Spurious(n)
		f.Args, f.At, f.Stage = []string{"^-readall$", "^/Users$"}, mac.Before, ""
	case "killed-tool":
		n, err := number(2, 1)
		if err != nil {
			return err
		}
		f = mac.KilledTool(args[1], n)
		f.Args = append(f.Args, "^-create$")
	case "denied":
		n, err := number(2, 1)
		if err != nil {
			return err
		}
		f = mac.Fault{
			Name: "denied", Tool: "dscl", Args: []string{args[1], "^-create$"}, Times: n, Fail: true, Exit: 40,
			Stderr: "<main> attribute status: eDSPermissionError\n<dscl_cmd> DS Error: -14120 (eDSPermissionError)\n",
		}
	case "hang":
		f = mac.Fault{Name: "hang", Tool: args[1], Hang: -1}
	case "mute":
		f = mac.Fault{Name: "mute", Tool: args[1], Args: args[2:], Times: -1, Fail: true}
	default:
		return fmt.Errorf("unknown fault %q", args[0])
	}
	c.Faults = append(c.Faults, f)
	return nil
}

func difference(a, b map[string]string) []string {
	var names []string
	for name := range a {
		if b[name] != a[name] {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
