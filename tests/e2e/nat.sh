#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# kw-test: timeout 120
# nat.sh - two nodes behind two NATs meet through a relay, and then connect directly. In network
# namespaces, so it needs root, ip, and nft.
#
#   a 10.77.1.2 - NAT 11.77.1.2 - internet, with the relay (11.77.1.1, 11.77.2.1) - NAT 11.77.2.2 - b 10.77.2.2
#
# The NATs keep the port (Linux does while it is free) and drop what nobody inside asked for.
source "$(dirname "$0")/common.bash"
kwaai node --help >help 2>&1 || true
grep -q '^Usage: kwaai node' help || { skipped "this build has no network"; exit 77; }
[ "$(id -u)" = 0 ] || { skipped "only root makes network namespaces"; exit 77; }
for tool in ip nft; do
    command -v $tool >/dev/null || { skipped "$tool is not installed"; exit 77; }
done
id=kwn$$
pids=()
cleanup() {
    [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
    for ns in net na nb a b; do ip netns del $id$ns 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT
for ns in net na nb a b; do
    ip netns add $id$ns 2>why || { skipped "no network namespaces here: $(head -n 1 why)"; exit 77; }
    ip -n $id$ns link set lo up
done
# joined NS1 IP1 NS2 IP2: a cable of its own between the two
n_cables=0
joined() {
    n_cables=$((n_cables + 1))
    ip link add kwx$n_cables netns "$id$1" type veth peer name kwy$n_cables netns "$id$3"
    ip -n "$id$1" addr add "$2/24" dev kwx$n_cables
    ip -n "$id$3" addr add "$4/24" dev kwy$n_cables
    ip -n "$id$1" link set kwx$n_cables up
    ip -n "$id$3" link set kwy$n_cables up
}
joined net 11.77.1.1 na 11.77.1.2
joined net 11.77.2.1 nb 11.77.2.2
joined na 10.77.1.1 a 10.77.1.2
joined nb 10.77.2.1 b 10.77.2.2
ip -n ${id}na route add default via 11.77.1.1
ip -n ${id}nb route add default via 11.77.2.1
ip -n ${id}a route add default via 10.77.1.1
ip -n ${id}b route add default via 10.77.2.1
for ns in net na nb; do ip netns exec $id$ns sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'; done
n=0
for ns in na nb; do
    n=$((n + 1)) # the cable to the internet is its kwy1 or kwy2
    ip netns exec $id$ns nft "add table ip n; add chain ip n out { type nat hook postrouting priority 100; };
        add rule ip n out oifname kwy$n masquerade;
        add chain ip n in { type filter hook input priority 0; };
        add rule ip n in iifname kwy$n ct state new drop" 2>why ||
        { skipped "no NAT in this kernel: $(head -n 1 why)"; exit 77; }
done

# start NS WORDS...
start() {
    local ns=$1
    shift
    mkdir -p "$ns"
    KWAAI_HOME=$ns ip netns exec "$id$ns" "$KWAAI" node start --json --no-mdns "$@" >"$ns.start" 2>"$ns.err" &
    pids+=($!)
    for _ in $(seq 100); do
        [ -s "$ns.start" ] && return
        sleep 0.1
    done
    cat "$ns.err" >&2
    failed "the node of $ns does not start"
}
field() { sed -n 's/.*"'"$2"'": \["*\([^"]*\)".*/\1/p; s/.*"'"$2"'": "\([^"]*\)".*/\1/p' "$1" | head -n 1; }
eventually() { # NS WORD TEXT
    for _ in $(seq 150); do
        KWAAI_HOME=$1 run 0 node "$2" --json
        grep -qE "$3" out && return
        sleep 0.1
    done
    cat out "$1.err" >&2
    failed "node $2 of $1 never says $3"
}
start net --relay --listen /ip4/11.77.1.1/tcp/4001 --listen /ip4/11.77.2.1/tcp/4001
relay=$(field net.start peer)
start b --through "/ip4/11.77.2.1/tcp/4001/p2p/$relay" --listen /ip4/0.0.0.0/tcp/4002
start a --through "/ip4/11.77.1.1/tcp/4001/p2p/$relay" --listen /ip4/0.0.0.0/tcp/4003
b=$(field b.start peer)
eventually b status '"held": true'
eventually a status '"held": true'
KWAAI_HOME=a run 0 node ping "/ip4/11.77.1.1/tcp/4001/p2p/$relay/p2p-circuit/p2p/$b"
holds "behind two NATs, through the relay"
eventually b status '"punch_direct": 1'
KWAAI_HOME=a run 0 node peers --json
says out "\"peer\": \"$b\", \"addr\": \"/ip4/11.77.2.2/tcp/4002\".*\"relayed\": false"
KWAAI_HOME=a run 0 node ping "$b"
eventually net status '"relay_circuits": 0'
holds "directly, and the way through the relay is given up"
