#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# kw-test: timeout 120
# flood.sh - floods of handshakes, streams, wants, nonsense and connections that say nothing, against a node from
# which an honest peer fetches a file meanwhile: the file arrives, and the node's memory stays under its cap.
#
#   KWAAI_FLOOD_MIB    size of the file (64)
#   KWAAI_FLOOD_RATIO  least share of its undisturbed speed that the transfer must keep (0: it is only printed,
#                      because other programs share the machine; make nightly asks for 0.5)
#   KWAAI_FLOOD_PEERS  connections of each kind at a time, each from an address of its own (40: with five kinds all
#                      the 200 that a node takes)
flood_mib=${KWAAI_FLOOD_MIB:-64} least=${KWAAI_FLOOD_RATIO:-0} peers=${KWAAI_FLOOD_PEERS:-40}
source "$(dirname "$0")/common.bash"
source "$here/nodes.bash"
flood=${KW_BUILD_DIR:-$source_dir/build/dev}/bin/interop-flood
[ -x "$flood" ] || { skipped "interop-flood is not built"; exit 77; }
[ -r /proc/self/status ] || { skipped "no /proc: memory cannot be seen"; exit 77; }
cap_kib=$((160 << 10)) # of the node, above what it had before the floods
! grep -q __asan_init "$KWAAI" || cap_kib=$((600 << 10)) # the sanitizer keeps what was freed for a while

mkdir model home
head -c $((flood_mib << 20)) /dev/urandom >model/weights.bin
KWAAI_HOME=home run 0 publish model me/model
KWAAI_HOME=home run 0 show me/model --json
cid=$(grep -o 'bafy[a-z2-7]*' out | head -n 1)
start home
node=$node_pid addr=$(addr home)
port=${addr#*/tcp/} port=${port%%/*}

resident() { sed -n "s/^$1:[^0-9]*\([0-9]*\).*/\1/p" /proc/$node/status; }
ms() { date +%s%3N; }
fetch() { # HOME: fetches all, time in $took
    local begin
    begin=$(ms)
    KWAAI_HOME=$1 run 0 pull "ipfs://$cid" --from peers --no-mdns --peer "$addr"
    took=$(($(ms) - begin))
    same "$(cat out)" model/weights.bin
    rm -rf "$1"
}
fetch warm
# Three of each, and their medians are compared: other programs share the machine.
thrice() { # HOME: the times in $times, from the shortest
    times=$(for _ in 1 2 3; do fetch "$1"; echo "$took"; done | sort -n | tr '\n' ' ')
    [ "$(wc -w <<<"$times")" = 3 ] || failed "a transfer failed"
}
thrice alone
alone=$(cut -d' ' -f2 <<<"$times") before=$(resident VmRSS)
holds "undisturbed: $flood_mib MiB in $alone ms, the node has $((before >> 10)) MiB"

# Each flood comes from addresses of its own, so that one cannot hide behind the ban of another.
begin=$(ms) first=10
for mode in handshakes streams wants malformed slow; do
    nice -n 19 "$flood" $mode "$port" $first "$peers" 15000 >$mode.json 2>$mode.err & # its own cost is not the node's
    pids="$pids $!"
    first=$((first + 40))
done
sleep 0.3
thrice during
during=$(cut -d' ' -f2 <<<"$times")
[ $(($(ms) - begin)) -lt 15000 ] || printf 'the transfers outlasted the floods: their speed says nothing\n'
share=$((100 * alone / during))
printf 'flooded: %s MiB in %sms, %s %% of the speed without\n' "$flood_mib" "$times" $share
holds "the honest transfer ends under floods"

for pid in $pids; do [ "$pid" = "$node" ] || wait "$pid" || failed "a flood ends with an error"; done
cat -- *.json
peak=$(resident VmHWM)
kill -0 $node 2>/dev/null || failed "the node has ended: $(cat home.err)"
[ $((peak - before)) -lt $cap_kib ] || failed "the node grew from $before to $peak KiB"
holds "its memory grows by $(((peak - before) >> 10)) MiB at most, below $((cap_kib >> 10))"

pids=$node
KWAAI_HOME=home run 0 node bans
says out '^127\.0\.0\.1[3-6][0-9] +-[0-9.]+ '
holds "who sends nonsense loses points ($(grep -c ' min ' out) addresses and peers are banned)"
KWAAI_HOME=home run 0 node status --json
is_json out
[ $share -ge "$(awk "BEGIN {print int(100 * $least)}")" ] || failed "less than $least of the speed"
holds "the node answers its owner"
