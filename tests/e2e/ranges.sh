#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# kw-test: timeout 120
# ranges.sh - between our own nodes runs of blocks go by HTTP over a stream of libp2p: from who has the whole file, by
# bitswap where that is refused, and a peer that lies in a run is banned.
source "$(dirname "$0")/common.bash"
source "$here/nodes.bash"

head -c 100000000 /dev/urandom >weights.bin
KWAAI_HOME=a run 0 publish weights.bin me/model
KWAAI_HOME=a run 0 show me/model --json
cid=$(grep -o 'bafy[a-z2-7]*' out | head -n 1)
[ -n "$cid" ] || failed "what is published has no CID"
start a

fetched() { # HOME PEERS...: a pull from them alone; its summary is in out.json
    local home=$1 words=()
    shift
    for peer in "$@"; do words+=(--peer "$peer"); done
    KWAAI_HOME=$home run 0 pull "ipfs://$cid" --from peers --no-mdns --json "${words[@]}"
    is_json out
    cp out out.json
    same "$(sed -n 's/.*"path": "\([^"]*\)".*/\1/p' out)" weights.bin
}

fetched b "$(addr a)"
says out.json 'runs by HTTP'
says out.json '"bad_blocks": 0'
holds "runs come by HTTP from a node that has the whole file"

start n --bootstrap "$(addr a)"
KWAAI_HOME=n run 0 pull "ipfs://$cid" --from peers --no-mdns --json
says out 'runs by HTTP'
holds "a node that fetches asks for runs too"
KWAAI_HOME=n run 0 node stop # it has the file now, and would be found
wait $node_pid || true

# Every place for an answer is taken by clients of plain HTTP that do not read.
port=$(addr a | sed 's|.*/tcp/\([0-9]*\)/.*|\1|')
python3 - "$port" "$cid" >slow 2>slow.err <<'PY' &
import socket, sys, time
taken = []
for i in range(40):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), source_address=(f"127.0.0.{2 + i // 4}", 0))
    s.sendall(f"GET /ipfs/{sys.argv[2]}?format=car HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    taken.append(s)
    if b" 503 " in s.recv(64):
        print("full", flush=True)
        break
time.sleep(60)
PY
slow=$!
pids="$pids $slow"
for _ in $(seq 100); do [ -s slow ] && break; sleep 0.1; done
says slow full
fetched c "$(addr a)"
grep -q 'runs by HTTP' out.json && failed "a run was answered where there was no place"
holds "who refuses runs is asked by bitswap"
kill $slow
wait $slow || true

# An honest node that takes its time, so that the other one is asked as well.
KWAAI_HOME=a run 0 node stop
start a --upload-limit 30M
"$(dirname "$KWAAI")/swarm-peer" corrupt a/index.db /ip4/127.0.0.1/tcp/0 >liar.start 2>liar.err &
pids="$pids $!"
for _ in $(seq 100); do [ -s liar.start ] && break; sleep 0.1; done
fetched d "$(addr liar)" "$(addr a)"
grep -q '"bad_blocks": 0' out.json && failed "no run of the liar's was seen"
KWAAI_HOME=d run 0 node bans --json
says out "$(peer liar).*\"banned\": true"
holds "who lies in a run is banned, and its blocks are fetched elsewhere"
