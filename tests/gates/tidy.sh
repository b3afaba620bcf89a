#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# tidy.sh [FILE...] - clang-tidy-19 over src/**/*.c that this machine compiles, by the rules of .clang-tidy.
# Needs build/clang/compile_commands.json (tools/build.sh clang makes it).
set -u
cd "$(dirname "$0")/../.." || exit 1
command -v clang-tidy-19 >/dev/null 2>&1 || { echo "clang-tidy-19 is not installed"; exit 77; }
database=build/clang/compile_commands.json
[ -f $database ] || { echo "no $database: run tools/build.sh clang"; exit 1; }
if [ $# = 0 ]; then
    # shellcheck disable=SC2046
    set -- $(sed -n 's/^ *"file": "\(.*\/src\/.*\.c\)".*/\1/p' $database | sort -u | sed "s:^$PWD/::")
fi
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
printf '%s\n' "$@" | xargs -P "${KWAAI_JOBS:-$(nproc)}" -n 1 clang-tidy-19 -p build/clang --quiet >"$out" 2>/dev/null
status=$?
if grep -qE '(warning|error):' "$out"; then
    grep -E '(warning|error):' "$out" | sed "s:$PWD/::" | sort -u
    exit 1
fi
[ $status = 0 ] || { cat "$out"; exit 1; }
echo "$# files"
