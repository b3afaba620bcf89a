#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# kw-test: timeout 60
# bans.sh - the owner's bans: with and without a node that runs, kept over a start, and by time.
source "$(dirname "$0")/common.bash"
source "$here/nodes.bash"

sees() { # HOME PEER yes|no: within five seconds
    for _ in $(seq 50); do
        KWAAI_HOME=$1 run 0 node peers --json
        if grep -q "$2" out; then seen=yes; else seen=no; fi
        [ $seen = "$3" ] && return
        sleep 0.1
    done
    failed "$1 sees $2: $seen"
}

export KWAAI_HOME=a
run 0 node bans --json
[ "$(cat out)" = '[]' ] || failed "somebody is banned already"
run 0 node ban 192.0.2.7 --for 2h
run 0 node ban 2001:db8:1:2::7
run 0 node bans
says out '^192\.0\.2\.7 .* 2 h +by the owner'
says out '^2001:db8:1:2::/64 .* banned +by the owner'
run 0 node bans --json
is_json out
says out '"addr": "192.0.2.7", "score": 0.0, "banned": true, "seconds": 7[12]'
run 0 node unban 192.0.2.7
run 0 node unban 192.0.2.7
says err 'nothing is held against'
run 0 node bans --json
grep -q 192.0.2.7 out && failed "unban does not"
run 2 node ban
run 2 node ban nonsense
run 2 node ban 192.0.2.7 --for soon
run 2 node ban 192.0.2.7 --for -5m
holds "bans by hand without a node"
unset KWAAI_HOME

start a
a_pid=$node_pid a_addr=$(addr a)
start b --bootstrap "$a_addr"
sees a "$(peer b)" yes
says out '"score": '
KWAAI_HOME=a run 0 node ban "$(peer b)" --for 1h
sees a "$(peer b)" no
KWAAI_HOME=b "$KWAAI" node connect "$a_addr" >out 2>err || true # its side of the handshake may end first
sees b "$(peer a)" no
KWAAI_HOME=a run 1 node connect "$(addr b)"
says err 'not allowed'
holds "a node that runs lets go of who is banned, and does not dial it"

kill $node_pid
wait $node_pid || true
start b --bootstrap "$a_addr" # the same key
sleep 1
sees a "$(peer b)" no
KWAAI_HOME=a run 0 node stop
wait $a_pid || true
start a --bootstrap "$(addr b)"
sleep 1
sees a "$(peer b)" no
KWAAI_HOME=a run 0 node unban "$(peer b)"
sleep 2 # the node reads its database each second
KWAAI_HOME=a run 0 node connect "$(addr b)"
holds "bans outlive starts of both sides, and unban ends them"
