//go:build linux

package staged_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/lixfix/lixfix/fixes/stuck/diagnose"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/stuck"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/proclocks"
)

// holds reports whether a process holds a lock on a file.
func holds(locks []byte, pid int, name string) bool {
	var st syscall.Stat_t
	if syscall.Stat(name, &st) != nil {
		return false
	}
	list, _ := proclocks.Parse(locks)
	for _, l := range list {
		if l.PID == pid && l.File.Inode == st.Ino && l.Write {
			return true
		}
	}
	return false
}

// shares reports whether a process holds a shared lock on a file.
func shares(locks []byte, pid int, name string) bool {
	var st syscall.Stat_t
	if syscall.Stat(name, &st) != nil {
		return false
	}
	list, _ := proclocks.Parse(locks)
	for _, l := range list {
		if l.PID == pid && l.File.Inode == st.Ino && !l.Write {
			return true
		}
	}
	return false
}

// writes reports whether a process holds the byte that writers of a database lock.
func writes(locks []byte, pid int) bool {
	list, _ := proclocks.Parse(locks)
	for _, l := range list {
		if l.PID == pid && l.Write && l.Start == 120 {
			return true
		}
	}
	return false
}

func containsArrow(locks []byte) bool { return bytes.Contains(locks, []byte("->")) }

// lookAtBusy looks until a busy builder got some time while somebody looked: where two cores have more to do, it may get
// none.
func (s *site) lookAtBusy(who string, client int) *diagnose.Report {
	r := s.look(who)
	for n := 0; n < 50 && s.has(r, client, "builder-silent"); n++ {
		r = s.look(who)
	}
	return r
}

// has reports whether a diagnosis is there, without failing where it is not.
func (s *site) has(r *diagnose.Report, subject int, id string) bool {
	for _, d := range r.Diagnoses {
		if d.Subject == fmt.Sprintf("process:%d", subject) && d.ID == "stuck/"+id {
			return true
		}
	}
	return false
}

// shows reports whether there is any diagnosis of a command.
func (s *site) shows(r *diagnose.Report, subject int) bool {
	return slices.ContainsFunc(r.Diagnoses, func(d diagnose.Diagnosis) bool { return d.Subject == fmt.Sprintf("process:%d", subject) })
}

// marks is a log of a plan that lasts as long as the plan.
type marks []plan.Mark

func (m marks) Marks() []plan.Mark { return m }

func (m marks) Set(i int, mark plan.Mark, _ string) error {
	m[i] = mark
	return nil
}

// repair plans and applies, and compares the kinds of the steps.
func (s *site) repair(end, kinds string) {
	ctx := context.Background()
	set := fix.Settings{}
	if end != "" {
		set["end"] = fix.Setting{Value: end, Source: "flag"}
	}
	host := platform.Local()
	// What a plain --yes allows must never end a process.
	p, err := stuck.New().Plan(ctx, host, fix.Request{Allowed: func(_ string, c fix.Class) bool { return c == fix.Safe }})
	if err != nil || !p.Empty() {
		s.fail("a plan without consent has %d steps, error %v", len(p.Entries), err)
	}
	p, err = stuck.New().Plan(ctx, host, fix.Request{Settings: set, Allowed: func(string, fix.Class) bool { return true }})
	if err != nil {
		s.fail("plan: %v", err)
		return
	}
	var got []string
	for _, e := range p.Entries {
		got = append(got, e.Step.Kind())
	}
	if strings.Join(got, " ") != kinds {
		s.fail("plan: want %q, got %q\n%s", kinds, got, ps())
	}
	if err := (plan.Driver{Host: host, Log: make(marks, len(p.Entries))}).Run(ctx, p); err != nil {
		s.fail("apply: %v\n%s", err, ps())
	}
	for _, e := range p.Entries {
		s.seen = append(s.seen, "applied: "+e.Step.String())
	}
}

// refuses asks for a repair as another user, who must not get one.
func (s *site) refuses(who string) {
	cmd := exec.Command("/test")
	uid := uint32(uids[who])
	cmd.Env = append(os.Environ(), "LIXFIX_PLAN=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("does not belong to you")) {
		s.fail("%s may repair: %v %s", who, err, out)
	}
	s.seen = append(s.seen, who+" is refused a repair: "+strings.TrimSpace(string(out)))
}

// planOnly is what a child does that asks for a repair as another user.
func planOnly() int {
	_, err := stuck.New().Plan(context.Background(), platform.Local(), fix.Request{Allowed: func(string, fix.Class) bool { return true }})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// listen accepts connections on loopback and says nothing.
func (s *site) listen() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.fatal("%v", err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// deaf makes a port whose queue is full, so that the kernel drops further connections.
func (s *site) deaf() int {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		s.fatal("%v", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		s.fatal("%v", err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		s.fatal("%v", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		s.fatal("%v", err)
	}
	port := name.(*syscall.SockaddrInet4).Port
	for range 2 {
		c, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			s.fatal("%v", err)
		}
		_ = syscall.Connect(c, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port})
	}
	return port
}

func (s *site) mount(kind, options, dir string) {
	s.dir(dir)
	if err := syscall.Mount(kind, dir, kind, 0, options); err != nil {
		s.fatal("mount %s: %v", dir, err)
	}
}

// slowCache serves a binary cache whose only path stops in the middle.
func (s *site) slowCache(path string) int {
	name := filepath.Base(path)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.fatal("%v", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/nix-cache-info", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "StoreDir: /nix/store\n") })
	mux.HandleFunc("/"+name[:32]+".narinfo", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "StorePath: %s\nURL: x.nar\nCompression: none\nNarHash: sha256:%s\nNarSize: 100000\nReferences: \n", path, strings.Repeat("0", 52))
	})
	mux.HandleFunc("/x.nar", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100000")
		// The start of an archive with one file of 90,000 bytes.
		var b bytes.Buffer
		for _, word := range []string{"nix-archive-1", "(", "type", "regular", "contents"} {
			_ = binary.Write(&b, binary.LittleEndian, uint64(len(word)))
			b.WriteString(word)
			b.Write(make([]byte, (8-len(word)%8)%8))
		}
		_ = binary.Write(&b, binary.LittleEndian, uint64(90000))
		b.Write(make([]byte, 1000))
		_, _ = w.Write(b.Bytes())
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	go http.Serve(l, mux) //nolint:errcheck // ends with the scene
	return l.Addr().(*net.TCPAddr).Port
}

// standIn starts this program under another name, to do what the real one cannot be made to do at the right moment.
func (s *site) standIn(label, who, does string, argv ...string) *exec.Cmd {
	// The kernel takes a process's name from the file.
	file := "/tmp/stand-in-" + label + "/" + argv[0]
	s.dir(filepath.Dir(file))
	if err := os.Symlink("/test", file); err != nil {
		s.fatal("%v", err)
	}
	return s.start(label, who, []string{"LIXFIX_STAND_IN=" + does}, append([]string{file}, argv[1:]...)...)
}

// pinned keeps a stand-in on the thread that /proc shows for its process.
var pinned = func() bool {
	stands := os.Getenv("LIXFIX_STAND_IN") != ""
	if stands {
		runtime.LockOSThread()
	}
	return stands
}()

// hold does what a build does that holds one output and waits for another.
func hold(mine, wanted string) error {
	lock := func(name, text string, how int) error {
		fd, err := syscall.Open(name, syscall.O_RDWR|syscall.O_CREAT, 0o600)
		if err == nil {
			_, err = syscall.Write(fd, []byte(text))
		}
		if err == nil {
			err = syscall.Flock(fd, how)
		}
		return err
	}
	err := lock("/nix/var/nix/db/big-lock", "", syscall.LOCK_SH)
	if err == nil {
		err = lock(fmt.Sprintf("/nix/var/nix/temproots/%d", os.Getpid()), mine+"\x00"+wanted+"\x00", syscall.LOCK_EX)
	}
	if err == nil {
		err = lock(mine+".lock", "", syscall.LOCK_EX)
	}
	fd := -1
	if err == nil {
		fd, err = unix.EpollCreate1(0)
	}
	for err == nil || errors.Is(err, syscall.EINTR) {
		_, err = unix.EpollWait(fd, make([]unix.EpollEvent, 1), 5000) // as Lix waits
	}
	return err
}

// standIn is what a stand-in does until it is killed.
func standIn(does string) int {
	const socket = "/nix/var/nix/daemon-socket/socket"
	var err error
	words := strings.Fields(does)
	switch words[0] {
	case "idle":
	case "hold":
		err = hold(words[1], words[2])
	case "list", "fifo":
		err = list(words[1], words[0] == "fifo")
	case "noise":
		var n int
		if n, err = strconv.Atoi(words[1]); err == nil {
			err = noise(n, words[2])
		}
	case "defunct":
		cmd := exec.Command("/bin/true")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: 30001, Gid: 30000}}
		err = cmd.Start() // and nobody waits for it
	case "fcntl":
		var fd int
		if fd, err = syscall.Open(words[1], syscall.O_RDWR, 0); err == nil {
			err = syscall.FcntlFlock(uintptr(fd), syscall.F_SETLKW, &syscall.Flock_t{Type: syscall.F_WRLCK, Len: 10})
		}
	case "launch":
		err = launch()
	case "deaf":
		err = deaf(socket)
	case "listen":
		_, err = net.Listen("unix", socket)
	case "exhaust":
		// As many files as it may, the socket among them.
		limit := &syscall.Rlimit{Cur: 64, Max: 64}
		if _, err = net.Listen("unix", socket); err == nil {
			err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, limit)
		}
		for err == nil {
			if _, err := syscall.Dup(0); err != nil {
				break
			}
		}
	case "dial":
		_, err = net.Dial("unix", socket)
	case "flock":
		var fd int
		if fd, err = syscall.Open("/nix/var/nix/profiles/p.lock", syscall.O_RDWR, 0); err == nil {
			err = syscall.Flock(fd, syscall.LOCK_EX)
		}
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if !pinned {
		return 1
	}
	time.Sleep(10 * time.Minute)
	return 0
}

// launch does what a worker of Lix does that starts a build with a network: pasta in its own session, and beside it what
// waits for the network to become the builder, both as the build user.
func launch() error {
	user := &syscall.Credential{Uid: 30001, Gid: 30000}
	pasta := exec.Command("/bin/sleep", "1000")
	pasta.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	if err := os.Symlink("/bin/sleep", "/tmp/launch-builder"); err != nil {
		return err
	}
	builder := exec.Command("/tmp/launch-builder", "999")
	builder.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: user}
	return errors.Join(pasta.Start(), builder.Start())
}

// deaf waits for the greeting of a daemon as Lix does: the main thread in epoll, signals blocked and taken by a thread of
// their own, which asks nobody to stop.
func deaf(socket string) error {
	taken := make(chan os.Signal, 8)
	signal.Notify(taken, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		runtime.LockOSThread()
		_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(unsafe.StringData("signal handler\x00"))), 0, 0, 0)
		var set unix.Sigset_t
		set.Val[0] = 1<<(unix.SIGTERM-1) | 1<<(unix.SIGINT-1) | 1<<(unix.SIGHUP-1)
		for {
			_, _, _ = unix.Syscall6(unix.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&set)), 0, 0, 8, 0, 0)
		}
	}()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: socket})
	}
	if err == nil {
		_, err = unix.Write(fd, make([]byte, 8))
	}
	epoll := -1
	if err == nil {
		epoll, err = unix.EpollCreate1(0)
	}
	if err == nil {
		err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	}
	for err == nil || errors.Is(err, syscall.EINTR) {
		_, err = unix.EpollWait(epoll, make([]unix.EpollEvent, 1), -1)
	}
	return err
}
