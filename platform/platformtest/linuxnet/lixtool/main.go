//go:build linux

// Lixtool stands in for the tools of Lix on a host of package linuxnet, as far as the probe of the sandbox calls them.
// It evaluates nothing. As nix-daemon it does for clients what they ask, each in a process of its own that has the number of
// the client for its argument, as Nix and Lix do; how both talk is not theirs. What it does around a build is what Lix does, with the real pasta: the same
// command line, user, capabilities and namespaces, the same resolv.conf in the sandbox, the same waiting, the same words
// on standard error. Its sources are the captures of Lix 2.93.4 and 2.95.3, and lix/libstore/platform/linux.cc.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Conf is where the test says what kind of Lix this is.
const Conf = "/nix/lixtool.json"

type conf struct {
	Version string // "2.95.3"
	Pasta   string // the value of pasta-path
	Start   int    // milliseconds that a tool takes to start; Lix takes about 25
	Hang    bool   // never get as far as the builder, and start no pasta: for tests of who gives up when
}

const (
	state     = "/nix/var/lixtool"
	profile   = "/nix/var/nix/profiles/default/bin"
	buildUID  = 30001
	buildGID  = 30000
	inner     = "in-the-sandbox"
	nothing   = "do-nothing"
	gateway4  = "169.254.1.1"
	address4  = "169.254.1.2"
	network6  = "64:ff9b:1:4b8e:472e:a5c8:a9fe:"
	patience  = 150 * time.Second // 2.95.3 took 151.8 and 152.5 s on a machine that had nothing else to do
	tunDevice = "/dev/net/tun"
)

// pinned keeps what main does on the first thread, whose name and system call /proc shows for the process.
var _ = pinned()

func pinned() bool {
	runtime.LockOSThread()
	return true
}

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case inner:
			exit(inside(os.Args[2:]))
		case nothing:
			return
		}
	}
	var c conf
	data, err := os.ReadFile(Conf)
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		exit(err)
	}
	tool := filepath.Base(os.Args[0])
	called(tool)
	if !c.old() {
		// As 2.95 has them beside its first.
		for _, name := range []string{"signal handler", "GC-marker-0"} {
			go func() {
				runtime.LockOSThread()
				called(name)
				select {}
			}()
		}
	}
	time.Sleep(time.Duration(c.Start) * time.Millisecond)
	switch {
	case tool == daemon && (len(os.Args) == 1 || os.Args[1] == "--daemon"):
		exit(c.listen())
	case tool == daemon && os.Args[1] != "--version":
		if !c.old() {
			called("nix") // as a worker of Lix 2.94 and later is called, whose argv[0] is the daemon's
		}
		exit(c.serve())
	case os.Getenv("NIX_REMOTE") == "daemon" && !slices.Contains(os.Args, "--version"):
		exit(ask(append([]string{tool}, os.Args[1:]...)))
	default:
		exit(c.do(tool, os.Args[1:]))
	}
}

// called gives the thread a name, and with the first thread the process: that of the tool that it stands in for, as ps(1)
// shows it.
func called(tool string) {
	name := append([]byte(tool), 0)
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
}

// do does what is asked of a tool.
func (c conf) do(tool string, argv []string) error {
	args, values := options(argv)
	for _, e := range values["option"] {
		if name, value, _ := strings.Cut(e, "="); name == "pasta-path" {
			c.Pasta = value
		}
	}
	switch {
	case slices.Contains(args, "--version"):
		fmt.Printf("%s (Lix, like Nix) %s\n", tool, c.Version)
		return nil
	case tool == "nix" && slices.Contains(args, "ping"):
		url := "local"
		if gone != nil {
			url = "daemon"
		}
		fmt.Printf(`{"trusted":%t,"url":%q,"version":%q}`+"\n", trusted, url, c.Version)
		return nil
	case tool == "nix-instantiate":
		drv, err := instantiate(values)
		if err == nil {
			fmt.Println(drv)
		}
		return err
	case tool == "nix-build":
		drv, err := instantiate(values)
		if err != nil {
			return err
		}
		return c.realise(drv)
	case tool == "nix-store" && len(args) > 1 && args[0] == "--realise":
		return c.realise(args[1])
	case tool == "nix-store" && len(args) > 1 && args[0] == "--read-log":
		log, err := os.ReadFile(logOf(args[1]))
		if err == nil {
			_, err = os.Stdout.Write(log)
		}
		return err
	case tool == "nix-store" && len(args) > 1 && args[0] == "--delete":
		for _, p := range args[1:] {
			if err := os.Remove(p); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("%s %q: not known to the stand-in", tool, argv)
}

// exit ends the program where there is an error.
func exit(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}

// options takes the settings and arguments of an expression out of a command line.
func options(all []string) (rest []string, values map[string][]string) {
	values = map[string][]string{}
	for i := 0; i < len(all); i++ {
		switch a := all[i]; {
		case (a == "--option" || a == "--argstr") && i+2 < len(all):
			values[a[2:]] = append(values[a[2:]], all[i+1]+"="+all[i+2])
			i += 2
		case a == "--expr" && i+1 < len(all):
			values["expr"] = []string{all[i+1]}
			i++
		case a == "-j1":
		default:
			rest = append(rest, a)
		}
	}
	return rest, values
}

// derivation is what the stand-in keeps of one.
type derivation struct{ Builder, Mode, Nonce, Name, Out, Far string }

func storePath(seed, name string) string {
	sum := sha256.Sum256([]byte(seed))
	return "/nix/store/" + hex.EncodeToString(sum[:16]) + "-" + name
}

func logOf(drv string) string { return filepath.Join(state, filepath.Base(drv)+".log") }

var modeForm = regexp.MustCompile(`args = \[ "([a-z-]+)" nonce name `)

func instantiate(values map[string][]string) (drv string, err error) {
	given := map[string]string{}
	for _, v := range values["argstr"] {
		name, value, _ := strings.Cut(v, "=")
		given[name] = value
	}
	if len(values["expr"]) != 1 || modeForm.FindStringSubmatch(values["expr"][0]) == nil {
		return "", errors.New("the expression is not the probe's")
	}
	d := derivation{
		Builder: storePath(given["builder"], "lixfix-probe"), Mode: modeForm.FindStringSubmatch(values["expr"][0])[1],
		Nonce: given["nonce"], Name: given["name"], Far: given["far"], Out: storePath("out"+given["nonce"], "lixfix-dns-probe-"+given["nonce"]),
	}
	data, err := json.Marshal(d)
	if err != nil {
		return "", err
	}
	drv = storePath("drv"+d.Nonce, "lixfix-dns-probe-"+d.Nonce+".drv")
	if err := errors.Join(os.MkdirAll(state, 0o755), add(given["builder"], d.Builder), os.WriteFile(drv, data, 0o644)); err != nil {
		return "", err
	}
	fmt.Fprintln(os.Stderr, "warning: you did not specify '--add-root'; the result might be removed by the garbage collector")
	return drv, nil
}

// add copies a program into the store, unless it is there, as Lix does: it has some megabytes.
func add(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	is, err := in.Stat()
	if err != nil {
		return err
	}
	if has, err := os.Stat(to); err == nil && has.Size() == is.Size() && has.ModTime().Equal(is.ModTime()) {
		return nil
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close(), os.Chtimes(to, time.Time{}, is.ModTime()))
}

// setupError is an error as Lix words it before there is a builder.
type setupError struct{ what, drv string }

func (s setupError) Error() string {
	if s.drv != "" { // as 2.95.3 has it
		s.drv = " for " + s.drv
	}
	return "\n       … while setting up the build environment" + s.drv + "\n\n       error: " + s.what
}

func (c conf) realise(drv string) error {
	data, err := os.ReadFile(drv)
	if err != nil {
		return err
	}
	var d derivation
	if err := json.Unmarshal(data, &d); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "this derivation will be built:\n  %s\n", drv)
	log, err := os.Create(logOf(drv))
	if err != nil {
		return err
	}
	defer log.Close()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	if c.Hang {
		select {
		case <-interrupted:
		case <-gone:
		}
		return errors.New("interrupted by the user")
	}

	// The files of the sandbox.
	dir, err := os.MkdirTemp(state, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	etc, build := filepath.Join(dir, "etc"), filepath.Join(dir, "build")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(etc, 0o755), os.Mkdir(build, 0o700), os.Chown(build, buildUID, buildGID)); err != nil {
		return err
	}
	if err := c.etc(etc); err != nil {
		return err
	}

	// The namespaces, which it has as soon as pasta-path is set.
	flags := uintptr(syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS)
	if c.Pasta != "" {
		flags |= syscall.CLONE_NEWNET
	}
	wait := "no"
	if c.behindPasta() {
		wait = "yes"
	}
	box := exec.Command(os.Args[0], inner, wait, etc, build, d.Builder, d.Mode, d.Nonce, d.Name, "/build/out", d.Far)
	box.Path = "/proc/self/exe"
	box.Dir, box.Env = "/", []string{"PATH=/path-not-set", "HOME=/homeless-shelter", "NIX_BUILD_TOP=/build"}
	box.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  flags,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: buildUID, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 100, HostID: buildGID, Size: 1}},
		Credential:  &syscall.Credential{Uid: 1000, Gid: 100, NoSetGroups: true},
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN}, // to mount; gone before the builder starts
	}
	ready, readyInside, err := os.Pipe()
	if err != nil {
		return err
	}
	box.ExtraFiles = []*os.File{readyInside}
	output, outputInside, err := os.Pipe()
	if err != nil {
		return err
	}
	box.Stdout, box.Stderr = outputInside, outputInside
	if err := box.Start(); err != nil {
		return fmt.Errorf("start the sandbox: %w", err)
	}
	defer func() { _ = box.Process.Kill() }()
	readyInside.Close()
	outputInside.Close()
	if c.behindPasta() {
		pasta, err := c.pasta(box.Process.Pid)
		if err != nil {
			return err
		}
		defer func() { _ = pasta.Kill() }()
	}

	up := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(ready, make([]byte, 1))
		up <- err
	}()
	select {
	case err := <-up:
		if err != nil {
			words, _ := io.ReadAll(output)
			return setupError{what: strings.TrimSpace(string(words))}
		}
	case <-interrupted:
		return errors.New("interrupted by the user")
	case <-gone:
		return errors.New("the client is gone")
	case <-time.After(patience):
		late := setupError{what: "sandbox network setup timed out, please check daemon logs for possible error output."}
		if c.old() {
			return late
		}
		late.drv = drv
		// It goes on to say that it builds, and then what came of that.
		fmt.Fprintf(os.Stderr, "error:%v\nbuilding '%s'...\n", late, drv)
		return fmt.Errorf("builder for '%s' failed with exit code 1", drv)
	}
	fmt.Fprintf(os.Stderr, "building '%s'...\n", drv)
	if _, err := io.Copy(io.MultiWriter(log, os.Stderr), output); err != nil {
		return err
	}
	if err := box.Wait(); err != nil {
		return fmt.Errorf("builder for '%s' failed: %w", drv, err)
	}
	made, err := os.ReadFile(filepath.Join(build, "out"))
	if err != nil || string(made) != d.Nonce {
		return fmt.Errorf("builder for '%s' failed to produce output path '%s': %w", drv, d.Out, err)
	}
	if err := os.WriteFile(d.Out, made, 0o444); err != nil {
		return err
	}
	fmt.Println(d.Out)
	return nil
}

func (c conf) old() bool { return strings.HasPrefix(c.Version, "2.93") }

// behindPasta: without the device Lix starts no pasta, and says nothing.
func (c conf) behindPasta() bool {
	_, err := os.Stat(tunDevice)
	return c.Pasta != "" && err == nil
}

// nameservers are the lines that Lix takes out.
var nameservers = regexp.MustCompile(`(?m)^nameserver\s.*$`)

// etc writes the files that the sandbox is given.
func (c conf) etc(dir string) error {
	files := map[string][]byte{"nsswitch.conf": []byte("hosts: files dns\nservices: files\n")}
	if hosts, err := os.ReadFile("/etc/hosts"); err == nil {
		files["hosts"] = hosts
	}
	const name = "/etc/resolv.conf"
	resolv, err := os.ReadFile(name)
	_, there := os.Lstat(name)
	switch {
	case errors.Is(err, os.ErrNotExist) && there != nil:
	case errors.Is(err, os.ErrNotExist) && c.old():
		return setupError{what: "opening file '" + name + "': No such file or directory"}
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ELOOP):
		fmt.Fprintf(os.Stderr, "warning: '%s' exists but is inaccessible, it will not be rewritten inside the sandbox; "+
			"DNS operations inside the sandbox may be non-functional.\n", name)
	case errors.Is(err, syscall.EISDIR):
		return setupError{what: "reading from file: Is a directory"}
	case err != nil:
		return err
	default:
		if c.behindPasta() {
			resolv = c.rewrite(resolv)
		}
		files["resolv.conf"] = resolv
	}
	for target, source := range sandboxPaths() {
		source, optional := strings.CutSuffix(source, "?")
		data, err := os.ReadFile(source)
		switch {
		case errors.Is(err, os.ErrNotExist) && optional:
			continue
		case errors.Is(err, os.ErrNotExist):
			return setupError{what: "getting attributes of path '" + source + "': No such file or directory"}
		case err != nil:
			return err
		}
		files[filepath.Base(target)] = data
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// sandboxPaths are the files that nix.conf puts over those in the sandbox's /etc, by their names there. They are copied,
// where Lix mounts them.
func sandboxPaths() map[string]string {
	paths := map[string]string{}
	data, _ := os.ReadFile("/etc/nix/nix.conf")
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "extra-sandbox-paths" && words[0] != "sandbox-paths" {
			continue
		}
		for _, w := range words[2:] {
			if target, source, ok := strings.Cut(w, "="); ok && filepath.Dir(target) == "/etc" {
				paths[target] = source
			}
		}
	}
	return paths
}

func (c conf) rewrite(host []byte) []byte {
	v4, v6 := !c.old(), !c.old()
	for _, line := range nameservers.FindAll(host, -1) {
		if f := strings.Fields(string(line)); len(f) > 1 {
			a, err := netip.ParseAddr(f[1])
			v4, v6 = v4 || err == nil && a.Is4(), v6 || err == nil && a.Is6()
		}
	}
	out := append(nameservers.ReplaceAll(host, nil), '\n')
	if v4 {
		out = append(out, "nameserver "+gateway4+"\n"...)
	}
	if v6 {
		out = append(out, "nameserver "+network6+"0101\n"...)
	}
	return out
}

// pasta starts pasta as the build user, and does not look after it: like Lix, which finds out that it has ended only
// when it has waited long enough.
func (c conf) pasta(sandbox int) (*os.Process, error) {
	netns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", sandbox))
	if err != nil {
		return nil, err
	}
	defer netns.Close()
	userns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", sandbox))
	if err != nil {
		return nil, err
	}
	defer userns.Close()
	cmd := exec.Command(c.Pasta,
		"--quiet", "--foreground", "--config-net",
		"--gateway", gateway4, "--address", address4, "--netmask", "16", "--dns-forward", gateway4,
		"--gateway", network6+"0101", "--address", network6+"0102", "--dns-forward", network6+"0101",
		"--ns-ifname", "eth0", "--no-netns-quit", "--netns", "/proc/self/fd/0", "--userns", "/proc/self/fd/1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = netns, userns, words
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: buildUID, Gid: buildGID, Groups: []uint32{}},
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_BIND_SERVICE},
	}
	err = cmd.Start()
	switch {
	case err == nil:
		return cmd.Process, nil
	case !c.old():
		return nil, fmt.Errorf("could not exec pasta: %s", message(err))
	}
	// What Lix 2.93 has forked for pasta says this, colours and all, and ends.
	fmt.Fprintf(words, "\x1b[31;1merror:\x1b[0m executing '\x1b[35;1m%s\x1b[0m': %s\n", c.Pasta, message(err))
	// It has the name of who forked it.
	forked := exec.Command(filepath.Join(profile, filepath.Base(os.Args[0])), nothing)
	if err := forked.Start(); err != nil {
		return nil, err
	}
	return forked.Process, nil
}

// message is the message of the C library for an error number.
func message(err error) string {
	var n syscall.Errno
	switch errors.As(err, &n); {
	case errors.Is(err, exec.ErrNotFound), n == syscall.ENOENT:
		return "No such file or directory"
	case n == syscall.EACCES:
		return "Permission denied"
	}
	return err.Error()
}

// inside is the first process of a sandbox: it finishes it, waits for the network and becomes the builder.
func inside(args []string) error {
	// Capabilities are a thread's, and so is what exec keeps of them.
	runtime.LockOSThread()
	wait, etc, build, builder := args[0], args[1], args[2], args[3:]
	for _, m := range [][2]string{{etc, "/etc"}, {build, "/build"}} {
		if err := unix.Mount(m[0], m[1], "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", m[1], err)
		}
	}
	if err := unix.Mount("tmpfs", "/dev/net", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mounting /dev/net: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	for wait == "yes" {
		i, err := net.InterfaceByName("eth0")
		if err == nil && i.Flags&net.FlagUp != 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := os.Chdir("/build"); err != nil {
		return err
	}
	ready := os.NewFile(3, "ready")
	if _, err := ready.Write([]byte{1}); err != nil {
		return err
	}
	ready.Close()
	env := os.Environ()
	if bytes.Contains([]byte(strings.Join(env, "\n")), []byte("LIXFIX")) {
		return errors.New("the environment of the host is in the sandbox")
	}
	return syscall.Exec(builder[0], builder, env)
}
