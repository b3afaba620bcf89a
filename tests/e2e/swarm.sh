#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# kw-test: timeout 120
# swarm.sh - a running node fetches for its owner and shares meanwhile; five nodes with two bad ones.
source "$(dirname "$0")/common.bash"
source "$here/nodes.bash"

number() { sed -n 's/.*"'"$1"'": \([0-9]*\).*/\1/p' out; }

mkdir model
head -c 12345678 /dev/urandom >model/weights.bin
KWAAI_HOME=a run 0 publish model me/model
KWAAI_HOME=a run 0 show me/model --json
cid=$(grep -o 'bafy[a-z2-7]*' out | head -n 1)
start a
start b --bootstrap "$(addr a)"
b=$node_pid
KWAAI_HOME=b run 0 pull "ipfs://$cid" --from cache,peers --no-mdns
same "$(cat out)" model/weights.bin
KWAAI_HOME=b run 0 node status --json
[ "$(number bytes_in)" -ge 12345678 ] || failed "the node did not fetch the blocks itself"
KWAAI_HOME=b run 0 pull "ipfs://$cid" --from cache,peers --no-mdns --json
is_json out
says out '"already_here": true'
holds "a pull goes through the node that runs, and what is here is not fetched again"

# The publisher goes; what the node fetched it gives.
KWAAI_HOME=a run 0 node stop
start c --bootstrap "$(addr b)"
KWAAI_HOME=c run 0 pull "ipfs://$cid" --from peers --no-mdns
same "$(cat out)" model/weights.bin
holds "a node gives what it has fetched"

# Ctrl-C ends it, and the same command goes on; so does one after the node was killed.
start a
start d --bootstrap "$(addr a)"
d=$node_pid
code=0
KWAAI_HOME=d timeout --foreground --preserve-status -k 20 -s INT 2 "$KWAAI" pull "ipfs://$cid" --from peers --no-mdns \
    --limit-rate 1M >out 2>err || code=$?
[ $code = 130 ] || failed "Ctrl-C ends a pull with $code"
KWAAI_HOME=d timeout 3 "$KWAAI" pull "ipfs://$cid" --from peers --no-mdns --limit-rate 1M >out 2>err &
client=$!
sleep 2.5
kill -KILL "$d"
wait "$client" && failed "a pull ends well though its node was killed"
start d --bootstrap "$(addr a)"
KWAAI_HOME=d run 0 pull "ipfs://$cid" --from peers --no-mdns --json
[ "$(number resumed)" -gt 0 ] || failed "nothing was left of the pull before"
same "$(sed -n 's/.*"path": "\(.*\)",*$/\1/p' out)" model/weights.bin
holds "Ctrl-C, and the death of the node: the pull goes on where it was"

if ! command -v python3 >/dev/null || ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    skipped "no python3 (3.11): tests/swarm/run small"
    exit 0
fi
# shellcheck disable=SC2086
kill $pids 2>/dev/null || true
# shellcheck disable=SC2154
"$source_dir/tests/swarm/run" small --seconds 80 >out 2>err || failed "the swarm"
grep -E 'SKIPPED|times the ideal' out
holds "five nodes, one that lies and one that is silent, one killed, the publisher gone"
