#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# routing.sh - who has a file is asked of a delegated router: it names a gateway, or a node.
# kw-test: timeout 120
source "$(dirname "$0")/common.bash"
source "$here/pull_server.bash"
source "$here/nodes.bash"
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
start a
addr=$(addr a)
printf '{"Providers": [{"Schema": "peer", "ID": "%s", "Addrs": ["%s"], "Protocols": ["transport-bitswap"]}]}' \
    "$(peer a)" "${addr%/p2p/*}" >"www/routing/$cid"
KWAAI_HOME=b run 0 pull "ipfs://$cid" --no-mdns --router "$at"
same "$(cat out)" file
holds "a node that a router names is dialled"

# The same when a node of this home does the fetching.
start c
KWAAI_HOME=c run 0 pull "ipfs://$cid" --no-mdns --router "$at"
same "$(cat out)" file
holds "and by the node that runs here"
