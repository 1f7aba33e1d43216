#!/bin/sh
# Runs the tests of the probe on hosts that are made of a newer Debian, with its Nix and its pasta: the root directory of
# that Debian is made for it, below a temporary directory, and removed again. Needs root, and mmdebstrap, which
# "deps.sh long" installs.
set -eu
cd "$(dirname "$0")/.."

suite=${1:-trixie}
if [ "$(id -u)" -ne 0 ]; then
	echo "newer-nix.sh: only root can make the root directory of a Debian; run it as root" >&2
	exit 1
fi

dir=
# Nothing that is mounted there would be removed with it.
trap '[ -z "$dir" ] || rm -rf --one-file-system "$dir"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM
# On the disk, and not where memory would be taken by it.
dir=$(mktemp -d "${TMPDIR:-/tmp}/lixfix-$suite.XXXXXX")
chmod 755 "$dir"

# From where this machine has its packages.
# shellcheck disable=SC2016 # apt fills it in
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
	grep -v security | sort -u | sed -n 1p)
if [ -z "$mirror" ]; then
	echo "newer-nix.sh: the apt sources of this machine name no Debian; add one and run it again" >&2
	exit 1
fi
echo "newer-nix.sh: make a $suite from where this machine has its packages"
mmdebstrap --quiet --variant=minbase --include=nix-bin,passt,dnsmasq-base,iproute2,procps,busybox-static,ca-certificates \
	"$suite" "$dir/root" "$mirror"
chroot "$dir/root" dpkg-query -W nix-bin passt

LIXFIX_TEST_ROOT=$dir/root scripts/gotest.sh -v -count=1 -timeout=30m -run '^Test(Shapes|Lix|Daemon|OtherStores|NoSandbox|NoStoredLog|NothingToAsk|Text|LixDaemon|Compare|Hostile)$' \
	./fixes/resolvconf/probe/staged >"$dir/log" 2>&1 || {
	cat "$dir/log"
	exit 1
}
grep '^ *--- \|^ok' "$dir/log"
