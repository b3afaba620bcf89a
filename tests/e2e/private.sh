#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# kw-test: timeout 90
# private.sh - a private network: homes with the same swarm.key talk to each other and to nobody else.
source "$(dirname "$0")/common.bash"
source "$here/nodes.bash"
member() { # HOME...: gets the key, in the file as other programs of libp2p write it
    for home in "$@"; do
        mkdir -p "$home"
        printf '/key/swarm/psk/1.0.0/\n/base16/\n%s\n' "$key" >"$home/swarm.key"
    done
}
key=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')

member broken
echo nonsense >broken/swarm.key
KWAAI_HOME=broken run 1 node start --listen /ip4/127.0.0.1/tcp/0
says err 'broken/swarm.key: begins with "nonsense"'
holds "a file that is no key is refused, with its name"

member a b c
mkdir model
head -c 3000000 /dev/urandom >model/weights.bin
KWAAI_HOME=a run 0 publish model me/model
KWAAI_HOME=a run 0 show me/model --json
cid=$(grep -o 'bafy[a-z2-7]*' out | head -n 1)
start a
says a.err 'a private network: only who has the key in .*/swarm.key is talked to'
KWAAI_HOME=b run 0 node ping "$(addr a)"
says out 'answers in'
KWAAI_HOME=b run 0 pull "ipfs://$cid" --from peers --no-mdns --peer "$(addr a)"
same "$(cat out)" model/weights.bin
start c --bootstrap "$(addr a)"
KWAAI_HOME=c run 0 node ping "$(peer a)"
KWAAI_HOME=c run 0 pull me/model --from peers --no-mdns --peer "$(addr a)"
same "$(cat out)" model/weights.bin
holds "who has the key pings, pulls and joins"

KWAAI_HOME=d run 1 node ping "$(addr a)"
key=${key:1}0
member e
KWAAI_HOME=e run 1 node ping "$(addr a)"
holds "who has none, or another one, does not"
