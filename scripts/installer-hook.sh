# shellcheck shell=sh
# installer-hook.sh has two functions for scripts that install or upgrade Lix or Nix. Source it or copy them.
#
#   . ./installer-hook.sh
#   if ! lixfix_preflight /tmp/report.json; then
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

# lixfix_repair ID [SECONDS] repairs one issue without asking. When the time is over (900 seconds if not said) lixfix is
# told to stop: it finishes the step in flight and leaves the rest for "lixfix resume" or "lixfix undo". Its exit code
# is the status: 0 repaired, 143 out of time, and the others as "lixfix help automation" lists them.
lixfix_repair() (
	# The clock runs beside lixfix and not around it, so that a signal for the whole script reaches lixfix once: the
	# second one would cut the step in flight short.
	# shellcheck disable=SC2016 # the inner shell expands it
	exec sh -c '
		limit=$1
		shift
		(
			while [ "$limit" -gt 0 ] && kill -0 "$$" 2>/dev/null; do
				sleep 1
				limit=$((limit - 1))
			done
			kill -TERM "$$" 2>/dev/null
		) </dev/null >/dev/null 2>&1 &
		exec "$@"
	' sh "${2:-900}" "${LIXFIX:-lixfix}" repair "$1" --yes </dev/null
)
