#!/bin/sh
# Runs go test with a temporary directory of its own, which is removed afterwards with all that a killed test left in
# it. It lies in memory where there is plenty and programs may run from there: the tests sync many small files.
#
#   gotest.sh [FLAG...] PACKAGE...           go test
#   gotest.sh --again PACKAGES [FLAG...]     the same, but what fails runs once more, after the others have ended
#
# A real daemon, name server or systemd that competes for two cores with three other packages can be too late once. What
# fails by itself as well has failed; a data race, a panic and more than ten failures are never tried again; and the first
# failure stays in the output, its name in the last lines.
set -eu

packages=
if [ "${1-}" = --again ]; then
	packages=${2:?usage: gotest.sh --again PACKAGES [FLAG...]}
	shift 2
fi

disk=${TMPDIR:-/tmp}
memory=/dev/shm
plenty=$((4 * 1024 * 1024)) # KiB

tmp=
trap '[ -z "$tmp" ] || rm -rf "$tmp"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

room() {
	df -Pk "$memory" 2>/dev/null | awk 'NR == 2 { print $4 }'
	awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo 2>/dev/null
}
# The smaller of what the file system may grow to and what the machine has left.
if [ -z "${TMPDIR-}" ] && [ -w "$memory" ] && [ "$(room | sort -n | head -n 1)" -ge "$plenty" ]; then
	tmp=$(mktemp -d "$memory/lixfix.XXXXXX")
	printf '#!/bin/sh\n' >"$tmp/probe"
	chmod 700 "$tmp/probe"
	if ! "$tmp/probe" 2>/dev/null; then
		rm -rf "$tmp"
		tmp=
	fi
fi
[ -n "$tmp" ] || tmp=$(mktemp -d "$disk/lixfix.XXXXXX")

# Programs that tests run are built once for all packages, and by "make tests" for all calls.
export LIXFIX_TEST_PROGRAMS="${LIXFIX_TEST_PROGRAMS:-$tmp/programs}"
# With -trimpath, what was compiled in one checkout is not compiled again in another.
# The compiler's own files are large, written once and never synced: they stay on the disk.
export GOTMPDIR="${GOTMPDIR:-$disk}"
if [ -z "$packages" ]; then
	TMPDIR=$tmp go test -trimpath "$@"
	exit
fi
format=standard-quiet
case " $* " in *" -v "*) format=standard-verbose ;; esac
TMPDIR=$tmp go tool -modfile=scripts/tools.mod gotestsum --format "$format" --rerun-fails=1 --rerun-fails-max-failures=10 \
	--rerun-fails-abort-on-data-race --rerun-fails-run-root-test --packages="$packages" -- -trimpath "$@"
