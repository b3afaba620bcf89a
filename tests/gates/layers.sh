#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# layers.sh - every #include of src/ and include/ points the way layers.txt allows.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck disable=SC2046
awk '
function fail(message) { printf "%s:%d: %s\n", FILENAME, FNR, message; bad++ }
# The layer of a path below src/: the longest name in the table that it begins with.
function layer_of(path,    name, best) {
    best = ""
    for (name in known)
        if (index(path, name "/") == 1 && length(name) > length(best)) best = name
    return best
}
# Marks what a layer allows, following arrows unless its row says exactly.
function allow(top, name,    i, n, parts) {
    n = split(arrows[name], parts, " ")
    for (i = 1; i <= n; i++) {
        if ((top, parts[i]) in allowed) continue
        allowed[top, parts[i]] = 1
        if (!(top in exact)) allow(top, parts[i])
    }
}
function rest(line) { sub(/^[^:=]*[:=] */, "", line); return line }
FNR == NR {
    sub(/#.*/, "")
    if ($0 ~ /^ *$/) next
    key = $0; sub(/ *[:=].*/, "", key)
    if (key ~ /^public /) { sub(/^public /, "", key); owner[key] = rest($0) }
    else if (key ~ /^system /) { sub(/^system /, "", key); system_of[key] = " " rest($0) " " }
    else if (key ~ /^file /) { sub(/^file /, "", key); file_of[key] = " " rest($0) " " }
    else { known[key] = 1; arrows[key] = rest($0); if ($0 ~ /=/) exact[key] = 1 }
    next
}
FNR == 1 {
    if (!closed) { for (name in known) allow(name, name); closed = 1 }
    public = FILENAME ~ /^include\//
    path = FILENAME; sub(/^(src|include)\//, "", path)
    own = public ? owner[path] : layer_of(path)
    if (own == "") fail("no row of layers.txt covers this file")
    files++
}
/^[ \t]*#[ \t]*include/ {
    target = $0; sub(/^[ \t]*#[ \t]*include[ \t]*/, "", target)
    quoted = substr(target, 1, 1) == "\""
    if (!quoted && substr(target, 1, 1) != "<") { fail("#include of something computed"); next }
    target = substr(target, 2); sub(/[">].*/, "", target)
    includes++
    if (target ~ /^kwaai\//) {
        to = owner[target]
        if (to == "") fail("<" target "> has no owner in layers.txt")
        else if (to != own && !((own, to) in allowed)) fail(own " may not include <" target "> (it belongs to " to ")")
        next
    }
    if (quoted) {
        if (public) { fail("a public header includes \"" target "\""); next }
        if (target == "kw_build_info.h" && own == "cli") next
        to = layer_of(target)
        if (to == "") { fail("\"" target "\" is not a path from the root of src/"); next }
        if (to == own || ((own, to) in allowed) || ((own, target) in allowed)) next
        if ((path in file_of) && index(file_of[path], " " target " ")) next
        fail(own " may not include \"" target "\" (" to ")")
        next
    }
    if (target ~ /^(assert|complex|ctype|errno|fenv|float|inttypes|limits|math|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|tgmath|time|uchar|wchar|wctype)\.h$/) next
    ok = 0
    for (prefix in system_of)
        if (index(path, prefix) == 1 && (system_of[prefix] == " * " || index(system_of[prefix], " " target " "))) ok = 1
    if (!ok) fail("<" target "> is not for " path " (the world is reached through os/)")
}
END { if (!bad) printf "%d includes of %d files\n", includes, files; exit bad != 0 }
' tests/gates/layers.txt $(find src include -name '*.[chS]' | sort)
