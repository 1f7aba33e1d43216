#!/bin/sh
# Fails where a lixfix binary is too large, or holds what only tests and tools of the project may use. The modules are
# listed one by one, so that a new one is a decision and not an accident.
set -eu
binary=${1:?usage: linked.sh BINARY}
limit=10500000

size=$(wc -c <"$binary" | tr -d ' ')
if [ "$size" -ge "$limit" ]; then
	echo "linked.sh: $binary has $size bytes, the limit is $limit" >&2
	exit 1
fi

modules=$(go version -m "$binary" | awk '$1 == "dep" { print $2 }')
for module in $modules; do
	case $module in
	github.com/spf13/cobra | github.com/spf13/pflag | golang.org/x/net | golang.org/x/sys | golang.org/x/term) ;;
	github.com/creack/pty) ;; # lixfix run: the terminal of the command
	github.com/hashicorp/go-multierror | github.com/hashicorp/errwrap | howett.net/plist) ;;
	*)
		echo "linked.sh: $binary links $module" >&2
		exit 1
		;;
	esac
done
if [ -z "$modules" ]; then
	echo "linked.sh: $binary does not say which modules it links" >&2
	exit 1
fi

# The linker keeps the names of packages in the table of functions, also in a stripped binary.
if grep -q 'platform/platformtest\|fixes/fixtest\|cmd/internal/macbox\|internal/testscript' "$binary"; then
	echo "linked.sh: $binary links a package that is for tests" >&2
	exit 1
fi
echo "$binary: $size bytes, $(echo "$modules" | wc -l | tr -d ' ') modules"
