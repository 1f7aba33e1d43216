# shellcheck shell=sh
# installer-hook.sh has two functions for scripts that install or upgrade Lix or Nix. Source it or copy them.
#
#   . ./installer-hook.sh
#   report=$(mktemp) || exit 1 # never a fixed name in /tmp: as root, it could be a link that somebody else has made
#   if ! lixfix_preflight "$report"; then
#       lixfix_repair sequoia 600 || exit 1
#   fi
#
# They go by the exit codes of lixfix, which never change their meaning, and never by its text. The program is taken
# from LIXFIX, and from PATH where that is not set. Nothing is asked, and no variable of the caller is touched.

# lixfix_preflight [FILE] tells whether the host is fit for an installation or an upgrade. It only looks. It prints one
# word, and its status says the same:
#
#   fit      0   go on
#   repair   1   a known issue is there; FILE says which, in JSON, and which command mends it
#   unknown  2   could not tell, or there is no lixfix; going on is a risk that the caller has to judge
#   wait     3   a repair is at work or unfinished; going on would disturb it
lixfix_preflight() (
	code=0
	"${LIXFIX:-lixfix}" check --format json >"${1:-/dev/null}" 2>/dev/null </dev/null || code=$?
	case $code in
	0) echo fit && exit 0 ;;
	1) echo repair && exit 1 ;;
	4 | 7) echo wait && exit 3 ;;
	esac
	echo unknown
	exit 2
)

# lixfix_repair ID [SECONDS] repairs one issue without asking. When the time is over (900 seconds if not said) lixfix
# stops: it finishes the step in flight and leaves the rest for "lixfix resume" or "lixfix undo". Its exit code is the
# status: 0 repaired, 143 out of time, and the others as "lixfix help automation" lists them.
#
# The clock is in lixfix. One beside it could only signal a process number, which belongs to somebody else as soon as
# lixfix has ended; one around it would hand on a signal for the whole script a second time, which cuts a step short.
lixfix_repair() (
	exec "${LIXFIX:-lixfix}" repair "$1" --yes --limit "${2:-900}s" </dev/null
)
