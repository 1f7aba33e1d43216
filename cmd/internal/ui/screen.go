package ui

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/term"
)

// Screen draws a page again and again in place, below what the terminal shows already. Between two pages no mode of
// the terminal is left changed, so that a kill leaves a terminal that can be used.
type Screen struct {
	w     io.Writer
	size  func() (width, height int)
	lines int // of the page that is shown
	width int // when it was drawn
}

// NewScreen returns a Screen that writes to w, which leads to the terminal stream.
func NewScreen(w io.Writer, stream any) *Screen {
	return &Screen{w: w, size: func() (int, int) {
		if f, ok := stream.(interface{ Fd() uintptr }); ok {
			if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 && height > 0 {
				return width, height
			}
		}
		return 80, 24
	}}
}

// Width returns how many columns there are now.
func (s *Screen) Width() int {
	width, _ := s.size()
	return width
}

// Draw draws a page over the one before. A page that is not the last one is cut to what fits: lines that scroll away
// could not be drawn over.
func (s *Screen) Draw(page string, last bool) {
	width, height := s.size()
	lines := strings.Split(strings.TrimSuffix(page, "\n"), "\n")
	var b strings.Builder
	switch {
	case s.lines > 0 && width != s.width:
		b.WriteString("\x1b[H\x1b[2J") // the terminal has laid the lines out anew, nobody knows how
	case s.lines > 0:
		fmt.Fprintf(&b, "\r\x1b[%dA\x1b[J", s.lines)
	}
	if most := max(height-1, 2); !last && len(lines) > most {
		rest := len(lines) - most + 1
		lines = append(lines[:most-1:most-1], fmt.Sprintf("… and %d more lines; a taller window shows them", rest))
	}
	// A line that is too wide for the window is cut, and not wrapped: it would be two to draw over.
	if !last {
		b.WriteString("\x1b[?7l")
	}
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	if !last {
		b.WriteString("\x1b[?7h")
	}
	s.lines, s.width = len(lines), width
	_, _ = io.WriteString(s.w, b.String())
}

// Close leaves the last page as it is, and clears what was typed below it.
func (s *Screen) Close() {
	if s.lines > 0 {
		_, _ = io.WriteString(s.w, "\r\x1b[J")
	}
}
