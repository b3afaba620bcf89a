#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# kw-test: timeout 90
# node.sh - a node as its owner runs it: key, socket, ping between two, Ctrl-C.
source "$(dirname "$0")/common.bash"
source "$here/nodes.bash"

ended() { # PID: within five seconds, with its exit code in $code
    for _ in $(seq 50); do
        kill -0 "$1" 2>/dev/null || { code=0; wait "$1" || code=$?; return; }
        sleep 0.1
    done
    failed "process $1 does not end"
}

KWAAI_HOME=$work/none run 1 node status
says err 'no node runs here'
says err 'kwaai node start'
run 2 node
run 2 node fly
run 2 node ping
run 2 node ping nonsense
says err 'does not begin with a slash'
holds "without a node its words say how to start one"

start a
a=$node_pid
peer=$(peer a) addr=$(addr a)
[ "$(stat -c %a a/identity.key)" = 600 ] || failed "the key file is open to others"
[ "$(stat -c %a a/node.sock)" = 600 ] || failed "the socket is open to others"
[[ $addr == */p2p/$peer ]] || failed "the address $addr does not name the peer"
KWAAI_HOME=a run 0 node status --json
is_json out
says out "\"peer\": \"$peer\""
KWAAI_HOME=a run 1 node start
says err 'runs here already'
holds "a node starts once, and tells who it is"

run 0 node ping "$addr" --count 3
[ "$(grep -c ' answers in ' out)" = 3 ] || failed "not three pings"
KWAAI_HOME=a run 1 node ping "$addr"
says err .
run 1 node ping "${addr%/p2p/*}/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
says err 'expected'
run 1 node ping /ip4/127.0.0.1/tcp/1/p2p/$peer
says err .
holds "ping without a node of one's own; itself, the wrong peer and nobody are refused"

start b --bootstrap "$addr"
b=$node_pid
for _ in $(seq 50); do
    KWAAI_HOME=b run 0 node peers --json
    grep -q "$peer" out && break
    sleep 0.1
done
is_json out
says out "\"peer\": \"$peer\""
says out '"agent": "kwaai/'
KWAAI_HOME=b run 0 node ping "$peer"
says out 'answers in'
holds "a node connects to its start list, and knows who is there"

kill -TERM $a
ended $a
[ $code = 0 ] || failed "SIGTERM ends a node with $code"
[ ! -e a/node.sock ] || failed "the socket is left behind"
KWAAI_HOME=b run 0 node stop
ended $b
[ $code = 0 ] || failed "stop ends a node with $code"
code=0
KWAAI_HOME=c timeout --foreground --preserve-status -k 20 -s INT 1 "$KWAAI" node start --listen /ip4/127.0.0.1/tcp/0 \
    >out 2>err || code=$?
[ $code = 0 ] || failed "Ctrl-C ends a node with $code"
says out '^listens on /ip4/127.0.0.1/tcp/'
holds "Ctrl-C, SIGTERM and stop end a node"

start a
again=$(peer a)
[ "$again" = "$peer" ] || failed "the node is another one after a start"
kill -KILL $node_pid
ended $node_pid
start a
kill -TERM $node_pid
ended $node_pid
holds "a node keeps its key, and starts after it was killed"

if grep -q 'no WebRTC' a.err; then
    skipped "WebRTC: this build has no SCTP"
else
    start e --listen /ip4/127.0.0.1/udp/0/webrtc-direct
    hash=$(grep -o '/udp/[0-9]*/webrtc-direct/certhash/uEi[-_A-Za-z0-9]*/p2p/' e.start) || failed "no address of WebRTC"
    KWAAI_HOME=e run 0 node status
    says out "${hash%/p2p/}"
    [ "$(stat -c %a e/webrtc.pem)" = 600 ] || failed "the certificate's key is open to others"
    kill -TERM $node_pid
    ended $node_pid
    start e --listen /ip4/127.0.0.1/udp/0/webrtc-direct
    grep -q "certhash/${hash#*certhash/}" e.start || failed "another certificate after a start"
    kill -TERM $node_pid
    ended $node_pid
    [ $code = 0 ] || failed "a node with WebRTC ends with $code"
    holds "a node keeps its certificate, and tells its address of WebRTC"
fi
