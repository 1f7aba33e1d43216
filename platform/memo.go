package platform

import (
	"context"
	"maps"
	"strings"
	"sync"
)

// Memo is a Host that remembers the answers to queries, so that a detector and a planner that ask the same spawn a
// tool once. A Run of a tool makes it forget what that tool answered; so does a context of Fresh.
type Memo struct {
	Host
	mu      sync.Mutex
	answers map[string]*answer
}

type answer struct {
	mu   sync.Mutex
	data []byte
	ok   bool
}

// NewMemo returns a Memo of h.
func NewMemo(h Host) *Memo { return &Memo{Host: h, answers: map[string]*answer{}} }

// Query implements View. Errors are not remembered. Callers share the answer and must not change it.
func (m *Memo) Query(ctx context.Context, tool string, args ...string) ([]byte, error) {
	key := tool + "\x00" + strings.Join(args, "\x00")
	if IsSecond(ctx) {
		key += "\x00\x00again"
	}
	m.mu.Lock()
	a := m.answers[key]
	if a == nil || IsFresh(ctx) {
		a = &answer{}
		m.answers[key] = a
	}
	m.mu.Unlock()

	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ok {
		return a.data, nil
	}
	data, err := m.Host.Query(ctx, tool, args...)
	if err != nil {
		return nil, err
	}
	a.data, a.ok = data, true
	return data, nil
}

// Run implements Host.
func (m *Memo) Run(ctx context.Context, tool string, args ...string) error {
	// Before and after: what is asked meanwhile may show either side of the change.
	m.forget(tool)
	defer m.forget(tool)
	return m.Host.Run(ctx, tool, args...)
}

func (m *Memo) forget(tool string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.answers, func(key string, _ *answer) bool { return strings.HasPrefix(key, tool+"\x00") })
}

func (m *Memo) statAll(ctx context.Context, names []string) []Stated {
	return StatAll(ctx, m.Host, names)
}
