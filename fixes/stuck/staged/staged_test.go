//go:build linux

// Package staged_test stages hanging invocations with the real nix and nix-daemon of Debian, each on a machine of its
// own made of namespaces, and compares what is recognised.
package staged_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/fixtest"
	"github.com/lixfix/lixfix/fixes/fixtest/replay"
	"github.com/lixfix/lixfix/fixes/stuck"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
	"github.com/lixfix/lixfix/platform/platformtest/programs"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv("LIXFIX_LOOK") != "":
		os.Exit(lookOnly())
	case os.Getenv("LIXFIX_STAND_IN") != "":
		os.Exit(standIn(os.Getenv("LIXFIX_STAND_IN")))
	case os.Getenv("LIXFIX_PLAN") != "":
		os.Exit(planOnly())
	case strings.HasPrefix(os.Getenv("LIXFIX_SCENE"), "bench "):
		n, err := strconv.Atoi(os.Getenv("LIXFIX_SCENE")[len("bench "):])
		if err != nil {
			panic(err)
		}
		os.Exit(crowd(n))
	case os.Getenv("LIXFIX_SCENE") != "":
		os.Exit(play(os.Getenv("LIXFIX_SCENE")))
	}
	// Scenes sleep most of the time.
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	code := m.Run()
	fmt.Println(&replays)
	programs.Clean()
	os.Exit(code)
}

// replays compares what is said of machines with what is said of their records.
var replays replay.Table

// program is lixfix.
func program(t testing.TB) string {
	t.Helper()
	file, err := programs.Build("github.com/lixfix/lixfix/cmd/lixfix")
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestStaged plays every scene, and prints the table of what was recognised.
func TestStaged(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal(errNoRoot)
	}
	for _, tool := range []string{"nix-daemon", "nix-build", "unshare", "flock", "sqlite3"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v: install the packages nix-bin, util-linux and sqlite3", err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	lixfix := program(t)
	var mu sync.Mutex
	table := map[string]string{}
	witness := fixtest.NewWitness(stuck.New())
	t.Run("scenes", func(t *testing.T) {
		for _, sc := range scenes {
			t.Run(sc.name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
				defer cancel()
				// With --kill-child, all processes of the scene end with unshare.
				cmd := exec.CommandContext(ctx, "unshare", "-mnpf", "--kill-child", "sh", "-c", enter, "sh", t.TempDir(), self, sc.name, lixfix)
				var out bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &out
				cmd.WaitDelay = 5 * time.Second
				err := linuxnet.Start(cmd)
				if err == nil {
					err = cmd.Wait()
				}
				said, found, packed := split(t, out.String())
				witness.Saw(t, sc.name, found)
				mu.Lock()
				table[sc.name] = said
				mu.Unlock()
				if err != nil {
					t.Fatalf("%v\n%s", err, said)
				}
				replays.Check(t, sc.name, lixfix, packed)
			})
		}
	})
	witness.Testify(t, "staged")
	var b strings.Builder
	n, extra, well := 0, 0, 0
	for _, sc := range scenes {
		if said, ok := table[sc.name]; ok {
			n++
			mark := ""
			if healthy, ok := further[sc.name]; ok {
				extra++
				if mark = " (further)"; healthy {
					well++
					mark = " (further, healthy or only slow)"
				}
			}
			fmt.Fprintf(&b, "%s%s: %s\n", sc.name, mark, sc.doc)
			for line := range strings.Lines(said) {
				b.WriteString("    " + line)
			}
		}
	}
	t.Logf("%d situations staged with the real Nix (%d further ones, of which %d are healthy or only slow), and what was recognised:\n%s",
		n, extra, well, b.String())
}

// split takes the findings and the record out of what a scene has printed.
func split(t *testing.T, out string) (said string, found []fix.Finding, packed []byte) {
	t.Helper()
	for line := range strings.Lines(out) {
		if text, is := strings.CutPrefix(line, recordedLine); is {
			var err error
			if packed, err = base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err != nil {
				t.Error(err)
			}
			continue
		}
		data, is := strings.CutPrefix(line, witnessed)
		if !is {
			said += line
			continue
		}
		var f fix.Finding
		if err := json.Unmarshal([]byte(data), &f); err != nil {
			t.Errorf("%v: %s", err, data)
		}
		found = append(found, f)
	}
	return said, found, packed
}
