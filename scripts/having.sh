#!/bin/sh
# Prints the packages that have test functions whose names begin with $1 (Benchmark or Fuzz), one a line.
set -eu
cd "$(dirname "$0")/.."
find . -name '*_test.go' -exec grep -l "^func $1[A-Z]" {} + | while read -r file; do dirname "$file"; done | sort -u
