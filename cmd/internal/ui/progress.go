package ui

import (
	"fmt"
	"io"
	"sync"
)

// Progress shows how far a plan is: on a terminal in one line that is written over, elsewhere in lines, of which the
// caller wants few.
type Progress struct {
	mu      sync.Mutex
	w       io.Writer
	rewrite bool
	width   int
	open    bool // whether a line waits to be written over
	silent  bool
}

// NewProgress returns a Progress for a stream. A silent one shows failures only.
func NewProgress(w io.Writer, t Terminal, silent bool) *Progress {
	width := t.Width
	if width <= 0 {
		width = 80
	}
	return &Progress{w: w, rewrite: t.Rewrite, width: width, silent: silent}
}

// Rewrites reports whether passing steps can be shown.
func (p *Progress) Rewrites() bool { return p.rewrite && !p.silent }

// Now shows a passing step, where lines can be written over. The text is clean already.
func (p *Progress) Now(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.rewrite || p.silent {
		return
	}
	if runes := []rune(text); len(runes) >= p.width {
		text = string(runes[:p.width-2]) + "…"
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", text)
	p.open = true
}

// Line shows a line that stays.
func (p *Progress) Line(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	if !p.silent {
		fmt.Fprintln(p.w, text)
	}
}

// Say shows a line that stays, also when silent.
func (p *Progress) Say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintln(p.w, text)
}

// Close removes the line that waits to be written over.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *Progress) clear() {
	if p.open {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.open = false
	}
}
