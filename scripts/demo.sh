#!/bin/sh
# Plays a repair on a simulated Mac: real processes in place of the tools of macOS, in a temporary directory, without
# root. Fails where a command ends with another exit code than the story wants.
set -eu
cd "$(dirname "$0")/.."

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

say() {
	printf '\n# %s\n' "$*"
}

# lixfix runs a command of the story. Its first argument is the exit code that it has to end with.
lixfix() {
	want=$1
	shift
	printf '$ lixfix %s\n' "$*"
	got=0
	"$tmp/macbox" run "$tmp/mac" "$@" 2>&1 || got=$?
	if [ "$got" -ne "$want" ]; then
		echo "demo.sh: lixfix $* ended with exit code $got and not $want" >&2
		exit 1
	fi
}

echo '# This takes a moment: lixfix and the simulated Mac are built.'
CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$tmp/macbox" ./cmd/internal/macbox
"$tmp/macbox" seed upgraded-15 "$tmp/mac"

say 'A Mac was upgraded to macOS 15, and builds fail since: four build users are gone.'
lixfix 1 check
say 'What would the repair do? Looking changes nothing; exit code 1 says that steps remain.'
lixfix 1 repair sequoia --dry-run
say 'The repair does these steps, each written down first. A person would be asked; --yes answers.'
lixfix 0 repair sequoia --yes
say 'All is well.'
lixfix 0 check
say 'What was done here is on record.'
lixfix 0 history
say 'It can be taken back, step by step.'
lixfix 0 undo --yes
say 'The Mac is as broken as it was.'
lixfix 1 check
