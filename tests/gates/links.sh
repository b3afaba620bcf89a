#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# links.sh [BUILD] - every kw_ symbol that a layer's library leaves undefined is defined in a layer that
# layers.txt allows it to call. Folders below a layer belong to it.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:-build/release}
ls "$build"/lib/libkw_*.a >/dev/null 2>&1 || { echo "no libraries in $build"; exit 1; }
{
    sed 's/#.*//; /^ *$/d; /^\(public\|system\|file\) /d; s/[:=]/ /; s/^/arrow /' tests/gates/layers.txt
    for library in "$build"/lib/libkw_*.a; do
        layer=${library##*/libkw_}
        layer=${layer%.a}
        nm -P "$library" 2>/dev/null | awk -v layer="$layer" '
            $2 == "U" && $1 ~ /^kw_/ { print "uses", layer, $1 }
            $2 ~ /^[TDRBVW]$/ { print "has", layer, $1 }'
    done
} | awk '
function allow(top, name,    i, n, parts) {
    n = split(arrows[name], parts, " ")
    for (i = 1; i <= n; i++) {
        sub(/\/.*/, "", parts[i])
        if ((top, parts[i]) in allowed) continue
        allowed[top, parts[i]] = 1
        allow(top, parts[i])
    }
}
# A header alone (plan: backend/backend.h) is a declaration, not a library to call.
$1 == "arrow" { n = $2; sub(/\/.*/, "", n); line = ""; for (i = 3; i <= NF; i++) if ($i !~ /\.h$/) line = line " " $i; arrows[n] = arrows[n] line; if ($0 ~ /registry\.h/) arrows[n] = arrows[n] " backend"; next }
$1 == "has" { home[$3] = $2; defined++; next }
$1 == "uses" { uses[$2 " " $3] = 1 }
END {
    for (name in arrows) allow(name, name)
    for (pair in uses) {
        split(pair, p, " ")
        calls++
        if (!(p[2] in home)) { if (p[1] != "cli") { print p[1] ": " p[2] " is defined nowhere"; bad++ } }
        else if (home[p[2]] != p[1] && !((p[1], home[p[2]]) in allowed)) { print p[1] " may not call " p[2] " of " home[p[2]]; bad++ }
    }
    if (!bad) printf "%d calls between layers, %d symbols\n", calls, defined
    exit bad != 0
}'
