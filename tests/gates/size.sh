#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# size.sh - a file has at most 1000 lines, a function at most 70. A table says so ("table") in its first
# two lines and is exempt. Functions are found by the formatter's braces in the first column.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck disable=SC2046
awk '
function finish() { if (file != "" && !table && lines > 1000) { printf "%s: %d lines (1000)\n", file, lines; bad++ } }
FNR == 1 { finish(); file = FILENAME; table = 0; open = 0; n++ }
FNR <= 2 && /[Tt]able/ { table = 1 }
{ lines = FNR; text[FNR % 4] = $0 }
/^\{/ { open = FNR; name = text[(FNR - 1) % 4] }
/^\}/ && open {
    if (FNR - open - 1 > 70 && !table) { printf "%s:%d: function of %d lines (70): %s\n", FILENAME, open, FNR - open - 1, name; bad++ }
    open = 0
}
END { finish(); if (!bad) printf "%d files\n", n; exit bad != 0 }
' $(find src include tests examples tools bench bindings -name '*.[chS]' 2>/dev/null | sort)
