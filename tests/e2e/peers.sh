#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# kw-test: timeout 120
# peers.sh - a model goes from one node to another, block by block, and is found in the DHT.
source "$(dirname "$0")/common.bash"
source "$here/nodes.bash"

# Blocks that differ, and a run of blocks that are all the same.
mkdir model
head -c 5000000 /dev/urandom >model/weights.bin
head -c 9000000 /dev/zero >>model/weights.bin
head -c 777 /dev/urandom >>model/weights.bin
KWAAI_HOME=a run 0 publish model me/model
KWAAI_HOME=a run 0 show me/model --json
cid=$(grep -o 'bafy[a-z2-7]*' out | head -n 1)
[ -n "$cid" ] || failed "what is published has no CID"
start a

KWAAI_HOME=b run 0 pull "ipfs://$cid" --from peers --no-mdns --peer "$(addr a)"
same "$(cat out)" model/weights.bin
holds "a file comes from a peer by its CID"

start hub --bootstrap "$(addr a)"
start c --bootstrap "$(addr hub)"
for _ in $(seq 100); do
    KWAAI_HOME=c run 0 node find "$cid" --json
    grep -q "$(peer a)" out && break
    sleep 0.2
done
says out "$(peer a)"
is_json out
holds "who has it is found in the DHT, by a node that was told of another one"

KWAAI_HOME=d run 0 pull "ipfs://$cid" --from peers --no-mdns --peer "$(addr hub)"
same "$(cat out)" model/weights.bin
holds "and fetched from there"

# 13.4 MiB, of which blocks that are all the same travel once; a quarter of a second's rate may go at once.
KWAAI_HOME=none run 2 node start --upload-limit 0
KWAAI_HOME=capped run 0 publish model me/model
start capped --upload-limit 5M
begin=$(date +%s%3N)
KWAAI_HOME=f run 0 pull "ipfs://$cid" --from peers --no-mdns --peer "$(addr capped)"
same "$(cat out)" model/weights.bin
[ $(($(date +%s%3N) - begin)) -ge 700 ] || failed "the cap on what is sent is not kept"
holds "what a node sends has a cap"

# A node whose file was changed under its feet serves none of it.
printf x | dd of=model/weights.bin bs=1 seek=100 conv=notrunc status=none
touch -d '2020-01-01' model/weights.bin
code=0
KWAAI_HOME=e timeout 20 "$KWAAI" pull "ipfs://$cid" --from peers --no-mdns --peer "$(addr a)" >out 2>err || code=$?
[ $code != 0 ] || failed "a changed file was served"
holds "what has changed is not served"
