#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# run_pull.sh - a model runs while it is fetched: it is loaded and reads its prompt when bytes of it are still to
# come, answers as the whole file does, and nothing unverified is used.
# kw-test: timeout 200
source "$(dirname "$0")/common.bash"
source "$here/pull_server.bash"
export KWAAI_FROM=cache,ipfs,http
at=http://127.0.0.1:$port
model=$source_dir/models/builtin/stories.gguf
prompt=(-p "The little dog" -n 20 --temp 0 --threads 2)
pids=''
trap 'kill $pids $server 2>/dev/null || true; wait; rm -rf "$work"' EXIT

cid=$(python3 "$here/unixfs.py" "$model" www/ipfs 65536 1024)
mkdir www/hold
# The digest of a block of the file, as the gateway is asked for it.
block() { # NUMBER
    local sum f
    sum=$(dd if="$model" bs=65536 skip="$1" count=1 status=none | sha256sum | cut -d ' ' -f 1)
    for f in www/ipfs/*; do
        [ "$(sha256sum "$f" | cut -d ' ' -f 1)" != "$sum" ] || { basename "$f"; return; }
    done
    failed "no block $1"
}
waits_for() { # PATTERN FILE
    for _ in $(seq 200); do
        grep -q "$1" "$2" && return
        sleep 0.05
    done
    failed "no \"$1\" in $2: $(cat "$2")"
}

run 0 run "$model" "${prompt[@]}"
cp out expected

# A block in the midst of the layers is held back. The model is loaded meanwhile, and waits for it.
last=$(block 20)
: >"www/hold/$last"
"$KWAAI" run --pull "ipfs://$cid" "${prompt[@]}" --gateway "$at" --json >events 2>notes &
pids=$!
waits_for '"event": "start"' events
sleep 0.5
! grep -q '"event": "token"' events || failed "it answers without a block"
[ -z "$(find "$KWAAI_HOME/store" -name "$cid" -type f)" ] || failed "the file is whole without a block"
rm "www/hold/$last"
wait "$pids" || failed "it ends with an error: $(cat notes)"
pids=''
holds "a model is loaded while a block of a layer is still to come, and waits for it"

rm -rf "$KWAAI_HOME"
run 0 run --pull "ipfs://$cid" "${prompt[@]}" --gateway "$at" --limit-rate 1500K
same out expected
says err "$cid: 2.09 MiB"
same "$KWAAI_HOME/store/ipfs/$cid/$cid" "$model"
[ -z "$(ls "$KWAAI_HOME/store/.partial")" ] || failed "something is left"
holds "its answer is that of the whole file, which is then in the store"

: >www/.log
run 0 run --pull "ipfs://$cid" "${prompt[@]}" --gateway "$at"
same out expected
run 0 run "$KWAAI_HOME/store/ipfs/$cid/$cid" --pull "${prompt[@]}"
same out expected
[ ! -s www/.log ] || failed "what is here is asked for"
holds "what is here is not fetched"

rm -rf "$KWAAI_HOME"
run 0 run --pull "ipfs://$cid" "${prompt[@]}" --gateway "$at/badipfs/5" --gateway "$at"
same out expected
rm -rf "$KWAAI_HOME"
run 1 run --pull "ipfs://$cid" "${prompt[@]}" --gateway "$at/badipfs/3"
[ ! -s out ] || failed "it answers from wrong blocks"
holds "wrong blocks are not used"

# Killed, interrupted, and gone on with.
rm -rf "$KWAAI_HOME"
"$KWAAI" run --pull "ipfs://$cid" "${prompt[@]}" --gateway "$at" --limit-rate 300K >out 2>err &
pids=$!
sleep 2.5
kill -9 "$pids"
wait "$pids" || true
pids=''
run 0 run --pull "ipfs://$cid" "${prompt[@]}" --gateway "$at"
same out expected
rm -rf "$KWAAI_HOME"
holds "what a killed run has fetched is taken up"

# Where only the SHA-256 of the whole is known, or nothing, it is fetched first.
mkdir -p www/hub/org/name
cp "$model" www/hub/org/name/stories-Q8_0.gguf
cp "$model" www/stories.gguf
rm -rf "$KWAAI_HOME"
run 0 run --pull org/name --endpoint "$at" "${prompt[@]}"
same out expected
run 0 run org/name "${prompt[@]}"
same out expected
run 0 run --pull "$at/plain/stories.gguf" "${prompt[@]}"
same out expected
says err 'nothing said what its content must be'
run 1 run --pull "$at/plain/nothing.gguf" "${prompt[@]}"
says err 'status 404'
run 1 run --pull "ipfs://$cid" "${prompt[@]}" --from cache
says err 'may not be fetched'
run 2 run --pull not-there "${prompt[@]}" --from cache
holds "a file that can be verified only whole is fetched first"

# From another node, by content and by the name that its publisher signed; the trust file is asked before it runs.
source "$here/nodes.bash"
mkdir model
cp "$model" model/stories.gguf
KWAAI_HOME=a run 0 publish model me/model
KWAAI_HOME=a run 0 show me/model --json
cid=$(grep -o 'bafy[a-z2-7]*' out | head -n 1)
start a
from=(--from "cache,peers" --no-mdns --peer "$(addr a)")
KWAAI_HOME=b run 0 run --pull "ipfs://$cid" "${prompt[@]}" "${from[@]}"
same out expected
KWAAI_HOME=c run 0 run --pull me/model "${prompt[@]}" "${from[@]}"
same out expected
same c/store/me/model/stories.gguf "$model"
KWAAI_HOME=c run 0 show me/model --json
says out '"manifest": true'
mkdir d
echo "policy * enforce" >d/trust.conf
KWAAI_HOME=d run 2 run --pull me/model "${prompt[@]}" "${from[@]}"
silent out
says err 'refused by the trust file'
holds "it comes from another node, and runs when the trust file has nothing against it"
