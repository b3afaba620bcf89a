#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# symbols.sh [BUILD] - what the libraries of a release build define and call.
#
# External symbols start with kw_; nothing aborts, exits, prints, reads the environment or installs a signal
# handler; there is no mutable global; libkwaai.so exports exactly what include/ declares KW_API.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:-build/release}
status=0
complain() { sed 's/^/  /'; }
libraries=$(ls "$build"/lib/libkw_*.a 2>/dev/null | grep -v '/libkw_cli\.a')
[ -n "$libraries" ] || { echo "no libraries in $build"; exit 1; }

# shellcheck disable=SC2086
names=$(nm -A -P -g --defined-only $libraries 2>/dev/null | awk '$2 !~ /^kw_/ { print $1, $2 }')
[ -z "$names" ] || { echo "external symbols without kw_:"; echo "$names" | complain; status=1; }

# A checked function of libc is the plain one with __ and _chk.
# shellcheck disable=SC2086
calls=$(nm -A -P -u $libraries 2>/dev/null | awk '{
    name = $2; sub(/^__/, "", name); sub(/_chk$/, "", name); sub(/@.*/, "", name)
    if (name ~ /^(abort|exit|_exit|_Exit|quick_exit|atexit|assert_fail|v?printf|puts|putchar|perror|stdout|stderr|stdin|getenv|secure_getenv|setenv|signal|sigaction|raise|kill|setlocale|srand|rand|system|popen|errx?|warnx?)$/)
        print $1, $2
}')
[ -z "$calls" ] || { echo "calls that a library must not make:"; echo "$calls" | complain; status=1; }

# shellcheck disable=SC2086
globals=$(objdump -t $libraries 2>/dev/null | awk '
    /^[^ ]+\.o: / { object = $1; next }
    $0 ~ / \.(bss|data|tbss|tdata)([. \t]|$)/ && $0 !~ /\.data\.rel\.ro/ && $0 ~ / [gl] +O / { print object, $NF }
    $0 ~ / \*COM\*/ { print object, $NF }')
[ -z "$globals" ] || { echo "mutable globals:"; echo "$globals" | complain; status=1; }

if [ -f "$build/lib/libkwaai.so" ]; then
    temp=$(mktemp -d) || exit 1
    trap 'rm -rf "$temp"' EXIT
    nm -P -D --defined-only "$build/lib/libkwaai.so" | awk '{ print $1 }' | sort -u >"$temp/exported"
    # Declarations may span lines: join them up to ; or { and take the name before the first parenthesis.
    cat include/kwaai/*.h | sed 's://.*::' | tr '\n' ' ' | sed 's:/\*[^*]*\*\**\([^/*][^*]*\*\**\)*/: :g' | tr ';{' '\n\n' |
        sed -n 's/.*KW_API [^(]*[ *]\(kw_[a-z0-9_]*\) *(.*/\1/p' | sort -u >"$temp/declared"
    extra=$(comm -23 "$temp/exported" "$temp/declared")
    lost=$(comm -13 "$temp/exported" "$temp/declared")
    [ -z "$extra" ] || { echo "exported and not declared in include/:"; echo "$extra" | complain; status=1; }
    [ -z "$lost" ] || { echo "declared KW_API and not exported:"; echo "$lost" | complain; status=1; }
    [ $status = 0 ] && echo "$(wc -l <"$temp/exported") exported functions"
fi
exit $status
