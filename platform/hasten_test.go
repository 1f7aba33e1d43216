package platform

import (
	"testing"
	"time"
)

// TestHasten: what the kernel is asked to begin with is opened as any other read opens it, and nothing that is not the
// kernel's is.
func TestHasten(t *testing.T) {
	held, opened := make(chan struct{}), make(chan string, 8)
	files := &tree{resolve: func(name string) (string, error) {
		<-held
		opened <- name
		return name, nil
	}}
	for _, name := range []string{"/etc/passwd", "/proc/../etc/passwd", "/home/ada/proc/locks", "proc/locks"} {
		files.Hasten(name)
	}
	files.Hasten("/proc/locks") // returns before the file is open
	close(held)
	select {
	case name := <-opened:
		if name != "/proc/locks" {
			t.Errorf("%s was opened", name)
		}
	case <-time.After(time.Minute):
		t.Fatal("/proc/locks was not opened")
	}
}
