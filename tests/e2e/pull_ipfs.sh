#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# pull_ipfs.sh - files by their content from trustless gateways, of which some lie: what they send is
# verified block by block.
# kw-test: timeout 200
source "$(dirname "$0")/common.bash"
source "$here/pull_server.bash"
# The local network has no part in this.
export KWAAI_FROM=cache,ipfs,http
at=http://127.0.0.1:$port
store=$KWAAI_HOME/store/ipfs
blocks() { python3 "$here/unixfs.py" "$@"; }
head -c 5000003 /dev/urandom >file
head -c 777 /dev/urandom >small
: >empty

for form in "1048576 1024" "262144 4" "100000 3"; do
    rm -rf www/ipfs "$KWAAI_HOME"
    # shellcheck disable=SC2086
    cid=$(blocks file www/ipfs $form)
    run 0 pull "ipfs://$cid" --gateway "$at" --json
    same "$store/$cid/$cid" file
    is_json out
    says out '"verified": true'
    [ -z "$(ls "$KWAAI_HOME/store/.partial")" ] || failed "something is left"
done
for f in small empty; do
    cid=$(blocks $f www/ipfs 1048576 1024)
    run 0 pull "ipfs://$cid" --gateway "$at/"
    same "$store/$cid/$cid" $f
done
dir=$(blocks file www/ipfs 262144 174 model.gguf)
run 0 pull "ipfs://$dir/model.gguf" --gateway "$at"
same "$store/$dir/model.gguf" file
run 1 pull "ipfs://$dir/other.gguf" --gateway "$at"
says err 'no "other.gguf"'
run 1 pull "ipfs://$dir" --gateway "$at"
says err 'directory'
holds "leaves of several sizes, trees of several levels, one block, none, a directory"

cid=$(blocks file www/ipfs 65536 1024)
: >www/.log
run 0 pull "ipfs://$cid" --gateway "$at/badipfs/7" --gateway "$at/badipfs/5" --gateway "$at" --json
same "$store/$cid/$cid" file
says out '"bad_blocks": [1-9]'
rm -rf "$KWAAI_HOME"
run 1 pull "ipfs://$cid" --gateway "$at/badipfs/2"
[ -z "$(find "$KWAAI_HOME" -path '*ipfs*' -type f)" ] || failed "a file of wrong blocks is there"
holds "a gateway that sends wrong blocks is found out, and others are asked"

# A block that nobody has; what is here is kept until somebody does.
rm -rf www/ipfs "$KWAAI_HOME"
cid=$(blocks file www/ipfs 65536 1024)
leaf=$(find www/ipfs -size 65536c | sort | tail -n 1)
mv "$leaf" hidden
run 1 pull "ipfs://$cid" --gateway "$at"
says err 'status 404'
mv hidden "$leaf"
run 0 pull "ipfs://$cid" --gateway "$at" --json
same "$store/$cid/$cid" file
says out '"resumed": [1-9]'
run 1 pull "ipfs://$cid" --from http
run 2 pull ipfs://nonsense --gateway "$at"
holds "a pull that lacked a block goes on once somebody has it"
