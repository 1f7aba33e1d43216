// Release makes what a release of lixfix consists of, in a way that gives the same bytes on every machine:
//
//	release dist -out dist     archives, packages and SHA256SUMS
//	release sign -out dist -key FILE
//
// It is run in the root of the repository; "make dist" and "make sign" call it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return errors.New("say what to do: dist or sign")
	}
	flags := flag.NewFlagSet("release "+args[0], flag.ContinueOnError)
	out := flags.String("out", "dist", "directory of the release")
	switch args[0] {
	case "dist":
		version := flags.String("version", "", "version without a leading v; from git if empty")
		hook := flags.String("sign-darwin", "", "command that signs a program for macOS, given its path")
		packages := flags.Bool("packages", true, "make Debian and RPM packages as well")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		d := Dist{Out: *out, Version: *version, SignDarwin: *hook, Packages: *packages, Targets: targets(), Log: stdout}
		if err := d.complete(ctx); err != nil {
			return err
		}
		return d.Make(ctx)
	case "sign":
		key := flags.String("key", "", "private key that ssh-keygen signs with, or the public key of one that ssh-agent holds")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		if *key == "" {
			return errors.New("sign: say which key: -key FILE")
		}
		return Sign(ctx, *out, *key)
	}
	return fmt.Errorf("%q is neither dist nor sign", args[0])
}

// complete takes version and time from git where they are not given. SOURCE_DATE_EPOCH is the convention of
// reproducible builds for the time.
func (d *Dist) complete(ctx context.Context) error {
	if d.Version == "" {
		d.Version = "0.0.0"
		if tag, err := git(ctx, "describe", "--tags", "--match", "v[0-9]*"); err == nil {
			d.Version = strings.TrimPrefix(tag, "v")
		} else if commit, err := git(ctx, "rev-parse", "--short=12", "HEAD"); err == nil {
			d.Version = "0.0.0-g" + commit
		}
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		var err error
		if epoch, err = git(ctx, "log", "-1", "--format=%ct"); err != nil {
			return fmt.Errorf("find the time of the release, set SOURCE_DATE_EPOCH: %w", err)
		}
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	d.Time = time.Unix(seconds, 0).UTC()
	return nil
}

func git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// tool runs a command and returns what it wrote, which is part of the error as well.
func tool(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
