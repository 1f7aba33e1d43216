#!/bin/sh
# Runs every fuzz target for the given time, two at a time with one worker each. go test takes one target at a time and
# links its package again for each; here each package is linked once. With a package and a target it runs that one.
set -eu
time=${1:?usage: fuzz.sh TIME [PACKAGE TARGET]}
cd "$(dirname "$0")/.."

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

# link reads packages. They are vetted by "make vet", and go test leaves the tables of debuggers out as well.
link() {
	xargs -P 2 -I PACKAGE go test -c -trimpath -vet=off -fuzz=. -ldflags="-s -w" -o "$1/PACKAGE/test" PACKAGE
}

if [ $# -eq 1 ]; then
	packages=$(scripts/having.sh Fuzz)
	if [ -z "$packages" ]; then
		echo "fuzz.sh: no fuzz target was found" >&2
		exit 1
	fi
	# Two calls of go that find nothing compiled compile the same twice. The first package imports most of it.
	first=$(echo "$packages" | head -n 1)
	echo "$first" | link "$tmp"
	echo "$packages" | grep -Fvx "$first" | link "$tmp"
	for package in $packages; do
		sed -n "s|^func \(Fuzz[A-Za-z0-9_]*\)(.*|$package \1 $tmp|p" "$package"/*_test.go
	done | xargs -P 2 -n 3 scripts/fuzz.sh "$time"
	exit
fi
package=$2 target=$3 linked=${4-$tmp}
[ $# -eq 4 ] || echo "$package" | link "$linked"
log=$tmp/log
kept=$(go env GOCACHE)/fuzz/$(go list "$package")

# As go test runs it: in the folder of the package, where a failing input is kept, and with what was of interest before.
fuzz() {
	failed=0
	(cd "$package" && "$linked/$package/test" -test.paniconexit0 -test.parallel 1 -test.run '^$' -test.fuzz "^$target\$" \
		-test.fuzztime "$time" -test.fuzzminimizetime 10x -test.fuzzcachedir "$kept") >"$log" 2>&1 || failed=$?
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
