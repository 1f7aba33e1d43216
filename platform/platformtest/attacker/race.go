//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// swap exchanges two names again and again. Its pauses are random, so that it is in step with nobody.
func swap(args []string) error {
	ready()
	for {
		err := unix.Renameat2(unix.AT_FDCWD, args[0], unix.AT_FDCWD, args[1], unix.RENAME_EXCHANGE)
		if err != nil {
			return fmt.Errorf("exchange %s and %s: %w", args[0], args[1], err)
		}
		if pause := rand.IntN(4); pause > 0 {
			time.Sleep(time.Duration(rand.IntN(pause*100)) * time.Microsecond)
		}
	}
}

// Turns is what came of many runs of a program.
type Turns struct {
	Exits map[int]int    // how often it ended with which status; -1 where a signal ended it, or it took too long
	Odd   []string       // what it said where it ended as lixfix never ends
	Said  map[string]int // how often it said what
}

// turns runs a program N times, P of them at a time, and prints what came of it. The words that are to be counted stand
// before "--".
func turns(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	side, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	args = args[2:]
	var words []string
	for args[0] != "--" {
		words, args = append(words, args[0]), args[1:]
	}
	args = args[1:]
	var mu sync.Mutex
	all := Turns{Exits: map[int]int{}, Said: map[string]int{}}
	left := make(chan struct{}, n)
	for range n {
		left <- struct{}{}
	}
	close(left)
	var done sync.WaitGroup
	for range side {
		done.Go(func() {
			for range left {
				exit, out := turn(args)
				mu.Lock()
				all.Exits[exit]++
				if exit < 0 || exit > 7 {
					all.Odd = append(all.Odd, string(out))
				}
				for _, w := range words {
					all.Said[w] += min(1, bytes.Count(out, []byte(w)))
				}
				mu.Unlock()
			}
		})
	}
	done.Wait()
	return json.NewEncoder(os.Stdout).Encode(all)
}

func turn(argv []string) (exit int, out []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if ended := (*exec.ExitError)(nil); errors.As(err, &ended) {
		return ended.ExitCode(), out
	} else if err != nil {
		return -1, append(out, err.Error()...)
	}
	return 0, out
}
