#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# run-tests.sh PRESET [CTEST-ARGUMENT...] - runs the tests of build/PRESET, shows failures, and names what
# was skipped. Writes build/PRESET/tests.count ("passed failed skipped"), counting cmocka's cases.
set -u
cd "$(dirname "$0")/.." || exit 1
preset=$1
shift
build=build/$preset
jobs=${KWAAI_JOBS:-$(nproc 2>/dev/null || echo 2)}
log=$build/Testing/Temporary/LastTest.log
rm -f "$log"
progress=--progress
[ -t 1 ] || progress=
# shellcheck disable=SC2086
ctest --test-dir "$build" -j "$jobs" --output-on-failure --no-tests=error $progress "$@" \
    </dev/null >"$build/ctest.log" 2>&1 &
pid=$!
if [ -t 1 ]; then
    tail -n +1 -f --pid=$pid "$build/ctest.log" 2>/dev/null | grep --line-buffered -o 'Test *#[0-9]*:.*' |
        while IFS= read -r line; do printf '\r\033[K%.78s' "$line"; done
    printf '\r\033[K'
fi
wait $pid
status=$?
[ $status = 0 ] || sed -n '/^ *Start /d; /^Looked in/d; /^Could not find exec/d; /^\/.*\/bin\//d; /^[a-z].*\/bin\/[^ ]*$/d;
    /Label Time Summary/,$d; / Passed /d; /^Internal ctest/d; /^Unable to find exec/d; /\*\*\*Not Run/d; /\*\*\*Skipped/d; p' "$build/ctest.log" | tail -n 200
if [ ! -f "$log" ]; then
    tail -n 5 "$build/ctest.log"
    echo "0 1 0" >"$build/tests.count"
    exit 1
fi
# The log calls passed what was skipped and what has no executable; the screen tells them.
sed -n 's/.*Test *#[0-9]*: \([^ ]*\) \.*\*\*\*Not Run.*/not-run \1/p; s/.*Test *#[0-9]*: \([^ ]*\) \.*\*\*\*Skipped.*/was-skipped \1/p' \
    "$build/ctest.log" |
    awk -v preset="$preset" -v count="$build/tests.count" -f tools/test-summary.awk - "$log"
exit $status
