#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# routing.sh - who has a file is asked of a delegated router: it names a gateway, or a node.
# kw-test: timeout 120
source "$(dirname "$0")/common.bash"
source "$here/pull_server.bash"
at=http://127.0.0.1:$port
store=$KWAAI_HOME/store/ipfs
head -c 3000003 /dev/urandom >file
cid=$(python3 "$here/unixfs.py" file www/ipfs 1048576 1024)
mkdir -p www/routing
echo '{"Providers": null}' >"www/routing/$cid"

run 1 pull "ipfs://$cid" --from ipfs --router "$at"
cat >"www/routing/$cid" <<END
{"Providers": [
  {"Schema": "other", "ID": 7},
  {"Schema": "peer", "ID": "nobody", "Addrs": ["/ip4/127.0.0.1/tcp/1"], "Protocols": ["transport-bitswap"]},
  {"Schema": "peer", "ID": "x", "Addrs": ["nonsense", "/ip4/127.0.0.1/tcp/$port/http"],
   "Protocols": ["transport-ipfs-gateway-http"], "Extra": {"a": [1, 2]}}]}
END
run 1 pull "ipfs://$cid" --from ipfs --router "$at" # "ID": 7 is no text
says err 'router'
sed -i 's/"ID": 7/"ID": "7"/' "www/routing/$cid"
run 0 pull "ipfs://$cid" --from ipfs --router "$at" --json
same "$store/$cid/$cid" file
says out '"verified": true'
holds "a gateway that a router names is asked"

mkdir model
cp file model/weights.bin
export KWAAI_FROM=peers,ipfs
KWAAI_HOME=a run 0 publish model me/model
KWAAI_HOME=a run 0 show me/model --json
cid=$(grep -o 'bafy[a-z2-7]*' out | head -n 1)
KWAAI_HOME=a "$KWAAI" node start --json --no-mdns --listen /ip4/127.0.0.1/tcp/0 >a.start 2>a.err &
node=$!
trap 'kill $server $node 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do [ -s a.start ] && break; sleep 0.1; done
peer=$(sed -n 's/.*"peer": "\([^"]*\)".*/\1/p' a.start)
addr=$(sed -n 's/.*"addrs": \["\([^"]*\)".*/\1/p' a.start)
printf '{"Providers": [{"Schema": "peer", "ID": "%s", "Addrs": ["%s"], "Protocols": ["transport-bitswap"]}]}' \
    "$peer" "${addr%/p2p/*}" >"www/routing/$cid"
KWAAI_HOME=b run 0 pull "ipfs://$cid" --no-mdns --router "$at"
same "$(cat out)" file
holds "a node that a router names is dialled"

# The same when a node of this home does the fetching.
KWAAI_HOME=c "$KWAAI" node start --json --no-mdns --listen /ip4/127.0.0.1/tcp/0 >c.start 2>c.err &
other=$!
trap 'kill $server $node $other 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do [ -s c.start ] && break; sleep 0.1; done
KWAAI_HOME=c run 0 pull "ipfs://$cid" --no-mdns --router "$at"
same "$(cat out)" file
holds "and by the node that runs here"
