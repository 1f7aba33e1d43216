#!/bin/sh
# Installs the Debian packages that the tests need and that are missing, with "long" also those of "make test-long".
# Without root it says which ones they are.
set -eu

want=
need() { # command, packages
	command -v "$1" >/dev/null 2>&1 || want="$want $2"
}
need git git
need gcc 'gcc libc6-dev' # the race detector is linked with cgo
need shellcheck shellcheck
# install.sh is tested in these shells, with these tools.
need dash dash
need zsh zsh
need fish fish # a login shell in which a repair is verified
need busybox busybox
need curl curl
need wget wget
need ssh-keygen openssh-client
need unshare util-linux
need script bsdutils
need sudo sudo
# What hangs is staged with the real Nix, and timed beside the tools that people use for it.
need nix-daemon nix-bin
need lsof lsof
need sqlite3 sqlite3
need ip iproute2
need ps procps
# Directories of root's own tools are not on everybody's PATH.
[ -x /usr/sbin/mkfs.ext4 ] || [ -x /sbin/mkfs.ext4 ] || want="$want e2fsprogs"
# Hosts with a network of their own have a real resolver, and builds behind the real pasta.
need dnsmasq dnsmasq-base
need pasta passt
need pkill procps
need nft nftables # one of them drops what build users ask
# Files are replaced on several file systems, with access control lists and attributes.
need setfacl acl
need setfattr attr
# A user mounts a file system that says of its files whatever it likes.
need fusermount3 fuse3
need bindfs bindfs
[ -x /usr/sbin/mkfs.xfs ] || [ -x /sbin/mkfs.xfs ] || want="$want xfsprogs"
[ -x /usr/sbin/mkfs.btrfs ] || [ -x /sbin/mkfs.btrfs ] || want="$want btrfs-progs"
# The first process of some of them, and what lixfix opens beside hostile ones.
need systemd-analyze systemd
need strace strace
# A controller with the real Ansible looks after hosts with a real sshd each.
need ansible-playbook ansible-core
need ansible-lint ansible-lint
[ -x /usr/sbin/sshd ] || want="$want openssh-server"
# The site is looked at with a real browser.
need chromium chromium
need chromedriver chromium-driver
need npm npm
# What check writes for Prometheus is scraped by the real ones.
need promtool prometheus
need prometheus-node-exporter prometheus-node-exporter
# Packages are looked through and installed, and the formula for Homebrew is run.
need lintian lintian
need rpm rpm
need ruby ruby
if [ "${1-}" = long ]; then
	# It makes the root directory of a newer Debian, for its Nix.
	need mmdebstrap mmdebstrap
fi
# axe-core looks for what keeps people from using a page. It is for tests alone, and is not kept in the repository.
axe() {
	version=4.10.3
	dir=${XDG_CACHE_HOME:-$HOME/.cache}/lixfix-test
	[ -e "$dir/node_modules/axe-core/axe.min.js" ] && return
	mkdir -p "$dir"
	npm install --prefix "$dir" --no-save --ignore-scripts --no-audit --no-fund "axe-core@$version" </dev/null
}
[ -n "$want" ] || {
	axe
	exit 0
}
echo "missing Debian packages:$want"

if ! command -v apt-get >/dev/null 2>&1; then
	echo "deps.sh: this system has no apt-get; install them, or what provides the same, and run make again" >&2
	exit 1
fi
as=
if [ "$(id -u)" -ne 0 ]; then
	as='sudo -n'
	if ! $as true 2>/dev/null; then
		echo "deps.sh: run this as root, then make again: apt-get install --no-install-recommends$want" >&2
		exit 1
	fi
fi

# Debian asks this file whether a package may start its services: 101 is no. An administrator's own stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap '$as rm -f "$policy"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	printf '#!/bin/sh\nexit 101\n' | $as tee "$policy" >/dev/null
	$as chmod 755 "$policy"
fi

install() {
	# shellcheck disable=SC2086 # a list of packages
	$as env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=600 install --no-install-recommends $want </dev/null
}
if ! install; then
	echo "deps.sh: that failed; once more with new package lists"
	$as apt-get -qq update </dev/null
	install
fi
axe
