#!/bin/sh
# Runs every fuzz target for the given time, two at a time with one worker each: go test takes one at a time, and most of
# what that costs is no fuzzing. With a package and a target it runs that one.
set -eu
time=${1:?usage: fuzz.sh TIME [PACKAGE TARGET]}
cd "$(dirname "$0")/.."

if [ $# -eq 1 ]; then
	packages=$(scripts/having.sh Fuzz)
	if [ -z "$packages" ]; then
		echo "fuzz.sh: no fuzz target was found" >&2
		exit 1
	fi
	for package in $packages; do
		sed -n "s|^func \(Fuzz[A-Za-z0-9_]*\)(.*|$package \1|p" "$package"/*_test.go
	done | xargs -P 2 -n 2 scripts/fuzz.sh "$time"
	exit
fi
package=$2 target=$3

log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

fuzz() {
	failed=0
	go test -parallel 1 -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$package" >"$log" 2>&1 || failed=$?
	# In one piece, between those of others.
	printf 'fuzz %s %s\n%s\n' "$package" "$target" "$(cat "$log")"
	return "$failed"
}

# Before Go 1.27 the end of the time can be reported as a failure (https://go.dev/issue/75804). A failure of the target
# comes with the input that shows it.
ended() {
	grep -q '^ *context deadline exceeded$' "$log" && ! grep -q 'Failing input written' "$log"
}

if ! fuzz; then
	ended || exit 1
	echo "fuzz.sh: the time of $target was over, and no input failed; once more"
	fuzz
fi
