#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# test.sh - builds and runs every test: here, AArch64 under qemu, WebAssembly under Node. What this machine
# cannot run is named.
set -u
cd "$(dirname "$0")/.." || exit 1
status=0
skipped=''
part() { # preset; the next part goes on when this one failed
    if tools/build.sh "$1"; then
        tools/run-tests.sh "$1" || status=1
    else
        echo "$1: does not build"
        status=1
    fi
}
lacks() { # the first command of the list that is not here
    for tool in "$@"; do command -v "$tool" >/dev/null 2>&1 || { echo "$tool"; return; }; done
}

part dev
missing=$(lacks aarch64-linux-gnu-gcc qemu-aarch64)
if [ -z "$missing" ]; then part arm64; else skipped="$skipped
  skipped  arm64: $missing is not installed"; fi
missing=$(lacks clang-19 wasm-ld-19 llvm-ar-19 node)
[ -n "$missing" ] || [ -e /usr/include/wasm32-wasi/stdio.h ] || missing=wasi-libc
if [ -n "$missing" ]; then skipped="$skipped
  skipped  wasm: $missing is not installed"
elif ls tests/wasm/*.mjs >/dev/null 2>&1; then part wasm; fi
[ -d "${KWAAI_SHARED:-../shared}" ] || echo "  tests that need ../shared were skipped: it is not there"
[ -z "$skipped" ] || echo "${skipped#?}"
if [ $status = 0 ]; then echo "all tests passed"; else echo "some tests FAILED"; fi
exit $status
