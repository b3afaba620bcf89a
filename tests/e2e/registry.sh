#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# kw-test: timeout 120
# registry.sh - a model by its name from peers: its manifest is found, judged, and every file of it verified.
source "$(dirname "$0")/common.bash"
source "$here/nodes.bash"

pull() { # CODE HOME WORDS...: by peers alone
    local code=$1 home=$2
    shift 2
    KWAAI_HOME=$home run "$code" pull --from cache,peers --no-mdns "$@"
}

mkdir model
head -c 3000000 /dev/urandom >model/weights.bin
head -c 300 /dev/urandom >model/config.json
KWAAI_HOME=a run 0 publish model me/model
key=$(sed -n 2p a/publisher.pub)
start a
start hub --bootstrap "$(addr a)"

pull 0 b me/model --peer "$(addr a)"
says err 'which the trust file does not have'
same b/store/me/model/weights.bin model/weights.bin
same b/store/me/model/config.json model/config.json
KWAAI_HOME=b run 0 show me/model --json
says out '"manifest": true'
holds "a model comes from a peer by its name alone"

for _ in $(seq 20); do # until the hub has been told
    KWAAI_HOME=c "$KWAAI" pull --from cache,peers --no-mdns me/model --peer "$(addr hub)" >out 2>err && break
    sleep 0.5
done
same c/store/me/model/weights.bin model/weights.bin
holds "who has its manifest is found in the DHT"

start g --bootstrap "$(addr a)"
sleep 1
pull 0 g me/model
same g/store/me/model/weights.bin model/weights.bin
holds "a command finds it through the node that runs beside it"

pull 1 b me/nothing --peer "$(addr a)"
says err 'its manifest is not here'
pull 0 b me/model --peer "$(addr a)"
says err 'already here'
holds "what nobody has is said; what is here is not fetched again"

mkdir -p d e f
printf 'key me %s\npolicy me/* enforce me\n' "$key" >d/trust.conf
pull 0 d me/model --peer "$(addr a)"
says err 'signed by me'
same d/store/me/model/weights.bin model/weights.bin
KWAAI_HOME=e run 0 sign --generate
printf 'key other %s\npolicy me/* enforce other\n' "$(sed -n 2p e/publisher.pub)" >e/trust.conf
pull 2 e me/model --peer "$(addr a)"
says err 'refused by the trust file'
[ ! -e e/store/me/model ] || failed "something of a refused model was fetched"
holds "the trust file says whose manifest is accepted before anything is fetched"

# The publisher's new version, and a peer that still shows the old one.
cp -r a old
rm -f old/node.sock old/identity.key
echo new >>model/config.json
KWAAI_HOME=a run 0 publish me/model
sleep 3
pull 0 d me/model --peer "$(addr a)"
same d/store/me/model/config.json model/config.json
start old
pull 0 d me/model --peer "$(addr old)"
same d/store/me/model/config.json model/config.json
holds "an old version that a peer shows does not come back"
