package mac

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// Call is a line of .standin/calls.jsonl: one call of a tool.
type Call struct {
	Seq  int      `json:"seq"`
	Tool string   `json:"tool"`
	Args []string `json:"args"`
	// Exit is -1 for a call that did not end by itself.
	Exit int `json:"exit"`
	// Write is the number of the write, 0 for a call that writes nothing.
	Write int `json:"write,omitempty"`
	// Stages are the points of this write at which a Middle fault can strike, in
	// order; a repeated one strikes at its first. StageLookup is not listed.
	Stages []string `json:"stages,omitempty"`
	// Fault names the faults that struck.
	Fault  []string `json:"fault,omitempty"`
	Caller int      `json:"caller"`
	Start  int64    `json:"start"` // nanoseconds since the epoch
	End    int64    `json:"end"`
}

// String is the command line.
func (c Call) String() string {
	return strings.Join(append([]string{c.Tool}, c.Args...), " ")
}

// Outcome is what a call of a tool has printed, and its exit status.
type Outcome struct {
	Stdout, Stderr []byte
	Exit           int
}

// Session is one run of one tool: what it prints, how it is counted, and the
// faults that await it.
type Session struct {
	Mac    *Mac
	Config *Config
	Stdout bytes.Buffer
	Stderr bytes.Buffer

	call      Call
	counts    *counts
	lock      *os.File
	armed     map[Moment]armed
	guest     bool   // the process is the caller's
	read      []byte // what Config was read from
	entered   bool
	exclusive bool
	omit      *regexp.Regexp // nil where lists are whole
}

type armed struct {
	Fault
	key string
}

// ended is what a session panics with to end: a fault can end it anywhere.
type ended struct{ Outcome }

// stranger is what a session panics with that needs a process of its own.
type stranger struct{}

// Do runs a tool below root, which is called by the process caller: run does
// its work and gives its exit status.
func Do(root, tool string, args []string, caller int, run func(*Session) int) Outcome {
	did, _ := do(root, tool, args, caller, false, run)
	return did
}

// Within is Do within the process of the caller. It reports false, and has done
// nothing, if the call needs a process of its own: a fault that may strike it
// sends a signal, or keeps the tool from ending.
func Within(root, tool string, args []string, run func(*Session) int) (Outcome, bool) {
	return do(root, tool, args, os.Getpid(), true, run)
}

func do(root, tool string, args []string, caller int, guest bool, run func(*Session) int) (did Outcome, done bool) {
	s := &Session{Mac: &Mac{Root: root}, guest: guest, call: Call{
		Tool: tool, Args: args, Exit: -1, Caller: caller, Start: time.Now().UnixNano(),
	}}
	defer func() {
		s.free()
		switch r := recover().(type) {
		case nil:
		case ended:
			did, done = r.Outcome, true
		case stranger:
		default:
			panic(r)
		}
	}()
	s.must(s.configure())
	s.exit(run(s))
	return did, done
}

// configure reads the configuration, unless it is what was read before.
func (s *Session) configure() error {
	data, err := os.ReadFile(s.Mac.own(configuration))
	if err != nil || s.Config != nil && bytes.Equal(data, s.read) {
		return err
	}
	c := new(Config)
	if err := s.Mac.parseJSON(configuration, data, c); err != nil {
		return err
	}
	s.Config, s.read = c, data
	return nil
}

// Printf adds to what goes to stdout.
func (s *Session) Printf(format string, args ...any) {
	fmt.Fprintf(&s.Stdout, format, args...)
}

// Errorf adds to what goes to stderr.
func (s *Session) Errorf(format string, args ...any) {
	fmt.Fprintf(&s.Stderr, format, args...)
}

// Read counts a call that changes nothing. Faults may end the process here.
func (s *Session) Read() { s.enter(false, false) }

// Write counts a call that changes the Mac, before it does, and keeps other
// tools from writing until it is over.
func (s *Session) Write() { s.enter(true, true) }

// Change is Write for what is not counted as a write.
func (s *Session) Change() { s.enter(false, true) }

func (s *Session) enter(counted, exclusive bool) {
	if s.entered {
		return
	}
	s.entered = true
	s.hold()
	c, err := s.Mac.counts()
	s.must(err)
	s.counts = c
	// The configuration may have changed while this tool waited for its turn.
	s.must(s.configure())
	c.Calls++
	s.call.Seq = c.Calls
	s.exclusive = exclusive
	if counted {
		c.Writes++
		s.call.Write = c.Writes
	}
	s.armed = map[Moment]armed{}
	for i, f := range s.Config.Faults {
		ok, err := f.matches(s.call.Tool, s.call.Args)
		s.must(err)
		if !ok {
			continue
		}
		key := f.key(i)
		c.Seen[key]++
		if _, taken := s.armed[f.moment()]; !taken && f.due(c.Seen[key], s.call.Write) {
			if s.guest && (f.Signal != "" || f.Hang != 0) {
				panic(stranger{})
			}
			s.armed[f.moment()] = armed{f, key}
		}
	}
	s.must(s.Mac.saveJSON("counts.json", c))
	if !exclusive {
		s.free()
	}
	s.strike(Before)
}

// Stage marks a point in the middle of a write: what is on disk now is what a
// crash here leaves.
func (s *Session) Stage(name string) {
	if name != StageLookup {
		s.call.Stages = append(s.call.Stages, name)
	}
	if f, ok := s.armed[Middle]; ok && (f.Stage == name || f.Stage == "" && name != StageLookup) {
		s.strike(Middle)
	}
}

// Awaits says whether a fault would strike at the stage: states that are never
// seen without one need not go to disk.
func (s *Session) Awaits(stage string) bool {
	f, ok := s.armed[Middle]
	return ok && (f.Stage == stage || f.Stage == "")
}

// Made counts another making of a record and gives its GeneratedUID.
func (s *Session) Made(k Kind, name string) string {
	key := string(k) + "/" + name
	s.counts.Made[key]++
	s.must(s.Mac.saveJSON("counts.json", s.counts))
	return guid(fmt.Sprintf("made %s %d", key, s.counts.Made[key]))
}

// SaveConfig stores what a tool changed in the configuration: the services and
// processes. Only after Write.
func (s *Session) SaveConfig() {
	s.must(s.Mac.saveJSON(configuration, s.Config))
}

// exit ends the tool.
func (s *Session) exit(code int) {
	if !s.entered {
		s.Read()
	}
	s.strike(After)
	s.end(code)
}

func (s *Session) end(code int) {
	s.log(code)
	panic(ended{Outcome{s.Stdout.Bytes(), s.Stderr.Bytes(), code}})
}

// strike lets the armed fault of a moment happen, once.
func (s *Session) strike(at Moment) {
	f, ok := s.armed[at]
	if !ok {
		return
	}
	delete(s.armed, at)
	s.call.Fault = append(s.call.Fault, f.key)
	s.hold()
	c, err := s.Mac.counts()
	s.must(err)
	c.Fired[f.key]++
	s.counts = c
	s.must(s.Mac.saveJSON("counts.json", c))

	if f.Hang != 0 {
		s.log(-1)
		s.free()
		if f.Hang < 0 {
			f.Hang = time.Hour
		}
		time.Sleep(f.Hang)
		if s.exclusive && at != After {
			s.hold()
		}
	}
	if f.Signal != "" {
		s.signal(f)
	}
	if f.Omit != "" {
		s.omit, err = regexp.Compile(f.Omit)
		s.must(err)
	}
	if f.Appear != nil {
		s.must(s.Mac.appear(*f.Appear))
	}
	if f.Fail {
		s.Stdout.Reset()
		s.Stderr.Reset()
		s.Stdout.WriteString(f.Stdout)
		s.Stderr.WriteString(f.Stderr)
		s.strike(After) // for the caller, this call is over like any other
		s.end(f.Exit)
	}
	if !s.exclusive {
		s.free()
	}
}

// Listed reports whether a list that this call prints has the record of a name.
func (s *Session) Listed(name string) bool { return s.omit == nil || !s.omit.MatchString(name) }

// appear makes or changes a record as somebody else does.
func (m *Mac) appear(a Appearance) error {
	if !a.Change {
		return m.add(a.Kind, a.Name, a.Attributes)
	}
	for key, values := range a.Attributes {
		if err := m.set(a.Kind, a.Name, key, values); err != nil {
			return err
		}
	}
	return nil
}

var signals = map[string]syscall.Signal{
	"KILL": syscall.SIGKILL, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM,
	"HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT, "STOP": syscall.SIGSTOP, "PIPE": syscall.SIGPIPE,
}

func (s *Session) signal(f armed) {
	sig, ok := signals[f.Signal]
	if !ok {
		s.must(fmt.Errorf("fault %s: no signal %q", f.key, f.Signal))
	}
	if f.Self {
		s.log(-1)
		s.must(syscall.Kill(os.Getpid(), sig))
		for sig == syscall.SIGKILL {
			time.Sleep(time.Second)
		}
		return
	}
	caller := s.call.Caller
	if caller <= 1 {
		s.must(errors.New("fault: the caller is gone or init"))
	}
	s.must(syscall.Kill(caller, sig))
	if sig != syscall.SIGKILL {
		return
	}
	// What the caller does while the signal is on its way must not be mistaken
	// for a reaction to the end of this tool.
	for range 5000 {
		if os.Getppid() != caller {
			break
		}
		time.Sleep(time.Millisecond)
	}
	s.end(137)
}

func (s *Session) hold() {
	if s.lock != nil {
		return
	}
	l, err := s.Mac.lock()
	s.must(err)
	s.lock = l
}

func (s *Session) free() {
	if s.lock != nil {
		s.lock.Close()
		s.lock = nil
	}
}

func (s *Session) log(code int) {
	s.call.Exit, s.call.End = code, time.Now().UnixNano()
	line, err := json.Marshal(s.call)
	s.must(err)
	f, err := os.OpenFile(s.Mac.own("calls.jsonl"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	s.must(err)
	_, err = f.Write(append(line, '\n'))
	s.must(err)
	s.must(f.Close())
}

// Broken is the exit status of a stand-in that could not do its work. No tool
// of macOS has it.
const Broken = 99

// must ends the tool when the stand-in itself fails, in a way no tool of
// macOS does.
func (s *Session) must(err error) {
	if err == nil {
		return
	}
	panic(ended{Outcome{Stderr: fmt.Appendf(nil, "stand-in for %s: %v\n", s.call.Tool, err), Exit: Broken}})
}

// Must is for the tools: it ends the tool if the stand-in is broken.
func (s *Session) Must(err error) { s.must(err) }

// Calls are the calls so far, in the order they began. A call that logged
// itself before it hung or died appears once, with what is known last.
func (m *Mac) Calls() ([]Call, error) {
	data, err := os.ReadFile(m.own("calls.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	at := map[int]int{}
	var calls []Call
	for line := range bytes.Lines(data) {
		var c Call
		if err := json.Unmarshal(line, &c); err != nil {
			return nil, fmt.Errorf("read calls: %w", err)
		}
		if i, ok := at[c.Seq]; ok {
			calls[i] = c
			continue
		}
		at[c.Seq] = len(calls)
		calls = append(calls, c)
	}
	sortCalls(calls)
	return calls, nil
}

// ResetCalls forgets the calls and starts counting calls, writes and faults
// anew.
func (m *Mac) ResetCalls() error {
	l, err := m.lock()
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := m.counts()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(m.own("calls.jsonl")); err != nil {
		return err
	}
	return m.saveJSON("counts.json", &counts{Made: c.Made})
}
