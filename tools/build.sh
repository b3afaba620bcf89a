#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# build.sh PRESET [TARGET...] - configures build/PRESET when needed and builds; quiet unless it fails.
set -u
cd "$(dirname "$0")/.." || exit 1
preset=$1
shift
build=build/$preset
jobs=${KWAAI_JOBS:-$(nproc 2>/dev/null || echo 2)}
for tool in cmake ninja; do
    command -v $tool >/dev/null 2>&1 && continue
    echo "$tool is not installed: make run installs what is missing, tools/install-deps.sh does that alone" >&2
    exit 1
done
if [ ! -f "$build/build.ninja" ] || [ CMakePresets.json -nt "$build/build.ninja" ]; then
    echo "configuring $build" >&2
    mkdir -p "$build"
    if ! cmake --preset "$preset" >"$build/configure.log" 2>&1 </dev/null; then
        cat "$build/configure.log" >&2
        exit 1
    fi
fi
echo "building $build" >&2
# On a terminal ninja keeps one line of progress; elsewhere it is quiet unless something fails.
quiet=--quiet
[ -t 1 ] && quiet=
# shellcheck disable=SC2086
exec ninja -C "$build" $quiet -j "$jobs" "$@" </dev/null
