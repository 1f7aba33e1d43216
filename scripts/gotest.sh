#!/bin/sh
# Runs go test with a temporary directory of its own, which is removed afterwards with all that a killed test left in
# it. It lies in memory where there is plenty and programs may run from there: the tests sync many small files.
set -eu

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

# Programs that tests run are built once for all packages.
export LIXFIX_TEST_PROGRAMS="$tmp/programs"
# The compiler's own files are large, written once and never synced: they stay on the disk.
TMPDIR=$tmp GOTMPDIR=${GOTMPDIR:-$disk} go test "$@"
