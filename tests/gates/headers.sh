#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# headers.sh - each header compiles on its own in C17 with both compilers, the public ones in C++17 too.
# Templates (*.inc.h) are part of the file that includes them; a simd_<isa>.h gets its instructions.
set -u
cd "$(dirname "$0")/../.." || exit 1
# Optimised, as every build is: without it the intrinsics of gcc are macros, and warn.
warn='-O2 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Wcast-qual -Wdouble-promotion -Werror'
status=0 n=0
# Unused static functions are what a header of inline functions consists of.
check() { # compiler, header, flags...
    compiler=$1 header=$2
    shift 2
    # shellcheck disable=SC2086
    if ! printf '#include "%s"\ntypedef int kw_gate;\n' "$header" | "$compiler" $warn -Iinclude -Isrc "$@" -fsyntax-only - 2>&1; then
        echo "$compiler: $header does not compile alone"
        status=1
    fi
}
compilers='' plus=''
for compiler in gcc clang-19; do command -v $compiler >/dev/null 2>&1 && compilers="$compilers $compiler"; done
for compiler in g++ clang++-19; do command -v $compiler >/dev/null 2>&1 && plus="$plus $compiler"; done
[ -n "$compilers" ] || { echo "no compiler"; exit 1; }
[ -n "$plus" ] || { echo "no C++ compiler: the public headers were not checked as C++"; exit 1; }
machine=$(uname -m)
for header in $(cd src && find . -name '*.h' ! -name '*.inc.h' | sed 's:^\./::' | sort) $(cd include && ls kwaai/*.h); do
    flags=''
    case $header in
    *_avxvnni.h) [ "$machine" = x86_64 ] || continue; flags='-mavxvnni -mavx2 -mfma -mf16c -mbmi2' ;;
    *_avx2.h | */simd_x86.h) [ "$machine" = x86_64 ] || continue; flags='-mavx2 -mfma -mf16c -mbmi2' ;;
    *_avx512bf16.h) [ "$machine" = x86_64 ] || continue
        flags='-mavx512bf16 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512vbmi -mgfni -mavx2 -mfma -mf16c -mbmi2' ;;
    *_avx512*.h) [ "$machine" = x86_64 ] || continue
        flags='-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512vbmi -mgfni -mavx2 -mfma -mf16c -mbmi2' ;;
    *_amx*.h) [ "$machine" = x86_64 ] || continue
        flags='-mamx-tile -mamx-int8 -mamx-bf16 -mavx512bf16 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512vbmi -mgfni -mavx2 -mfma -mf16c -mbmi2' ;;
    *_neon*.h) [ "$machine" = aarch64 ] || continue; flags='-march=armv8.2-a+dotprod+fp16' ;;
    *_wasm*.h) continue ;;
    esac
    n=$((n + 1))
    # shellcheck disable=SC2086
    for compiler in $compilers; do check $compiler "$header" -std=c17 -D_GNU_SOURCE -x c $flags; done
    case $header in
    kwaai/*) for compiler in $plus; do check "$compiler" "$header" -std=c++17 -x c++; done ;;
    esac
done
[ $status = 0 ] && echo "$n headers with$compilers, public ones with$plus"
exit $status
