# shellcheck shell=sh
# Which release it is: for this system, signed, whole, and not older than what is installed.

# target finds out for which system the archive has to be.
target() {
	machine=$(uname -sm)
	case ${machine%% *} in
	Darwin) os=darwin ;;
	Linux) os=linux ;;
	*) die 3 "there is no lixfix for ${machine%% *}; it is made for macOS and Linux" ;;
	esac
	case ${machine#* } in
	arm64 | aarch64) arch=arm64 ;;
	x86_64 | amd64) arch=amd64 ;;
	*) die 3 "there is no lixfix for the processor ${machine#* }; it is made for amd64 and arm64" ;;
	esac
	# Under Rosetta, an arm64 Mac says that it is an x86_64.
	if [ "$os/$arch" = darwin/amd64 ] && [ "$(sysctl -n hw.optional.arm64 2>/dev/null || :)" = 1 ]; then
		arch=arm64
	fi
}

# keygen_package says how ssh-keygen gets onto this system.
keygen_package() {
	if has apt-get; then
		echo "apt-get install openssh-client"
	elif has dnf; then
		echo "dnf install openssh"
	elif has zypper; then
		echo "zypper install openssh-common"
	elif has apk; then
		echo "apk add openssh-keygen"
	elif has pacman; then
		echo "pacman -S openssh"
	else
		echo "install OpenSSH 8.1 or newer"
	fi
}

# signed checks that the list of checksums is what the holder of the release key has signed.
signed() {
	fetch SHA256SUMS
	fetch SHA256SUMS.sig
	printf 'release@lixfix namespaces="lixfix-release" %s\n' "$release_key" 2>/dev/null >"$work/signers" ||
		die 3 "write to $work: is there space left in ${work%/*}?"
	if ! ssh-keygen -Y verify -f "$work/signers" -I release@lixfix -n lixfix-release \
		-s "$work/SHA256SUMS.sig" <"$work/SHA256SUMS" >"$work/err" 2>&1; then
		if grep -q -e 'option -- Y' -e '^usage:' "$work/err"; then
			die 3 "this ssh-keygen is too old to verify the signature: $(keygen_package) (8.1 or newer)"
		fi
		die 5 "the signature of SHA256SUMS is not from the release key, nothing was run: $(last)"
	fi
}

# choose finds the archive for this system in the signed list.
choose() {
	archive=
	while read -r line_sum line_name; do
		case $line_name in
		*[!A-Za-z0-9._+~-]*) continue ;;
		lixfix-*"-$os-$arch.tar.gz") ;;
		*) continue ;;
		esac
		[ -z "$archive" ] || die 5 "the signed list names two archives for $os-$arch"
		archive=$line_name
		archive_sum=$line_sum
	done <"$work/SHA256SUMS"
	[ -n "$archive" ] || die 3 "this release has no archive for $os-$arch"
	name=${archive%.tar.gz}
	release=${name%"-$os-$arch"}
	release=${release#lixfix-}
	if [ -n "$version" ] && [ "$name" != "lixfix-$version-$os-$arch" ]; then
		die 5 "asked for version $version, but the release found is ${name#lixfix-}"
	fi
}

digest() {
	if has sha256sum; then
		sha256sum <"$1"
	elif has shasum; then
		shasum -a 256 <"$1"
	else
		die 3 "sha256sum or shasum is needed to check the download"
	fi
}

# unpack brings the program into the workplace, once its checksum is the signed one.
unpack() {
	fetch "$archive"
	unpack_sum=$(digest "$work/$archive")
	[ "${unpack_sum%% *}" = "$archive_sum" ] || die 5 "$archive is not what the signed list says, nothing was run"
	mkdir "$work/release" "$work/bin" 2>"$work/err" || die 3 "unpack $archive: $(last)"
	(cd "$work/release" && gzip -dc "../$archive" | tar -xf -) 2>"$work/err" || die 3 "unpack $archive: $(last)"
	mv "$work/release/$name/lixfix" "$work/bin/lixfix" 2>"$work/err" || die 3 "unpack $archive: $(last)"
}

# installed FILE prints the version of a lixfix, or nothing where that cannot be told. Only what is root's or the
# caller's is run.
installed() {
	{ [ -f "$1" ] && [ ! -L "$1" ] && [ -x "$1" ]; } || return 0
	if [ "$user" -eq 0 ]; then
		! others "$1" && walk "${1%/*}" && ! others "$at" || return 0
	else
		looks "$1"
		case $owner/$mode in
		*/????????w*) return 0 ;;
		0/* | "$root_id"/* | "$user"/*) ;;
		*) return 0 ;;
		esac
	fi
	{ "$1" version </dev/null 2>/dev/null || :; } |
		sed -n '1s/^lixfix v\{0,1\}\([0-9][A-Za-z0-9._+~-]*\).*/\1/p'
}

# older A B tells whether version A comes before version B, in the order of semver.org: "1.10.0-rc.2" is between
# "1.9.0" and "1.10.0". Status 2 says that one of them is no such version.
older() {
	LC_ALL=C awk -v a="$1" -v b="$2" '
		# order compares two words: numbers of any length by value, before what is no number.
		function order(x, y, n, m) {
			n = x ~ /^[0-9]+$/
			m = y ~ /^[0-9]+$/
			if (n != m) return m - n
			if (n) {
				sub(/^0+/, "", x)
				sub(/^0+/, "", y)
				if (length(x) != length(y)) return length(x) - length(y)
			}
			return ("x" x) == ("x" y) ? 0 : (("x" x) < ("x" y) ? -1 : 1)
		}
		function lists(x, y, n, m, i, c, p, q) {
			n = split(x, p, ".")
			m = split(y, q, ".")
			for (i = 1; i <= n && i <= m; i++) if (c = order(p[i], q[i])) return c
			return n - m
		}
		BEGIN {
			sub(/[+].*/, "", a)
			sub(/[+].*/, "", b)
			if (!match(a, /^[0-9]+[.][0-9]+[.][0-9]+/)) exit 2
			core = substr(a, 1, RLENGTH)
			a = substr(a, RLENGTH + 1)
			if (!match(b, /^[0-9]+[.][0-9]+[.][0-9]+/)) exit 2
			c = lists(core, substr(b, 1, RLENGTH))
			b = substr(b, RLENGTH + 1)
			if (a ~ /^[^~-]/ || b ~ /^[^~-]/) exit 2
			# Of the same three numbers, what has no more comes last.
			if (!c) c = a == "" || b == "" ? (a == "") - (b == "") : lists(substr(a, 2), substr(b, 2))
			exit (c >= 0)
		}'
}

# forward FILE... refuses a release that is older than a lixfix that is installed as one of these: a mirror that holds
# new releases back, or shows an old one again, would bring back what has been mended since.
forward() {
	[ -z "$version" ] || return 0
	for forward_file in "$@"; do
		[ -e "$forward_file" ] || [ -L "$forward_file" ] || continue
		forward_have=$(installed "$forward_file")
		forward_code=0
		older "$release" "$forward_have" || forward_code=$?
		case $forward_code in
		0) die 5 "$forward_file is lixfix $forward_have, and this release, $release, is older; to take it nevertheless," \
			"say which one it has to be: --version $release" ;;
		1) ;;
		*)
			[ "$forward_file" = "$bin/lixfix" ] ||
				{ say "could not tell which version $forward_file is, so this release may be older" && continue; }
			die 5 "could not tell which version $forward_file is; to put $release in its place, say so: --version $release"
			;;
		esac
	done
}
