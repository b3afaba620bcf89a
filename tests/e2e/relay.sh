#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# kw-test: timeout 90
# relay.sh - a node that listens nowhere is reached through a relay.
source "$(dirname "$0")/common.bash"
kwaai node --help >help 2>&1 || true
grep -q '^Usage: kwaai node' help || { skipped "this build has no network"; exit 77; }

# start HOME WORDS...: a node of its own; its first line of JSON in HOME.start
start() {
    local home=$1
    shift
    mkdir -p "$home"
    KWAAI_HOME=$home "$KWAAI" node start --json --no-mdns "$@" >"$home.start" 2>"$home.err" &
    node_pid=$!
    for _ in $(seq 100); do
        [ -s "$home.start" ] && return
        kill -0 $node_pid 2>/dev/null || break
        sleep 0.1
    done
    cat "$home.err" >&2
    failed "the node of $home does not start"
}
field() { sed -n 's/.*"'"$2"'": \["*\([^"]*\)".*/\1/p; s/.*"'"$2"'": "\([^"]*\)".*/\1/p' "$1" | head -n 1; }
# eventually HOME TEXT: its status says so within ten seconds
eventually() {
    for _ in $(seq 100); do
        KWAAI_HOME=$1 run 0 node status --json
        grep -q "$2" out && return
        sleep 0.1
    done
    cat out >&2
    failed "the status of $1 never says $2"
}

start r --relay --listen /ip4/127.0.0.1/tcp/0
r=$node_pid addr=$(field r.start addrs) relay=$(field r.start peer)
start h --through "$addr" --listen /ip4/127.0.0.1/tcp/0
h=$node_pid peer=$(field h.start peer)
eventually h '"held": true'
is_json out
says out "\"relay\": \"$relay\""
says out "\"$addr/p2p-circuit/p2p/$peer\""
eventually r '"relay_for": 1'
is_json out
says out '"reach": "unknown"'
holds "a place at a relay is kept, told to others and shown"

start g --listen /ip4/127.0.0.1/tcp/0
g=$node_pid
KWAAI_HOME=g run 0 node ping "$addr/p2p-circuit/p2p/$peer"
says out 'answers in'
eventually r '"relay_opened": 1'
run 0 node ping "$addr/p2p-circuit/p2p/$peer"
holds "ping through a relay, with and without a node of one's own"

run 1 node ping "$addr/p2p-circuit/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
says err 'no reservation'
run 1 node ping "$(field g.start addrs)/p2p-circuit/p2p/$peer"
says err .
KWAAI_HOME=x run 2 node start --through "/ip4/127.0.0.1/tcp/1"
says err 'does not name a relay'
holds "who has no place, who is no relay and what names none are refused"

kill -TERM $r $h $g
wait $r $h $g
holds "they end"
