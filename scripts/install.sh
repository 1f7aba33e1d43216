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
#
# In the repository, its parts are files in scripts/install. In a release they are in it, and it reads no other file.

# The braces make a shell read the script to its end before it does anything: one that was cut off by a bad connection
# is a syntax error, at whatever byte it ends.
{
	# zsh that is not called "sh" does not split what a variable holds, among others. Nothing else has a builtin of this name.
	[ -z "${ZSH_VERSION:-}" ] || PATH=/dev/null emulate sh 2>/dev/null || :

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

	# last prints the last line that a tool has left in the file of errors, which is empty on a full disk as well. The one
	# in which tar says that there were lines before it gives no reason.
	last() {
		grep '[^[:space:]]' "$work/err" 2>/dev/null | grep -v '^tar: .* previous errors' | tail -n 1 | grep . || printf 'no reason was given; is there space left in %s?\n' "${work%/*}"
	}

	# shellcheck disable=SC2317 # the trap of main calls it
	# cleanup leaves nothing behind, even where Ctrl-C is pressed twice. It waits for no tool: a dead file system can keep one
	# from ending.
	cleanup() {
		trap '' HUP INT TERM
		if [ -n "$child" ]; then
			kill "$child" 2>/dev/null || :
		fi
		if [ -n "$work" ]; then
			# A tool that was told to end can make one more file in it meanwhile.
			rm -rf "$work" 2>/dev/null || { sleep 1 && rm -rf "$work"; }
		fi
		if [ -n "$draft" ]; then
			rm -f "$draft"
		fi
	}

	# signals has a signal end the script, and the trap of its end clean up; at once where one was noted.
	signals() {
		trap 'exit 129' HUP
		trap 'exit 130' INT
		trap 'exit 143' TERM
		[ -z "$ended" ] || exit "$ended"
	}

	# noted has a signal wait for signals, while a variable is set that cleanup needs.
	noted() {
		trap 'ended=129' HUP
		trap 'ended=130' INT
		trap 'ended=143' TERM
	}

	# temporary VARIABLE ARGUMENT... sets a variable to the name of what mktemp makes.
	temporary() {
		noted
		temporary_name=$1
		shift
		temporary_code=0
		# Ctrl-C is for all processes of the terminal.
		eval "$temporary_name=\$(trap '' HUP INT TERM && exec mktemp \"\$@\")" || temporary_code=1
		signals
		return "$temporary_code"
	}

	# await runs a command in the background, so that a signal for this shell ends it at once.
	await() {
		noted
		"$@" &
		child=$!
		signals
		await_code=0
		wait "$child" || await_code=$?
		child=
		return "$await_code"
	}

	# Before any part is read: "make sign" puts them in their places together with the key. Without it, this may be a copy in
	# a directory where others have put the files of these names, or come from a pipe, with the current directory in its place.
	[ -n "$release_key" ] || die 5 "this copy of install.sh holds no release key; take the one that is part of a release"

	# shellcheck source=scripts/install/trust.sh
	. "$(dirname "$0")/install/trust.sh"

	# shellcheck source=scripts/install/download.sh
	. "$(dirname "$0")/install/download.sh"

	# shellcheck source=scripts/install/release.sh
	. "$(dirname "$0")/install/release.sh"

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

	# place_program installs what was unpacked. The old program is there until the new one is complete.
	place_program() {
		"$work/bin/lixfix" version >/dev/null 2>"$work/err" || die 3 "lixfix does not run on this machine: $(last)"
		[ -d "$bin" ] || (umask 022 && mkdir -p "$bin") 2>"$work/err" || die 6 "make $bin: $(last); $elsewhere"
		settle
		temporary draft "$bin/.lixfix.XXXXXX" 2>"$work/err" || die 6 "write to $bin: $(last); $elsewhere"
		{ cp "$work/bin/lixfix" "$draft" && chmod 0755 "$draft" && mv -f "$draft" "$bin/lixfix"; } 2>"$work/err" ||
			die 6 "write $bin/lixfix: $(last); $elsewhere"
		draft=
		# As "lix-fix" it is "lix fix" for a Lix with custom sub-commands. What somebody else put there stays.
		if [ ! -e "$bin/lix-fix" ] && [ ! -L "$bin/lix-fix" ]; then
			ln -s lixfix "$bin/lix-fix" 2>/dev/null || say "could not make the link $bin/lix-fix"
		fi
		quote "$bin"
		say "installed lixfix-$release as $bin/lixfix; to remove it: rm $quoted/lixfix $quoted/lix-fix"
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
		unset CDPATH BLOCK_SIZE LS_BLOCK_SIZE GREP_OPTIONS GZIP TAR_OPTIONS WGETRC SYSTEM_WGETRC CURL_HOME NETRC SSLKEYLOGFILE
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
		sound=// work='' child='' draft='' ended='' from='' version='' prefix=/usr/local why='' url='' proto='' tool='' bundle='' bin='' release=''
		elsewhere='use sudo, or --prefix with a directory of yours'
		[ "$user" -ne 0 ] || elsewhere='name another place with --prefix, such as --prefix /opt/lixfix'
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
		has ssh-keygen || die 3 "ssh-keygen is needed to verify the signature of the release: $(keygen_package)"

		mask=$(umask)
		umask 077
		trap cleanup EXIT
		signals
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
