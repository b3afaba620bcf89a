# SPDX-License-Identifier: Apache-2.0 OR MIT
# common.bash - what every end-to-end test starts with; sourced, not run.
#
# KWAAI: the command. KW_SHARED_DIR or KWAAI_SHARED: test data, optional. A test prints a line for
# what holds and stops at the first thing that does not. Exit 77: it could not run here.
set -euo pipefail
: "${KWAAI:?KWAAI names the command to test}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034
source_dir=$(cd "$here/../.." && pwd)
# shellcheck disable=SC2034
shared=${KW_SHARED_DIR:-${KWAAI_SHARED:-$source_dir/../shared}}
# The environment sets options; a test starts from the defaults.
for name in $(compgen -e KWAAI_ || true); do unset "$name"; done
export LC_ALL=C TERM=xterm
work=$(mktemp -d)
export XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache
pids='' # what a test starts in the background ends with it
clean_up() {
    # shellcheck disable=SC2086
    [ -z "$pids" ] || { kill $pids; wait $pids; } 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
cd "$work"

kwaai() { "$KWAAI" "$@"; }
holds() { printf 'holds: %s\n' "$*"; }
skipped() { printf 'SKIPPED: %s\n' "$*"; }
failed() {
    printf 'FAILED: %s\n' "$*" >&2
    if [ -f out ]; then printf -- '--- stdout\n' >&2; head -c 2000 out >&2; fi
    if [ -f err ]; then printf -- '--- stderr\n' >&2; head -c 2000 err >&2; fi
    exit 1
}

# run CODE WORDS...: stdout to ./out, stderr to ./err, standard input empty unless it is piped in.
run() {
    local want=$1 got=0
    shift
    "$KWAAI" "$@" >out 2>err </dev/null || got=$?
    [ "$got" = "$want" ] || failed "kwaai $*: exit code $got, not $want"
}
# Lines of ./out or ./err that must be there (grep -E) or must not.
says() { grep -qE -- "$2" "$1" || failed "$1 does not say: $2"; }
silent() { [ ! -s "$1" ] || failed "$1 is not empty"; }
same() { cmp -s "$1" "$2" || failed "$1 and $2 differ"; }

# Every line (or, with "whole", the file) is JSON, by whatever can tell.
json_tool=
for tool in node jq python3; do
    if command -v $tool >/dev/null 2>&1; then json_tool=$tool; break; fi
done
is_json() {
    local file=$1
    case $json_tool in
    node) node -e 'JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"))' "$file" ;;
    jq) jq -e . "$file" >/dev/null ;;
    python3) python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$file" ;;
    *) skipped "no node, jq or python3: $file is not checked to be JSON" ;;
    esac || failed "$file is not JSON"
}
is_jsonl() {
    local n=0 line
    while IFS= read -r line; do
        printf '%s\n' "$line" >"$work/line.json"
        is_json "$work/line.json"
        n=$((n + 1))
    done <"$1"
    [ $n -gt 0 ] || failed "$1 has no lines"
}

# The built-in model is what most tests run.
need_builtin() {
    if kwaai version | grep 'built-in model none' >/dev/null; then
        skipped "this build has no built-in model"
        exit 77
    fi
}
