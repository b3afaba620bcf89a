#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# format.sh - clang-format-19 has nothing to say. To repair: clang-format-19 -i FILE.
set -u
cd "$(dirname "$0")/../.." || exit 1
command -v clang-format-19 >/dev/null 2>&1 || { echo "clang-format-19 is not installed"; exit 77; }
files=$(find src include tests examples tools bench bindings -name '*.[ch]' 2>/dev/null | sort)
# shellcheck disable=SC2086
if ! clang-format-19 --dry-run -Werror $files >/tmp/kw-format.$$ 2>&1; then
    grep -o '^[^:]*\.[ch]:[0-9]*' /tmp/kw-format.$$ | awk -F: '{ n[$1]++; if (!($1 in first)) first[$1] = $2 }
        END { for (f in n) printf "%s:%d: not formatted (%d places)\n", f, first[f], n[f] }' | sort
    rm -f /tmp/kw-format.$$
    exit 1
fi
rm -f /tmp/kw-format.$$
echo "$files" | wc -l | sed 's/$/ files/'
