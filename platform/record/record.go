// Package record keeps a host in a file: every question that was put to a platform.View, and the answer. A view of a
// record answers them again, on any other machine.
//
// Questions are kept by who asked, because the same one can have other answers at other times: what one detector saw is
// what it sees again, in the same order. What nobody asked is not in the record, and is never guessed.
package record

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/nixdaemon"
)

// Format is the version of the archive. It grows when a reader of the old form would misread the new one.
const Format = 1

// ErrNotRecorded is the answer to a question that nobody asked when the record was made.
var ErrNotRecorded = errors.New("not in this record")

// ErrRecorded is the error of every verb that would change a recorded host.
var ErrRecorded = errors.New("this is a recorded host, and nothing of it can be changed")

// Manifest is what a record says of itself.
type Manifest struct {
	Format int       `json:"format"`
	Lixfix string    `json:"lixfix"` // the version that made it
	Made   time.Time `json:"made"`
	Host   Facts     `json:"host"`
	Fixes  []string  `json:"fixes"` // those that looked
	// Settings are the options that they were given, by the names of fixes and options.
	Settings map[string]map[string]Setting `json:"settings,omitempty"`
	// Probed says that builds have looked at their sandbox.
	Probed bool `json:"probed,omitempty"`
	// Names says that names of people and machines were left in.
	Names bool `json:"names_kept"`
	// Replaced is how often something was replaced, by what it was: "user", "host", "secret".
	Replaced map[string]int `json:"replaced"`
	// Verdict is what was found on the host itself.
	Verdict []Verdict `json:"verdict"`
	// Differs lists the fixes that do not say the same of the record, and why.
	Differs []string `json:"differs,omitempty"`
	// Unseen says what could not be seen when the record was made.
	Unseen []string `json:"unseen,omitempty"`
	// Sum is the SHA-256 of everything else in the archive; see sum.
	Sum string `json:"sha256"`
}

// Facts are platform.Facts, with what those leave out of JSON.
type Facts struct {
	platform.Facts
	UID int `json:"uid"`
	PID int `json:"pid"`
}

// Setting is the value of an option, and by what it was given: "flag" or "environment".
type Setting struct {
	Value  string `json:"value"`
	Source string `json:"source"`
}

// Verdict is what one fix found, and what it would do.
type Verdict struct {
	Fix      string    `json:"fix"`
	Status   string    `json:"status"`
	Findings []Finding `json:"findings,omitempty"`
	// Plan are the steps of its repair; Refused says why there is none.
	Plan    []string `json:"plan,omitempty"`
	Refused string   `json:"refused,omitempty"`
}

// Finding is what a verdict keeps of a finding.
type Finding struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Class  string `json:"class,omitempty"` // of its remedy
}

// Record is a host as it was recorded.
type Record struct {
	Manifest Manifest

	mu     sync.Mutex
	scopes map[string]map[string]*asked
	any    map[string]*asked // whoever asked it first
	order  []*asked          // as they were first asked
}

// New returns an empty record of a host.
func New(v platform.View) *Record {
	f := v.Facts()
	return &Record{
		Manifest: Manifest{Format: Format, Made: v.Now().UTC(), Host: Facts{Facts: f, UID: f.UID, PID: f.PID}},
		scopes:   map[string]map[string]*asked{}, any: map[string]*asked{},
	}
}

// asked is a question with its answers, in the order in which they were given.
type asked struct {
	scope   string
	ask     string   // which method: "read", "query"
	of      []string // its arguments
	answers []*answer
}

func key(ask string, of []string) string { return ask + "\x00" + strings.Join(of, "\x00") }

// says is the question for people.
func says(ask string, of []string) string {
	words := make([]string, 0, len(of)+1)
	for _, w := range append([]string{ask}, of...) {
		words = append(words, platform.Quote(w))
	}
	return strings.Join(words, " ")
}

// answer is what came of a question. Of its fields, a method uses those that it returns.
type answer struct {
	data    []byte
	names   []string
	info    platform.FileInfo
	is      bool
	text    string
	number  uint64
	time    time.Time
	sockets []platform.Socket
	dns     *dnsquery.Answer
	daemon  *nixdaemon.Answer
	err     error
	times   int // how often it was given in a row, 0 for once
}

// add keeps an answer.
func (r *Record) add(scope, ask string, of []string, a *answer) { r.reserve(scope, ask, of)(a) }

// reserve keeps the place of an answer, which is to be filled in.
func (r *Record) reserve(scope, ask string, of []string) (fill func(*answer)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.asked(scope, ask, of)
	n := len(q.answers)
	q.answers = append(q.answers, &answer{err: errOpen})
	return func(a *answer) {
		r.mu.Lock()
		defer r.mu.Unlock()
		q.answers[n] = a
	}
}

// asked is the question of a scope.
func (r *Record) asked(scope, ask string, of []string) *asked {
	in := r.scopes[scope]
	if in == nil {
		in = map[string]*asked{}
		r.scopes[scope] = in
	}
	k := key(ask, of)
	q := in[k]
	if q == nil {
		q = &asked{scope: scope, ask: ask, of: slices.Clone(of)}
		in[k] = q
		if r.any[k] == nil {
			r.any[k] = q
		}
		r.order = append(r.order, q)
	}
	return q
}

// errOpen is the answer to a question that nobody waited for.
var errOpen = fmt.Errorf("the look was over before there was an answer: %w", context.Canceled)

// find returns the nth answer to a question, or the last where there were fewer. Where this scope did not ask it, what
// the others were told counts.
func (r *Record) find(scope, ask string, of []string, n int) (a *answer, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := key(ask, of)
	q := r.scopes[scope][k]
	if q == nil {
		q = r.any[k]
	}
	return q.nth(n)
}

// take is find while others are still asking. What one of them was told becomes an answer to this scope as well: what they
// are told later is none. How long a burst of another's took is nothing that this one was told.
func (r *Record) take(scope, ask string, of []string, n int) (a *answer, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := key(ask, of)
	q := r.scopes[scope][k]
	if q == nil {
		told := r.any[k]
		if told == nil || ask == "burst" || told.answers[0].err == errOpen { //nolint:errorlint // itself: nobody wraps it
			return nil, false
		}
		q = r.asked(scope, ask, of)
		q.answers = append(q.answers, told.answers[0])
	}
	return q.nth(n)
}

// nth is the nth answer, or the last where there are fewer.
func (q *asked) nth(n int) (a *answer, more bool) {
	if q == nil {
		return nil, false
	}
	for _, a := range q.answers {
		if n < max(a.times, 1) {
			return a, true
		}
		n -= max(a.times, 1)
	}
	return q.answers[len(q.answers)-1], false
}

// Asked is how many questions are in the record, by method.
func (r *Record) Asked() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	count := map[string]int{}
	for _, q := range r.order {
		count[q.ask]++
	}
	return count
}

func notRecorded(ask string, of []string) error {
	return fmt.Errorf("%w: %s", ErrNotRecorded, says(ask, of))
}
