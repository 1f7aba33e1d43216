package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// signals ends the work at hand. While a plan is applied, the first signal asks it to stop after the step in flight,
// and only the second ends the context; at any other time the first does.
type signals struct {
	mu     sync.Mutex
	gentle bool
	first  *signalled
	cancel context.CancelCauseFunc
	tell   func(text string)
}

// notify sends the signals that end lixfix to c. Those that were ignored at the start, as under nohup(1), stay so.
func notify(c chan<- os.Signal) (stop func()) {
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
	// Without a handler a closed pipe would kill lixfix in the middle of a repair. Ignoring the signal instead would be
	// inherited by every tool.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	return func() {
		signal.Stop(c)
		signal.Stop(pipe)
	}
}

// watch starts to listen.
func watch(ctx context.Context, listen func(chan<- os.Signal) func(), tell func(string)) (*signals, context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &signals{cancel: cancel, tell: tell}
	c := make(chan os.Signal, 4)
	stop := listen(c)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case sig := <-c:
				s.take(sig)
			case <-done:
				return
			}
		}
	}()
	return s, ctx, func() {
		stop()
		close(done)
		cancel(nil)
	}
}

func (s *signals) take(sig os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gentle := s.gentle && s.first == nil
	if s.first == nil {
		s.first = &signalled{sig: sig}
	}
	if gentle {
		s.tell(signalName(sig) + ": finishing the step in flight; a second signal kills it")
		return
	}
	if s.gentle {
		s.tell(signalName(sig) + ": ending the step in flight")
	}
	s.cancel(s.first)
}

// timeUp does what SIGTERM does, where no signal has come before: what is about to end is left to end in peace.
func (s *signals) timeUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first != nil {
		return
	}
	s.first = &signalled{sig: syscall.SIGTERM, over: true}
	if s.gentle {
		s.tell(s.first.Error() + ": finishing the step in flight; a signal kills it")
		return
	}
	s.cancel(s.first)
}

// applying switches to the gentle way and back.
func (s *signals) applying(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gentle = on
}

// stop implements plan.Driver.Stop.
func (s *signals) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == nil {
		return nil
	}
	return s.first
}

// unsuspendable makes Ctrl-Z wait until restore is called: a service that a plan has stopped would stay so meanwhile.
func unsuspendable() (restore func()) {
	if signal.Ignored(syscall.SIGTSTP) {
		return func() {}
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTSTP)
	return func() { signal.Stop(c) }
}
