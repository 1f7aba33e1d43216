package step_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
)

// marks is a log that lasts as long as the test.
type marks []plan.Mark

func (m marks) Marks() []plan.Mark { return m }

func (m marks) Set(i int, mark plan.Mark, _ string) error {
	m[i] = mark
	return nil
}

// child starts a shell in a group of its own, which ends with the test.
func child(t *testing.T, script string) platform.ProcessID {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	})
	buf := make([]byte, 1)
	if _, err := out.Read(buf); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	id, _, err := platform.Identity(t.Context(), platform.Local(), cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func apply(s plan.Step) (marks, error) {
	m := make(marks, 1)
	err := plan.Driver{Host: platform.Local(), Log: m}.Run(context.Background(), plan.Plan{Schema: plan.Schema, Entries: []plan.Entry{{Step: s}}})
	return m, err
}

func alive(t *testing.T, id platform.ProcessID) bool {
	t.Helper()
	now, state, err := platform.Identity(t.Context(), platform.Local(), id.PID)
	if errors.Is(err, platform.ErrGone) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return now.Start == id.Start && state != 'Z'
}

const (
	obedient = "echo; while :; do sleep 0.1; done"
	stubborn = "trap '' TERM; echo; while :; do sleep 0.1; done"
)

func TestEndProcess(t *testing.T) {
	tests := []struct {
		name   string
		script string
		kill   bool
		ends   bool
	}{
		{"ends on SIGTERM", obedient, false, true},
		{"ignores SIGTERM, and nothing more is allowed", stubborn, false, false},
		{"ignores SIGTERM, and is killed", stubborn, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			id := child(t, tt.script)
			_, err := apply(step.EndProcess{Process: id, Name: "a shell", GraceMS: 500, Kill: tt.kill})
			if (err == nil) != tt.ends || alive(t, id) == tt.ends {
				t.Errorf("want it to end: %v; error %v, alive %v", tt.ends, err, alive(t, id))
			}
		})
	}
}

func TestEndProcessAgain(t *testing.T) {
	id := child(t, obedient)
	end := step.EndProcess{Process: id, Name: "a shell", GraceMS: 5000}
	if m, err := apply(end); err != nil || m[0] != plan.Done {
		t.Fatalf("first: %v, %v", m, err)
	}
	if m, err := apply(end); err != nil || m[0] != plan.Already {
		t.Fatalf("second: %v, %v", m, err)
	}
}

// TestReusedNumber has another process under the number in the plan: it must not be touched.
func TestReusedNumber(t *testing.T) {
	id := child(t, obedient)
	other := id
	start, _ := strconv.Atoi(id.Start)
	other.Start = fmt.Sprint(start - 1)
	for _, s := range []plan.Step{
		step.EndProcess{Process: other, Name: "a shell", GraceMS: 500, Kill: true},
		step.ContinueProcess{Process: other, Name: "a shell"},
	} {
		if _, err := apply(s); !errors.Is(err, plan.ErrConflict) || !strings.Contains(err.Error(), "another one now") {
			t.Errorf("%s: got %v", s, err)
		}
	}
	if err := platform.Local().Signal(t.Context(), other, syscall.SIGKILL); !errors.Is(err, platform.ErrGone) {
		t.Errorf("signal: got %v", err)
	}
	if !alive(t, id) {
		t.Error("the process was ended")
	}
}

// TestOtherBoot has a plan from before the machine was restarted: its process is gone, whatever has the number now.
func TestOtherBoot(t *testing.T) {
	id := child(t, obedient)
	before := id
	before.Boot = "before"
	if m, err := apply(step.EndProcess{Process: before, Name: "a shell", GraceMS: 500, Kill: true}); err != nil || m[0] != plan.Already {
		t.Errorf("got %v, %v", m, err)
	}
	if !alive(t, id) {
		t.Error("the process was ended")
	}
}

func TestContinueProcess(t *testing.T) {
	id := child(t, obedient)
	cont := step.ContinueProcess{Process: id, Name: "a shell"}
	if m, err := apply(cont); err != nil || m[0] != plan.Already {
		t.Fatalf("it was not stopped: %v, %v", m, err)
	}
	if err := syscall.Kill(id.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	state := func() byte {
		_, s, err := platform.Identity(t.Context(), platform.Local(), id.PID)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for end := time.Now().Add(5 * time.Second); state() != 'T'; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not stop")
		}
	}
	if m, err := apply(cont); err != nil || m[0] != plan.Done || state() == 'T' {
		t.Errorf("got %v, %v, state %c", m, err, state())
	}
}

func TestNeverSignalled(t *testing.T) {
	for _, pid := range []int{-1, 0, 1} {
		if err := platform.Local().Signal(t.Context(), platform.ProcessID{PID: pid, Start: "1"}, syscall.SIGTERM); err == nil {
			t.Errorf("process %d is sent a signal", pid)
		}
	}
}

func TestProcessStepsAsJSON(t *testing.T) {
	id := platform.ProcessID{PID: 3510, Start: "123456", Boot: "b"}
	tests := map[string]plan.Step{
		`{"kind":"end-process","step":{"process":{"pid":3510,"start":"123456","boot":"b"},"name":"worker 3510","grace_ms":5000,"kill":true}}`: step.EndProcess{
			Process: id, Name: "worker 3510", GraceMS: 5000, Kill: true,
		},
		`{"kind":"continue-process","step":{"process":{"pid":3510,"start":"123456","boot":"b"},"name":"worker 3510"}}`: step.ContinueProcess{Process: id, Name: "worker 3510"},
	}
	for want, s := range tests {
		got, err := json.Marshal(plan.Entry{Step: s})
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v", got, err)
		}
		back, err := step.Kinds().Entry(got)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, back.Step); diff != "" {
			t.Error(diff)
		}
	}
}
