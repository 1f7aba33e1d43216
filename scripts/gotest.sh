#!/bin/sh
# Runs go test with a temporary directory of its own, which is removed afterwards with all that a killed test left in
# it. It lies in memory where there is plenty and programs may run from there: the tests sync many small files.
#
#   gotest.sh [FLAG...] PACKAGE...           go test
#   gotest.sh --again PACKAGES [FLAG...]     the same, but what fails runs once more, after the others have ended
#   gotest.sh --within COMMAND...            a command whose calls of this script share the programs that tests run
#
# A real daemon, name server or systemd that competes for two cores with three other packages can be too late once. What
# fails by itself as well has failed; a data race, a panic and more than ten failures are never tried again; and the first
# failure stays in the output, its name in the last lines.
set -eu

packages=
within=
case ${1-} in
--again)
	packages=${2:?usage: gotest.sh --again PACKAGES [FLAG...]}
	shift 2
	;;
--within)
	within=yes
	shift
	;;
esac

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
if [ -n "${LIXFIX_TEST_WITHIN-}" ]; then
	tmp=$(mktemp -d "${LIXFIX_TEST_WITHIN%/*}/lixfix.XXXXXX")
elif [ -z "${TMPDIR-}" ] && [ -w "$memory" ] && [ "$(room | sort -n | head -n 1)" -ge "$plenty" ]; then
	tmp=$(mktemp -d "$memory/lixfix.XXXXXX")
	printf '#!/bin/sh\n' >"$tmp/probe"
	chmod 700 "$tmp/probe"
	if ! "$tmp/probe" 2>/dev/null; then
		rm -rf "$tmp"
		tmp=
	fi
fi
[ -n "$tmp" ] || tmp=$(mktemp -d "$disk/lixfix.XXXXXX")
chmod 711 "$tmp" # some tests run programs as other users, who have to get to them

# Programs that tests run are built once for all packages. They are linked to, so they lie in the same file system.
export LIXFIX_TEST_PROGRAMS="${LIXFIX_TEST_WITHIN:-$tmp}/programs"
if [ -n "$within" ]; then
	export LIXFIX_TEST_WITHIN="$tmp"
	"$@"
	exit
fi
# The compiler's own files are large, written once and never synced: they stay on the disk. That is said in a file, as
# t.TempDir would heed the variable as well: then each test's directory lay on the disk, too, and what tests link to the
# programs became copies of them.
compiler=$(go env GOTMPDIR)
settings=$(go env GOENV)
{
	[ ! -f "$settings" ] || cat "$settings"
	printf '\nGOTMPDIR=%s\n' "${compiler:-$disk}"
} >"$tmp/goenv"
export GOENV="$tmp/goenv"
unset GOTMPDIR
# With -trimpath, what was compiled in one checkout is not compiled again in another.
if [ -z "$packages" ]; then
	TMPDIR=$tmp go test -trimpath "$@"
	exit
fi
format=standard-quiet
case " $* " in *" -v "*) format=standard-verbose ;; esac
TMPDIR=$tmp go tool -modfile=scripts/tools.mod gotestsum --format "$format" --rerun-fails=1 --rerun-fails-max-failures=10 \
	--rerun-fails-abort-on-data-race --rerun-fails-run-root-test --packages="$packages" -- -trimpath "$@"
