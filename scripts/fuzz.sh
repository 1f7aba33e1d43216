#!/bin/sh
# Runs every fuzz target for the given time, one after the other, because go test takes one at a time.
set -eu
time=${1:?usage: fuzz.sh TIME}
cd "$(dirname "$0")/.."

packages=$(scripts/having.sh Fuzz)
if [ -z "$packages" ]; then
	echo "fuzz.sh: no fuzz target was found" >&2
	exit 1
fi
for package in $packages; do
	targets=$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$package"/*_test.go)
	for target in $targets; do
		echo "fuzz $package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
	done
done
