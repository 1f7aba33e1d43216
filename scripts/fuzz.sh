#!/bin/sh
# Runs every fuzz target for the given time, one after the other, because go test takes one at a time.
set -eu
time=${1:?usage: fuzz.sh TIME}
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

fuzz() { # package, target
	failed=0
	go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" "$1" >"$log" 2>&1 || failed=$?
	cat "$log"
	return "$failed"
}

# Before Go 1.27 the end of the time can be reported as a failure (https://go.dev/issue/75804). A failure of the target
# comes with the input that shows it.
ended() {
	grep -q '^ *context deadline exceeded$' "$log" && ! grep -q 'Failing input written' "$log"
}

packages=$(scripts/having.sh Fuzz)
if [ -z "$packages" ]; then
	echo "fuzz.sh: no fuzz target was found" >&2
	exit 1
fi
for package in $packages; do
	targets=$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$package"/*_test.go)
	for target in $targets; do
		echo "fuzz $package $target"
		if ! fuzz "$package" "$target"; then
			ended || exit 1
			echo "fuzz.sh: its time was over, and no input failed; once more"
			fuzz "$package" "$target" || exit 1
		fi
	done
done
