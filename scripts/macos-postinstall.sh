#!/bin/sh
# An example of the "postinstall" script of a macOS package that carries lixfix in its payload, at /opt/lixfix/bin: root
# is going to run it from there, and /usr/local/bin belongs to a user on many a Mac with Homebrew. Installer runs the
# script as root, without a terminal, and fails the installation where it fails. Sign the package and the program in it;
# a profile of the device management can then give lixfix the right to administer users, which the repair needs and
# which nobody is there to give.
set -u

LIXFIX=${3%/}/opt/lixfix/bin/lixfix # $3 is the volume that is installed to
log=/var/log/lixfix.log

# On another volume than that of the running system there is nothing to look at yet.
[ "${3:-/}" = / ] || exit 0

"$LIXFIX" repair sequoia --yes </dev/null >>"$log" 2>&1
case $? in
0 | 1) ;;
*) echo "lixfix could not repair the build users; see $log, and run: sudo lixfix check" >&2 ;;
esac

# Reports after every start of the system, so also after the next upgrade. It changes nothing.
"$LIXFIX" schedule install --yes </dev/null >>"$log" 2>&1

# A Mac that could not be repaired is no reason to take lixfix away from it.
exit 0
