#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# kw-test: timeout 180
# follow.sh - what is published on one device appears on another that follows the publisher, within its cap;
# and a node gives while the machine's power lets it.
source "$(dirname "$0")/common.bash"
source "$here/nodes.bash"

becomes() { # SECONDS WHAT COMMAND...: the command succeeds within this time
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || failed "$what: $(cat ./*.err)"
        sleep 0.3
    done
}
look() { KWAAI_HOME=$1 "$KWAAI" node follow "$2" >/dev/null 2>&1; }
status_says() { KWAAI_HOME=$1 "$KWAAI" node status --json | grep -q "$2"; }

run 2 node follow
run 1 node follow nobody
says err 'neither a public key'
KWAAI_HOME=b run 0 node following
[ ! -s out ] || failed "somebody is followed from the start"

mkdir one two
head -c 2500000 /dev/urandom >one/weights.bin
head -c 100 /dev/urandom >one/old.json
head -c 1000000 /dev/urandom >two/weights.bin
KWAAI_HOME=a run 0 publish one me/one
key=$(sed -n 2p a/publisher.pub)
KWAAI_HOME=b run 0 node follow "$key"
KWAAI_HOME=b run 0 node following --json
is_json out
grep -qF "$key" out || failed "who is followed is not listed"
start a
start b --bootstrap "$(addr a)"
becomes 30 "what was published does not come" cmp one/weights.bin b/store/me/one/weights.bin
becomes 10 "it is not offered on" status_says b '"offered": 1'
cmp one/old.json b/store/me/one/old.json || failed "a file differs"
KWAAI_HOME=b run 0 verify me/one
holds "what is published on one device appears on another that follows it, verified"

KWAAI_HOME=a run 0 publish two me/two
sleep 2
look b "$key"
becomes 30 "what is published later does not come" cmp two/weights.bin b/store/me/two/weights.bin
rm one/old.json
echo renewed >one/weights.bin
KWAAI_HOME=a run 0 publish one me/one
sleep 2
look b "$key"
becomes 30 "a new version does not come" cmp one/weights.bin b/store/me/one/weights.bin
becomes 10 "what the new version has not stays" test ! -e b/store/me/one/old.json
holds "so does what is published while both run, and a new version"

# One model by its name.
mkdir g
printf 'key me %s\npolicy me/two enforce me\n' "$key" >g/trust.conf
KWAAI_HOME=g run 1 node follow me/unknown
says err 'nothing signed is here'
KWAAI_HOME=g run 0 node follow me/two
KWAAI_HOME=g run 0 node follow me/two
says err 'already followed'
KWAAI_HOME=g run 0 node following
[ "$(cat out)" = "me $key me/two" ] || failed "following says $(cat out)"
start g --bootstrap "$(addr a)"
becomes 30 "a model that is followed by its name does not come" cmp two/weights.bin g/store/me/two/weights.bin
[ ! -e g/store/me/one ] || failed "more than the one model was fetched"
sed -i 's/policy.*/policy me\/* warn/' g/trust.conf
KWAAI_HOME=g run 0 node follow me/two # by its manifest, now
KWAAI_HOME=g run 0 node follow me
KWAAI_HOME=g run 0 node following --json
is_json out
grep -q models out && failed "the publisher is followed for one model still"
becomes 30 "the rest of the publisher does not come" cmp one/weights.bin g/store/me/one/weights.bin
KWAAI_HOME=g run 0 node unfollow me
KWAAI_HOME=g run 0 node follow me/two
KWAAI_HOME=g run 0 node follow me/one
KWAAI_HOME=g run 0 node unfollow me/two
KWAAI_HOME=g run 0 node following
[ "$(cat out)" = "me $key me/one" ] || failed "following says $(cat out)"
KWAAI_HOME=g run 0 node unfollow me/one
KWAAI_HOME=g run 0 node following
[ ! -s out ] || failed "unfollow does not end it"
KWAAI_HOME=g run 0 node stop
holds "one model is followed by its name"

# Who follows gives what has come at once: three get a model from one that sends little.
mkdir three
head -c 40000000 /dev/urandom >three/weights.bin
KWAAI_HOME=p run 0 publish three them/three
start p --upload-limit 12M
for home in q r s; do
    KWAAI_HOME=$home run 0 node follow "$(sed -n 2p p/publisher.pub)"
    start $home --bootstrap "$(addr p)"
done
for home in q r s; do
    becomes 40 "a model for three does not come" cmp three/weights.bin $home/store/them/three/weights.bin
done
KWAAI_HOME=p run 0 node status --json
sent=$(sed -n 's/.*"bytes_out": \([0-9]*\).*/\1/p' out)
echo "the publisher sent $sent bytes"
[ "$sent" -lt 118000000 ] || failed "the publisher sent $sent bytes, where three times 40 MB are wanted"
for home in p q r s; do KWAAI_HOME=$home run 0 node stop; done
holds "what is followed is shared while it comes"

# Somebody else's model, and too much.
KWAAI_HOME=x run 0 publish two other/two
start x --bootstrap "$(addr a)"
start c --bootstrap "$(addr a)" --bootstrap "$(addr x)" --store-cap 500K
look c "$key"
becomes 30 "the cap is not kept" status_says c '"refused": 1'
becomes 30 "what fits does not come" cmp one/weights.bin c/store/me/one/weights.bin
[ ! -e c/store/me/two ] || failed "the store is above its cap"
[ ! -e c/store/other ] || failed "a stranger's model was fetched"
grep -q 'above the cap' c.err || failed "nothing is said of the cap"
KWAAI_HOME=c run 0 node unfollow "$key"
KWAAI_HOME=c run 0 node following
[ ! -s out ] || failed "unfollow does not end it"
holds "the cap of the store is kept, and nobody else is followed"

KWAAI_HOME=a run 0 node stop
mkdir -p d
printf 'key me %s\npolicy * enforce\n' "$key" >d/trust.conf
KWAAI_HOME=d run 0 pull me/two --from peers --no-mdns --peer "$(addr b)"
same "$(cat out)" two/weights.bin
holds "who follows gives on what he fetched"

# A laptop: unplugged, then plugged in.
mkdir -p power/AC power/BAT
echo Mains >power/AC/type
echo 0 >power/AC/online
echo Battery >power/BAT/type
echo 90 >power/BAT/capacity
echo Discharging >power/BAT/status
export KWAAI_POWER_ROOT=$PWD/power
cp -r d e
run 2 node start --contribute sometimes
KWAAI_HOME=e run 0 publish me/two
start e
KWAAI_HOME=e run 0 node status --json
is_json out
says out '"gives": false'
says out 'on battery'
code=0
KWAAI_HOME=f timeout 20 "$KWAAI" pull me/two --from peers --no-mdns --peer "$(addr e)" >out 2>err || code=$?
[ $code != 0 ] || failed "a node on battery gives"
echo 1 >power/AC/online
becomes 20 "a node that is plugged in does not give" status_says e '"gives": true'
KWAAI_HOME=f run 0 pull me/two --from peers --no-mdns --peer "$(addr e)"
same "$(cat out)" two/weights.bin
echo 40 >power/BAT/capacity
becomes 20 "a node whose battery is low still gives" status_says e '"gives": false'
holds "a node gives while it is plugged in and its battery above half"
