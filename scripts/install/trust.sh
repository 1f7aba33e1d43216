# shellcheck shell=sh
# What root believes of a name: whether somebody else can change a file, or lead a directory elsewhere.

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
	# The access control lists of macOS are not part of the mode; those of Linux are. What has attributes as well has "@"
	# in the place of "+".
	case $os/$mode in
	darwin/??????????[+@]*)
		# shellcheck disable=SC2010 # as above
		if ls -lde "$1" 2>/dev/null | grep -Eq ' allow .*(write|add_|append|delete|chown)'; then
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
		case $own_dir in
		/*) ;;
		*) continue ;;
		esac
		case :$PATH: in
		*":$own_dir:"*) continue ;;
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
		temporary work -d "${at%/}/lixfix.XXXXXX" 2>/dev/null || continue
		if printf '#!/bin/sh\nexit 0\n' 2>/dev/null >"$work/probe" && chmod 0700 "$work/probe" && "$work/probe" 2>/dev/null; then
			return 0
		fi
		rm -rf "$work"
		work=
	done
	die 3 "found no temporary directory in which programs can be run; set TMPDIR to one and run this again"
}
