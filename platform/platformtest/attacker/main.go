//go:build linux

// Attacker is the program of somebody who wants root to do something for them. On a host of package linuxnet, tests
// put copies of it wherever a user can put a file, under whatever name, and start it as that user.
//
// Started with "attack" as its first argument it does one of the things below. Started in any other way, it has been
// run by whoever looks at the host: it writes down who ran it, and answers as Nix would, so that nobody notices. Where
// there is a file with its own name and ".real" behind that, it also does what that program does: root puts it in the
// place of a tool, to learn as whom that is run.
package main

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Canary is where every run is written down. Everybody may write to it.
const Canary = "/canary"

// Run is one run of this program by somebody who was not to run it, or one event that was not to happen.
type Run struct {
	Kind   string // "run", "honest" or "wrapper" for a run; "opened" or "changed" for a file that is watched
	File   string
	Args   []string `json:",omitempty"`
	Env    []string `json:",omitempty"`
	Status map[string]string
	Open   []string `json:",omitempty"` // what its descriptors above 2 lead to
	Store  string   `json:",omitempty"` // whose the store is, where there is one
}

// modes are what it does when it is started by the attacker.
var modes = map[string]func(args []string) error{
	"enter":  enter,
	"daemon": daemon,
	"silent": silent,
	"hold":   hold,
	"named":  named,
	"root":   root,
	"title":  title,
	"many":   many,
	"swap":   swap,
	"turns":  turns,
	"launch": launch,
	"dns":    dns,
	"watch":  watch,
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "attack" && modes[os.Args[2]] != nil {
		if err := modes[os.Args[2]](os.Args[3:]); err != nil {
			fmt.Fprintf(os.Stderr, "attacker %s: %v\n", strings.Join(os.Args[2:], " "), err)
			os.Exit(1)
		}
		return
	}
	file, err := os.Executable()
	if err != nil {
		file = "?" + err.Error()
	}
	kind, then := "run", answer
	if _, err := os.Lstat(file + ".real"); err == nil {
		kind, then = "wrapper", func() { become(file + ".real") }
	} else if strings.Contains(file, "/honest/") {
		kind = "honest"
	}
	if err := note(Run{
		Kind: kind, File: file, Args: os.Args, Env: os.Environ(), Status: status(),
		Open: descriptors(),
	}); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	then()
}

// note writes down what has happened, in a file of its own.
func note(r Run) error {
	if info, err := os.Stat("/nix/store"); err == nil {
		if sys, ok := info.Sys().(*syscall.Stat_t); ok {
			r.Store = fmt.Sprint(sys.Uid)
		}
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	name := filepath.Join(Canary, fmt.Sprintf("%s-%d-%s.json", r.Kind, os.Getpid(), rand.Text()))
	if err := os.WriteFile(name+".part", data, 0o644); err != nil {
		return err
	}
	return os.Rename(name+".part", name)
}

// status is who this process is, as the kernel says.
func status() map[string]string {
	all := map[string]string{}
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return map[string]string{"error": err.Error()}
	}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "Uid", "Gid", "Groups", "NoNewPrivs", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
			all[key] = strings.Join(strings.Fields(value), " ")
		}
	}
	return all
}

// descriptors are what this process has open beside its standard streams, and beside what Go has.
func descriptors() []string {
	var all []string
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return []string{err.Error()}
	}
	for _, name := range names {
		to, err := os.Readlink(name)
		if err != nil || len(filepath.Base(name)) == 1 && filepath.Base(name) < "3" || strings.HasPrefix(to,
			"anon_inode:") {
			continue
		}
		all = append(all, filepath.Base(name)+" "+to)
	}
	return all
}

// answer says what Nix 2.8 says to what lixfix asks of it.
func answer() {
	file, _ := os.Executable()
	switch all := strings.Join(os.Args[1:], " "); {
	case strings.Contains(file, "/hangs/"):
		signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
		time.Sleep(time.Hour)
	case strings.Contains(file, "/leaves/"):
		// A child in a session of its own goes on, and keeps the streams open.
		_, _ = syscall.ForkExec("/bin/sleep", []string{"sleep", "3600"},
			&syscall.ProcAttr{Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true}})
		fmt.Println("nix (Nix) 2.8.0")
	case strings.Contains(file, "/loud/"):
		fmt.Println("nix (Nix" + escapes[:20] + ") 2.8.0" + escapes)
		// 65 MB: a line at a time first, as programs write, and then as much at a time as a pipe takes. All of it by the
		// line costs a second of the processor, for whoever reads it as well.
		const lines, single = 500_000, 10_000
		line := "error: " + escapes + strings.Repeat("A", 100) + "\n"
		for range single {
			fmt.Fprint(os.Stderr, line)
		}
		rest := bufio.NewWriterSize(os.Stderr, 64<<10)
		for range lines - single {
			_, _ = rest.WriteString(line)
		}
		_ = rest.Flush()
	case strings.Contains(all, "--version"):
		fmt.Println("nix (Nix) 2.8.0")
	case strings.Contains(all, "show"):
		fmt.Println(`{"sandbox":{"value":true},"build-users-group":{"value":"nixbld"}}`)
	}
}

// become turns into the program that this one was put in the place of.
func become(file string) {
	err := syscall.Exec(file, os.Args, os.Environ())
	fmt.Fprintf(os.Stderr, "attacker: become %s: %v\n", file, err)
	os.Exit(1)
}

// ready tells whoever started this that the attack is on, and by which process.
func ready() { fmt.Println("ready", os.Getpid()) }

// forever waits for the end of the host.
func forever() error {
	ready()
	for {
		time.Sleep(time.Hour)
	}
}
