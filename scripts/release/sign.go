package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	sums      = "SHA256SUMS"
	bootstrap = "scripts/install.sh"
	namespace = "lixfix-release"
)

// keyLine is the line of install.sh that holds the public key of the releases, and partLines are those that read a part.
var (
	keyLine   = regexp.MustCompile(`(?m)^(\trelease_key=)''.*$`)
	partLines = regexp.MustCompile(`(?m)^\t# shellcheck source=(scripts/install/[a-z]+\.sh)\n\t\. .*\n`)
)

// partHead is the first line of a part, for shellcheck.
const partHead = "# shellcheck shell=sh\n"

// Sign makes a release trustworthy: it adds the install.sh that knows the public key, lists the checksum of every
// file, and signs that list. The private key is read by ssh-keygen alone, which asks for its passphrase or for the
// agent.
func Sign(ctx context.Context, dir, key string) error {
	public, err := publicKey(ctx, key)
	if err != nil {
		return err
	}
	script, err := installer()
	if err != nil {
		return err
	}
	script, err = withKey(script, public)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "install.sh"), script, 0o755); err != nil {
		return err
	}
	if err := writeSums(dir); err != nil {
		return err
	}
	list := filepath.Join(dir, sums)
	if err := os.RemoveAll(list + ".sig"); err != nil {
		return err
	}
	_, err = tool(ctx, nil, "ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", namespace, list)
	return err
}

// installer returns install.sh with its parts in it, indented as the braces around them ask.
func installer() ([]byte, error) {
	script, err := os.ReadFile(bootstrap)
	if err != nil {
		return nil, err
	}
	script = partLines.ReplaceAllFunc(script, func(lines []byte) []byte {
		part, e := os.ReadFile(string(partLines.FindSubmatch(lines)[1]))
		err = errors.Join(err, e)
		var b bytes.Buffer
		for line := range bytes.Lines(bytes.TrimPrefix(part, []byte(partHead))) {
			if len(line) > 1 {
				b.WriteByte('\t')
			}
			b.Write(line)
		}
		return b.Bytes()
	})
	if err != nil {
		return nil, fmt.Errorf("read the parts of %s: %w", bootstrap, err)
	}
	if left := regexp.MustCompile(`(?m)^\s*(\.|source)\s.*$`).Find(script); left != nil {
		return nil, fmt.Errorf("%s reads a file that no release has: %s", bootstrap, bytes.TrimSpace(left))
	}
	return script, nil
}

// publicKey returns type and key of the public half, without its comment.
func publicKey(ctx context.Context, key string) (string, error) {
	data, err := os.ReadFile(key)
	if err != nil {
		return "", fmt.Errorf("read the release key: %w", err)
	}
	text := string(data)
	if !strings.HasPrefix(text, "ssh-") && !strings.HasPrefix(text, "sk-") && !strings.HasPrefix(text, "ecdsa-") {
		if text, err = tool(ctx, nil, "ssh-keygen", "-y", "-f", key); err != nil {
			return "", fmt.Errorf("read the public half of the release key: %w", err)
		}
	}
	fields := strings.Fields(text)
	if len(fields) < 2 {
		return "", fmt.Errorf("%s holds no key of OpenSSH", key)
	}
	return fields[0] + " " + fields[1], nil
}

// withKey returns the script with a public key in it.
func withKey(script []byte, public string) ([]byte, error) {
	if strings.ContainsAny(public, "'\\\n$") {
		return nil, fmt.Errorf("%q is not a public key", public)
	}
	if n := len(keyLine.FindAll(script, -1)); n != 1 {
		return nil, fmt.Errorf("%s has %d lines for the release key, not one", bootstrap, n)
	}
	return keyLine.ReplaceAll(script, []byte("${1}'"+public+"'")), nil
}

// writeSums lists the checksums of everything in a directory, in the form of sha256sum(1).
func writeSums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var list bytes.Buffer
	for _, e := range entries {
		if slices.Contains([]string{sums, sums + ".sig"}, e.Name()) || !e.Type().IsRegular() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return os.WriteFile(filepath.Join(dir, sums), list.Bytes(), 0o644)
}
