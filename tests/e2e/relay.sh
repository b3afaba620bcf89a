#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# kw-test: timeout 90
# relay.sh - a node that listens nowhere is reached through a relay.
source "$(dirname "$0")/common.bash"
source "$here/nodes.bash"

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

start r --relay
r=$node_pid addr=$(addr r) relay=$(peer r)
start h --through "$addr"
h=$node_pid peer=$(peer h)
eventually h '"held": true'
is_json out
says out "\"relay\": \"$relay\""
says out "\"$addr/p2p-circuit/p2p/$peer\""
eventually r '"relay_for": 1'
is_json out
says out '"reach": "unknown"'
holds "a place at a relay is kept, told to others and shown"

start g
g=$node_pid
KWAAI_HOME=g run 0 node ping "$addr/p2p-circuit/p2p/$peer"
says out 'answers in'
eventually r '"relay_opened": 1'
run 0 node ping "$addr/p2p-circuit/p2p/$peer"
holds "ping through a relay, with and without a node of one's own"

run 1 node ping "$addr/p2p-circuit/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
says err 'no reservation'
run 1 node ping "$(addr g)/p2p-circuit/p2p/$peer"
says err .
KWAAI_HOME=x run 2 node start --through "/ip4/127.0.0.1/tcp/1"
says err 'does not name a relay'
holds "who has no place, who is no relay and what names none are refused"

kill -TERM $r $h $g
wait $r $h $g
holds "they end"
