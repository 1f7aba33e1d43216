#!/bin/sh
# install.sh installs lixfix, or runs it once and leaves nothing behind.
#
#   sh install.sh                              installs to /usr/local/bin
#   sh install.sh --prefix "$HOME/.local"      installs to another place
#   sh install.sh -- repair sequoia --yes      runs once
#   curl -sSfL URL/install.sh | sh -s -- repair sequoia
#
# Before anything of a release is run, the signature of its list of checksums is verified with the key below, and then
# the checksum of the archive with that list. A mirror (LIXFIX_BASE_URL) or a directory (--from) can therefore hold a
# release back, but not change it; --version says which one it has to be. Nothing older than what is installed is taken
# unless --version names it.
#
# As root it works in no directory that somebody else can change, runs no program from one, and reads no configuration
# of the user who called sudo.
#
# Exit codes: those of lixfix once it has run. Before that: 2 usage, 3 a download or a tool failed, 5 refused: the release
# is not what its signature says or is older than what is installed, or others can change the directory to install to,
# 6 no permission to write, 129, 130 or 143 ended by a signal.

# The braces make a shell read the script to its end before it does anything: one that was cut off by a bad connection
# is a syntax error, at whatever byte it ends.
{
	release_key='' # the line that "make sign" fills in
	release_url='https://github.com/lixfix/lixfix/releases'

	usage() {
		cat <<-'TEXT'
			Usage:
			  sh install.sh [--prefix DIR] [--version V] [--from DIR]
			  sh install.sh [--version V] [--from DIR] [--] COMMAND...

			Without a command, installs lixfix. With one, such as "repair sequoia", runs
			lixfix once from a private temporary directory and leaves nothing behind.

			  --prefix DIR   install to DIR/bin (default /usr/local)
			  --version V    accept this release only, such as 1.2.3
			  --from DIR     take the release from a directory, without network

			Environment:
			  LIXFIX_BASE_URL  where the files of the release are: an https address, or
			                   an http one of this machine itself
		TEXT
	}

	# say prints to standard error. Nobody listening is no reason to stop.
	say() { printf 'lixfix install: %s\n' "$*" >&2 || :; }

	# die CODE TEXT... ends the script.
	die() {
		die_code=$1
		shift
		say "$@"
		exit "$die_code"
	}

	has() { command -v "$1" >/dev/null 2>&1; }

	# last prints the last line that a tool has left in the file of errors, which is empty on a full disk as well.
	last() {
		grep '[^[:space:]]' "$work/err" 2>/dev/null | tail -n 1 | grep . || printf 'no reason was given; is there space left in %s?\n' "${work%/*}"
	}

	# shellcheck disable=SC2317 # the trap of main calls it
	cleanup() {
		if [ -n "$child" ]; then
			kill "$child" 2>/dev/null || :
		fi
		if [ -n "$work" ]; then
			rm -rf "$work"
		fi
		if [ -n "$draft" ]; then
			rm -f "$draft"
		fi
	}

	# await runs a command in the background, so that a signal for this shell ends it at once.
	await() {
		"$@" &
		child=$!
		await_code=0
		wait "$child" || await_code=$?
		child=
		return "$await_code"
	}

	# looks NAME sets mode, owner and size to what a file has: "-rw-r--r--", an ID, and bytes. Where that cannot be told, mode
	# and owner are empty.
	looks() {
		# shellcheck disable=SC2046,SC2012 # the words of a line; there is no other tool that all systems have
		set -- $(exec ls -ldn "$1" 2>/dev/null)
		mode=${1:-} owner=${3:-} size=${5:-0}
	}

	# others NAME [link|step] tells, as root, whether somebody else can change a file or what is in a directory; who and
	# which then say so. A "step" is a directory in others that were found good: one like /tmp is good, as what is root's in
	# it stays there. What is root's alone there is looked at once: only root can have changed it since. In a user namespace
	# whose root directory has another owner, that owner stands for more than one user, so nothing is remembered.
	others() {
		[ "$user" -eq 0 ] || return 1
		case $sound in
		*"//$1//"*) return 1 ;;
		esac
		looks "$1"
		who='' which=$1
		case $owner in
		'') who='nobody knows who' ;;
		0 | "$root_id") ;;
		*) who="its owner, the user with ID $owner," ;;
		esac
		case ${2:-}/$mode in
		link/* | step/?????????[tT]*) ;;
		*/????????w*) who=everybody ;;
		*/?????w*) who='its group' ;;
		esac
		# The access control lists of macOS are not part of the mode; those of Linux are.
		case $os/$mode in
		darwin/??????????+*)
			# shellcheck disable=SC2010 # as above
			if ls -lde "$1" 2>/dev/null | grep -q ' allow .*\(write\|add_\|append\|delete\|chown\)'; then
				who='somebody whom its access control list names'
			fi
			;;
		esac
		[ -z "$who" ] || return 0
		case ${2:-}/$root_id/$owner/$mode in
		step/0/0/d????-??-*) sound=$sound$1// ;; # a name without links has no two slashes in a row
		esac
		return 1
	}

	# walk DIR goes to a directory, step by step. at is how far it has come, by a name without links, which could be turned
	# after they were looked at; rest is what is not there. It fails where, as root, others can lead it elsewhere.
	walk() {
		at=/ rest=$1/ walk_links=0
		! others / step || return 1
		while [ -n "$rest" ]; do
			walk_name=${rest%%/*}
			walk_next=${at%/}/$walk_name
			case $walk_name in
			'' | .) ;;
			..)
				at=${at%/*}
				at=${at:-/}
				;;
			*)
				if [ -L "$walk_next" ]; then
					! others "$walk_next" link || return 1
					walk_links=$((walk_links + 1))
					[ "$walk_links" -le 40 ] || return 0
					walk_to=$(readlink "$walk_next") || return 0
					case $walk_to in
					/*) at=/ ;;
					esac
					rest=$walk_to/${rest#*/}
					continue
				fi
				[ -d "$walk_next" ] || return 0
				at=$walk_next
				! others "$at" step || return 1
				;;
			esac
			rest=${rest#*/}
		done
	}

	# own_path PATH adds the directories of a PATH to that of the system; as root, only those that nobody else can change:
	# with sudo, it can be the PATH of the user.
	own_path() {
		own_rest=$1:
		while [ -n "$own_rest" ]; do
			own_dir=${own_rest%%:*}
			own_rest=${own_rest#*:}
			case :$PATH:$own_dir in
			*":$own_dir:"*) continue ;;
			*:/*) ;;
			*) continue ;;
			esac
			if walk "$own_dir" && [ -z "$rest" ] && ! others "$at"; then
				PATH=$PATH:$at
			fi
		done
	}

	# workplace makes a private directory in which programs can be run: /tmp is often mounted noexec. Whoever can change
	# the directory that it is in could exchange it after the release was verified.
	workplace() {
		for place in "${TMPDIR:-/tmp}" /tmp /var/tmp "${XDG_RUNTIME_DIR:-/run}" "${HOME:-/root}" /dev/shm; do
			if ! walk "$place"; then
				[ "$place" != "${TMPDIR:-}" ] || say "ignoring TMPDIR: $who can change $which"
				continue
			fi
			[ -z "$rest" ] || continue
			work=$(mktemp -d "${at%/}/lixfix.XXXXXX" 2>/dev/null) || {
				work=
				continue
			}
			if printf '#!/bin/sh\nexit 0\n' 2>/dev/null >"$work/probe" && chmod 0700 "$work/probe" && "$work/probe" 2>/dev/null; then
				return 0
			fi
			rm -rf "$work"
			work=
		done
		die 3 "found no temporary directory in which programs can be run; set TMPDIR to one and run this again"
	}

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

	# source_url decides where the files come from and by which protocol. Plain http is for this machine itself: whoever
	# could change what goes over the loopback interface is root already.
	source_url() {
		if [ -n "$from" ]; then
			[ -d "$from" ] || die 2 "--from $from: not a directory"
			return 0
		fi
		if [ -n "${LIXFIX_BASE_URL:-}" ]; then
			url=${LIXFIX_BASE_URL%/}
		elif [ -n "$version" ]; then
			url=$release_url/download/v$version
		else
			url=$release_url/latest/download
		fi
		case $url in
		*@* | *[[:space:]]*) die 2 "LIXFIX_BASE_URL: $url: an address without user names and spaces is needed" ;;
		https://*) proto='=https' ;;
		http://127.0.0.1[:/]* | http://localhost[:/]* | 'http://[::1]'[:/]*) proto='=http' ;;
		*) die 2 "LIXFIX_BASE_URL: $url: an https address is needed" ;;
		esac
		# A dead certificate file, as a broken Nix leaves one in the environment, must not keep its repair away.
		for bundle in SSL_CERT_FILE CURL_CA_BUNDLE; do
			eval "bundle_file=\${$bundle:-}"
			if [ -n "$bundle_file" ] && ! [ -r "$bundle_file" ]; then
				say "ignoring $bundle: $bundle_file cannot be read"
				unset "$bundle"
			fi
		done
		bundle=${CURL_CA_BUNDLE:-${SSL_CERT_FILE:-}}
		if has curl; then
			tool=curl
		elif has wget && HOME=/dev/null XDG_CONFIG_HOME=/dev/null wget --no-config --version 2>/dev/null | grep -q '^GNU Wget'; then
			tool=wget
		else
			die 3 "curl or GNU wget is needed to download lixfix (the wget of busybox does not check certificates)"
		fi
	}

	# shellcheck disable=SC2317 # await calls it
	# limited COMMAND... becomes a command whose files cannot become much larger than most. Without the signal, a write
	# that goes too far is an error of the command. Shells count blocks of 512 bytes or of 1024, so the size decides later.
	# With sudo, HOME can still be that of the user, whose .wgetrc names programs to run. What -q and --no-config leave out
	# is looked for where nothing is.
	limited() {
		trap '' XFSZ
		ulimit -f "$((most / 512 + 2))" 2>/dev/null || :
		HOME=/dev/null XDG_CONFIG_HOME=/dev/null
		export HOME XDG_CONFIG_HOME
		exec "$@"
	}

	# over FILE tells whether a file is larger than it may be; why then says so.
	over() {
		[ -f "$1" ] || return 1
		looks "$1" # wc of busybox would read it all
		[ "$size" -gt "$most" ] || return 1
		why=$larger
	}

	# limit NAME sets most to how large a file of a release may be, in bytes, and larger to what is said of one that is.
	limit() {
		case $1 in
		*.tar.gz) most=104857600 ;;
		*) most=65536 ;;
		esac
		larger="it is larger than $most bytes, and no such file of a release is"
	}

	# get_curl URL FILE. Status 1: a further try may help; 2: it will not.
	get_curl() {
		get_code=0
		await limited curl -q -sS -L --proto "$proto" --proto-redir '=https' --tlsv1.2 --max-redirs 5 --connect-timeout 20 \
			--max-time 600 --max-filesize "$most" -o "$2" -w '%{http_code}' "$1" >"$work/http" 2>"$work/err" || get_code=$?
		get_http=
		{ read -r get_http <"$work/http" || :; } 2>/dev/null # it has no end of a line
		case $get_code/$get_http in
		*/408 | */429 | */5??) why="the server answered $get_http" && return 1 ;;
		*/4??) why="the server answered $get_http" && return 2 ;;
		0/200) return 0 ;;
		0/?*) why="the server answered $get_http" && return 2 ;;
		63/*) why=$larger && return 2 ;;
		# No place for the answer, not allowed, not understood, no space, too many redirects, no trust.
		0/ | 1/* | 3/* | 23/* | 47/* | 51/* | 60/* | 77/*) get_code=2 ;;
		*) get_code=1 ;;
		esac
		why=$(sed -n '/^curl: /{p;q;}' "$work/err" 2>/dev/null || :)
		[ -n "$why" ] || why=$(last)
		return "$get_code"
	}

	# get_wget URL FILE does the same. wget cannot be told to refuse redirects to http, so they are followed here.
	get_wget() {
		get_next=$1
		get_hops=0
		while :; do
			get_code=0
			# shellcheck disable=SC2086 # bound is a command or nothing
			await limited $bound wget --no-config -S --no-hsts --check-certificate ${bundle:+"--ca-certificate=$bundle"} \
				--secure-protocol=TLSv1_2 --max-redirect=0 --tries=1 --timeout=60 -O "$2" "$get_next" >/dev/null 2>"$work/err" || get_code=$?
			[ "$get_code" -ne 0 ] || return 0
			get_http=$(sed -n 's|^ *HTTP/[0-9.]* \([0-9]*\).*|\1|p' "$work/err" | tail -n 1)
			why="the server answered $get_http"
			[ "$get_code" -ne 124 ] || { why='no end within 10 minutes' && return 1; }
			case $get_http in
			30[12378]) ;;
			408 | 429 | 5??) return 1 ;;
			4??) return 2 ;;
			*)
				why=$(last)
				# 3 is a file that cannot be written, 5 a certificate that is not trusted.
				case $get_code in
				3 | 5) return 2 ;;
				esac
				return 1
				;;
			esac
			get_to=$(sed -n 's/^ *[Ll]ocation: *\([^ ]*\).*/\1/p' "$work/err" | tail -n 1 | tr -d '\r')
			get_hops=$((get_hops + 1))
			case $get_to in
			https://*) get_next=$get_to ;;
			/*)
				get_rest=${get_next#*://}
				get_next=${get_next%%://*}://${get_rest%%/*}$get_to
				;;
			*) why="refused a redirect to ${get_to:-nowhere}" && return 2 ;;
			esac
			[ "$get_hops" -le 5 ] || { why="too many redirects" && return 2; }
		done
	}

	# take NAME copies a file of the release from a directory. Whoever owns that can put anything there at any time, so cp
	# is told to copy links, pipes and devices as such, and what has arrived is looked at.
	take() {
		[ -e "$from/$1" ] || [ -L "$from/$1" ] || die 3 "take $1 from $from: there is no such file"
		{ [ -f "$from/$1" ] && [ ! -L "$from/$1" ]; } || die 3 "take $1 from $from: not a regular file"
		! over "$from/$1" || die 3 "take $1 from $from: $why"
		take_code=0
		# shellcheck disable=SC2086 # bound is a command or nothing
		await limited $bound cp -RP "$from/$1" "$work/$1" 2>"$work/err" || take_code=$?
		if [ -L "$work/$1" ] || [ -e "$work/$1" ]; then
			{ [ -f "$work/$1" ] && [ ! -L "$work/$1" ]; } || die 3 "take $1 from $from: not a regular file"
			! over "$work/$1" || die 3 "take $1 from $from: $why"
		fi
		[ "$take_code" -eq 0 ] || die 3 "take $1 from $from: $(last)"
	}

	# fetch NAME brings a file of the release into the workplace.
	fetch() {
		limit "$1"
		if [ -n "$from" ]; then
			take "$1"
			return 0
		fi
		fetch_try=1
		while :; do
			fetch_code=0
			why=
			if [ "$tool" = curl ]; then
				get_curl "$url/$1" "$work/$1" || fetch_code=$?
			else
				get_wget "$url/$1" "$work/$1" || fetch_code=$?
			fi
			case $why in
			'the server answered '*) ;;
			*) ! over "$work/$1" || fetch_code=2 ;;
			esac
			case $fetch_code/$fetch_try in
			0/*) return 0 ;;
			1/1 | 1/2) await sleep "$fetch_try" || : ;;
			*) die 3 "download $url/$1: $why" ;;
			esac
			fetch_try=$((fetch_try + 1))
		done
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

	# settle sets bin to the directory to install to. Whoever can change it could put another program in the place of
	# lixfix, or lead what root writes to another file.
	settle() {
		if ! walk "$prefix/bin" || others "$at"; then
			die 5 "$prefix/bin is not safe for a program that root runs: $who can change $which; give it to root alone, or name a" \
				"directory that is root's, such as --prefix /opt/lixfix"
		fi
		bin=${at%/}${rest:+/${rest%/}}
		[ ! -d "$bin/lixfix" ] || die 3 "$bin/lixfix is a directory; move it away and run this again"
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

	# place_program installs what was unpacked. The old program is there until the new one is complete.
	place_program() {
		"$work/bin/lixfix" version >/dev/null 2>"$work/err" || die 3 "lixfix does not run on this machine: $(last)"
		[ -d "$bin" ] || (umask 022 && mkdir -p "$bin") 2>"$work/err" || die 6 "make $bin: $(last); $elsewhere"
		settle
		draft=$(mktemp "$bin/.lixfix.XXXXXX" 2>"$work/err") || {
			draft=
			die 6 "write to $bin: $(last); $elsewhere"
		}
		{ cp "$work/bin/lixfix" "$draft" && chmod 0755 "$draft" && mv -f "$draft" "$bin/lixfix"; } 2>"$work/err" ||
			die 6 "write $bin/lixfix: $(last); $elsewhere"
		draft=
		# As "lix-fix" it is "lix fix" for a Lix with custom sub-commands. What somebody else put there stays.
		if [ ! -e "$bin/lix-fix" ] && [ ! -L "$bin/lix-fix" ]; then
			ln -s lixfix "$bin/lix-fix" 2>/dev/null || say "could not make the link $bin/lix-fix"
		fi
		say "installed lixfix-$release as $bin/lixfix; to remove it: rm $bin/lixfix $bin/lix-fix"
	}

	# again sets again_line to the line that runs the program once more in the same way, without its command.
	again() {
		again_line=
		case $0 in
		*.sh) # a shell that reads the script from a pipe is called by its own name
			quote "$0"
			again_line="sh $quoted"
			if [ -n "$from" ]; then
				quote "$from"
				again_line="$again_line --from $quoted"
			fi
			;;
		*)
			[ -z "$from" ] || return 0 # whoever pipes a script of their own knows from where
			again_line="curl -sSfL $url/install.sh | sh -s"
			# In front of the script's own options; without any, the one "--" is enough.
			[ -z "$version" ] || again_line="$again_line --"
			;;
		esac
		[ -z "$version" ] || again_line="$again_line --version $version"
		again_line="$again_line --"
	}

	# quote sets quoted to a name as one word of a shell.
	quote() {
		case $1 in
		*[!A-Za-z0-9_./+-]*) quoted="'$(printf '%s\n' "$1" | sed "s/'/'\\\\''/g")'" ;;
		*) quoted=$1 ;;
		esac
	}

	# run_once runs the program from the workplace with what is left on the command line.
	run_once() {
		# From here on a signal is for lixfix, which finishes the step in flight and says how it stands.
		trap : HUP INT TERM
		run_code=0
		# Under its bare name, for the lines that lixfix tells the user to type: the workplace is about to go away.
		PATH=$work/bin:$PATH
		again
		LIXFIX_RUN_AGAIN=$again_line
		export LIXFIX_RUN_AGAIN
		(umask "$mask" && exec lixfix "$@") || run_code=$?
		if [ "$run_code" -eq 6 ] && [ "$user" -ne 0 ] && [ -t 2 ]; then
			say "lixfix was run from a temporary directory; to run it as root, give this script to \"sudo sh -s -- $*\""
		fi
		exit "$run_code"
	}

	main() {
		set -euf
		# A closed descriptor would be given to the next file that is opened, and messages would land in it.
		(: 3<&0) 2>/dev/null || exec </dev/null
		(: 3>&1) 2>/dev/null || exec >/dev/null
		(: 3>&2) || exec 2>/dev/null
		# What changes the ways of the tools below.
		unset CDPATH GREP_OPTIONS GZIP TAR_OPTIONS WGETRC SYSTEM_WGETRC CURL_HOME NETRC SSLKEYLOGFILE
		# The tools of the system come first: those of a broken Nix may be why we are called.
		system=/run/current-system/sw/bin:/run/current-system/profile/bin:/usr/bin:/bin:/usr/sbin:/sbin
		caller_path=${PATH:-}
		PATH=$system
		export PATH
		has id || PATH=$system:$caller_path
		user=$(id -u)
		# In a user namespace, the real root has no ID. Whoever owns the root directory can change everything anyway.
		looks /
		root_id=$owner
		sound=// work='' child='' draft='' from='' version='' prefix=/usr/local why='' url='' proto='' tool='' bundle='' bin='' release=''
		elsewhere='use sudo, or --prefix with a directory of yours'
		while [ $# -gt 0 ]; do
			case $1 in
			--prefix | --version | --from)
				[ -n "${2:-}" ] || die 2 "$1 needs a value"
				option=$1=$2
				shift
				;;
			--prefix=?* | --version=?* | --from=?*) option=$1 ;;
			-h | --help) usage && exit 0 ;;
			--)
				shift
				break
				;;
			-*) die 2 "$1 is not an option of install.sh; options of lixfix go after \"--\"" ;;
			*) break ;;
			esac
			case $option in
			--prefix=*) prefix=${option#*=} ;;
			--version=*) version=${option#*=} ;;
			--from=*) from=${option#*=} ;;
			esac
			shift
		done
		version=${version#v}
		case $version in
		*[!A-Za-z0-9._+~-]*) die 2 "--version $version: not a version" ;;
		esac
		case $from in
		-*) from=./$from ;;
		esac
		case $prefix in
		/*) ;;
		*) die 2 "--prefix $prefix: an absolute path is needed" ;;
		esac
		target
		own_path "$caller_path"
		# wget has no time limit for a whole download, and a pipe can take the place of a file at any time.
		bound=''
		if has timeout; then
			bound='timeout 600'
		fi
		[ -n "$release_key" ] || die 5 "this copy of install.sh holds no release key; take the one that is part of a release"
		has ssh-keygen || die 3 "ssh-keygen is needed to verify the signature of the release: $(keygen_package)"

		mask=$(umask)
		umask 077
		trap cleanup EXIT
		trap 'exit 129' HUP
		trap 'exit 130' INT
		trap 'exit 143' TERM
		trap : PIPE
		source_url
		if [ $# -eq 0 ]; then
			settle
		fi
		workplace
		signed
		choose
		if [ $# -eq 0 ]; then
			forward "$bin/lixfix"
		else
			forward "$prefix/bin/lixfix" /usr/bin/lixfix
		fi
		unpack
		if [ $# -eq 0 ]; then
			place_program
			exit 0
		fi
		# A script that is piped into a shell is the standard input of what that shell runs.
		if [ -r "$0" ] && [ -f "$0" ]; then
			run_once "$@"
		fi
		run_once "$@" </dev/null
	}

	main "$@"
}
