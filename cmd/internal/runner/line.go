package runner

import (
	"bytes"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/lixfix/lixfix/platform/pattern"
)

// line is a line below the cursor of a terminal, which is there as long as the command prints nothing.
type line struct {
	w     io.Writer
	size  func() (width, height int)
	color bool
	shown bool
	moved bool   // the command draws on the whole screen, or has gone up to draw over lines: what is below is its own
	rest  []byte // the end of what it has printed
}

func newLine(f *os.File, color bool) *line {
	return &line{w: f, color: color, size: func() (int, int) {
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 0, 0
		}
		return width, height
	}}
}

// The way down and back is by relative moves, as terminals have scrolled meanwhile, and between saving the cursor and
// restoring it nothing else is printed. ESC D is a line feed that keeps the column (ECMA-48, IND).
const (
	down   = "\x1bD\x1b[A\x1b7\x1b[B\r\x1b[2K"
	back   = "\x1b[0m\x1b8"
	vanish = "\x1b7\x1b[B\r\x1b[2K\x1b8"
	nowrap = "\x1b[?7l"
	wrap   = "\x1b[?7h"
	dimmed = "\x1b[2m"
	looked = 256 // bytes of output that are looked at for where the cursor is
)

// upward moves the cursor to where something may stand below it, or saves a place that it will go back to.
var (
	upward    = pattern.New(`\x1b\[[0-9;]*[AFHdfs]|\x1b[78M]`)
	screenful = pattern.New(`\x1b\[\?(?:47|1047|1049)([hl])`)
)

// follow takes note of what the command prints.
func (l *line) follow(data []byte) {
	if len(data) > looked {
		for _, m := range screenful.FindAllSubmatch(data[:len(data)-looked], -1) {
			l.moved = m[1][0] == 'h'
		}
		data = data[len(data)-looked:]
	}
	l.rest = append(l.rest, data...)
	if len(l.rest) > looked {
		for _, m := range screenful.FindAllSubmatch(l.rest[:len(l.rest)-looked], -1) {
			l.moved = m[1][0] == 'h'
		}
		l.rest = append(l.rest[:0], l.rest[len(l.rest)-looked:]...)
	}
	for _, m := range screenful.FindAllSubmatch(l.rest, -1) {
		l.moved = m[1][0] == 'h'
	}
}

// below reports whether nothing of the command's stands below the cursor, as far as its output tells.
func (l *line) below() bool {
	last := l.rest[bytes.LastIndexByte(l.rest, '\n')+1:]
	return !l.moved && !upward.Match(last)
}

// show writes the line, or writes it anew.
func (l *line) show(text string) {
	const few = 30
	width, height := l.size()
	if width < few || height < 2 || !l.below() {
		return
	}
	runes := []rune(text)
	if len(runes) >= width {
		runes = append(runes[:width-2], '…')
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, string(runes))
	if l.color {
		text = dimmed + text
	}
	start := down
	if l.shown {
		start = "\x1b7\x1b[B\r\x1b[2K"
	}
	_, _ = io.WriteString(l.w, start+nowrap+text+wrap+back)
	l.shown = true
}

// hide takes the line away.
func (l *line) hide() {
	if l.shown {
		_, _ = io.WriteString(l.w, vanish)
		l.shown = false
	}
}
