package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"
)

// errBackground is returned by OpenTTY for a job that does not own its terminal.
var errBackground = errors.New("lixfix runs in the background")

func foreground(fd int) error {
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if err == nil && group != unix.Getpgrp() {
		return errBackground
	}
	return nil
}

// Confirm asks a question that "y" or "yes" accepts. Any other answer, the end of the input and an error mean no. It
// returns early, with an error, when ctx ends; a read from a terminal cannot be ended, and is left behind then.
func Confirm(ctx context.Context, tty io.ReadWriter, question string) (bool, error) {
	if _, err := fmt.Fprintf(tty, "%s [y/N] ", question); err != nil {
		return false, err
	}
	type answer struct {
		text string
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		text, err := readLine(tty)
		done <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(tty)
		return false, context.Cause(ctx)
	case a := <-done:
		if a.err != nil {
			// Nobody pressed Enter, so the cursor still stands behind the question.
			fmt.Fprintln(tty)
			return false, nil //nolint:nilerr // the end of the input is an answer: no
		}
		switch strings.ToLower(strings.TrimSpace(a.text)) {
		case "y", "yes":
			return true, nil
		}
		return false, nil
	}
}

// readLine reads up to the end of a line and no further; a line without an end is no answer.
func readLine(r io.Reader) (string, error) {
	const most = 256
	var line []byte
	for b := make([]byte, 1); len(line) < most; {
		n, err := r.Read(b)
		if n == 1 {
			if b[0] == '\n' {
				return string(line), nil
			}
			line = append(line, b[0])
		}
		if err != nil {
			return "", err
		}
	}
	return "", errors.New("the answer is too long")
}
