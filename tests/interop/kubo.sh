#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# tests/interop/kubo.sh - files to and from kubo, IPFS's own node, over loopback: its CIDs are ours, its blocks
# verify here and ours there, its gateway serves us.
#
# KWAAI_KUBO names an ipfs command; without it one is built from the Go module proxy into build/interop (minutes).
# Prints "holds:" lines; 77 with the reason when there is no kubo.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=v0.42.0
to=$PWD/build/interop
KWAAI=${KWAAI:-$PWD/build/dev/bin/kwaai}
ipfs=${KWAAI_KUBO:-$to/ipfs}
mkdir -p "$to"
if [ ! -x "$ipfs" ]; then
    command -v go >/dev/null || { echo "go is not installed, and KWAAI_KUBO names no ipfs"; exit 77; }
    from=$(cd tests/interop/go && go mod download -json "github.com/ipfs/kubo@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
    [ -n "$from" ] || { echo "the Go module proxy does not give kubo $version"; exit 77; }
    rm -rf "$to/kubo-source"
    cp -r "$from" "$to/kubo-source"
    chmod -R u+w "$to/kubo-source"
    (cd "$to/kubo-source" && timeout 1800 go build -o "$ipfs" ./cmd/ipfs) >"$to/kubo.log" 2>&1 ||
        { echo "kubo did not build: $(tail -n 1 "$to/kubo.log")"; exit 77; }
fi
work=$(mktemp -d)
pids=''
# shellcheck disable=SC2086
trap 'kill $pids 2>/dev/null || true; wait; rm -rf "$work"' EXIT
failed() { echo "FAILED: $*" >&2; exit 1; }
export IPFS_PATH=$work/kubo
"$ipfs" init --profile test >/dev/null
"$ipfs" config --json Addresses.Swarm '["/ip4/127.0.0.1/tcp/0"]'
"$ipfs" config Addresses.API /ip4/127.0.0.1/tcp/0
"$ipfs" config Addresses.Gateway /ip4/127.0.0.1/tcp/0
"$ipfs" config --json Experimental.Libp2pStreamMounting true
"$ipfs" bootstrap rm --all >/dev/null
timeout 300 "$ipfs" daemon >"$work/kubo.log" 2>&1 &
pids="$pids $!"
for _ in $(seq 300); do grep -q 'Daemon is ready' "$work/kubo.log" && break; sleep 0.1; done
kubo=$("$ipfs" id -f '<addrs>' | head -n 1)
gateway=$(sed -n 's|.*Gateway server listening on /ip4/127.0.0.1/tcp/||p' "$work/kubo.log")
[ -n "$kubo" ] && [ -n "$gateway" ] || failed "kubo does not start: $(tail -n 3 "$work/kubo.log")"

# As kubo names files by the profile unixfs-v1-2025.
add() { "$ipfs" add -Q --cid-version 1 --raw-leaves --chunker size-1048576 --max-file-links 1024 "$1"; }
ours() { # FILE NAME: publishes it; its CID
    KWAAI_HOME=$work/home "$KWAAI" publish "$1" "$2" >/dev/null 2>&1
    KWAAI_HOME=$work/home "$KWAAI" show "$2" --json | grep -o 'baf[a-z2-7]*' | head -n 1
}
n=0
for size in 1 1048576 1048577 40000123; do
    head -c $size /dev/urandom >"$work/file"
    cid=$(add "$work/file")
    n=$((n + 1))
    [ "$(ours "$work/file" "test/size$n")" = "$cid" ] || failed "$size bytes: our CID is another than $cid"
    KWAAI_HOME=$work/b timeout 60 "$KWAAI" pull "ipfs://$cid" --peer "$kubo" --from peers --no-mdns >"$work/out" 2>"$work/err" ||
        failed "$size bytes of kubo: $(cat "$work/err")"
    cmp -s "$work/file" "$(cat "$work/out")" || failed "$size bytes of kubo: they differ"
    KWAAI_HOME=$work/g timeout 60 "$KWAAI" pull "ipfs://$cid" --gateway "http://127.0.0.1:$gateway" --from ipfs >"$work/out" 2>"$work/err" ||
        failed "$size bytes of its gateway: $(cat "$work/err")"
    cmp -s "$work/file" "$(cat "$work/out")" || failed "$size bytes of its gateway: they differ"
done
echo "holds: the names of kubo are ours, and its files come by bitswap and from its gateway"

head -c 30000777 /dev/urandom >"$work/model"
cid=$(ours "$work/model" test/model)
KWAAI_HOME=$work/home timeout 120 "$KWAAI" node start --no-mdns --json --listen /ip4/127.0.0.1/tcp/0 >"$work/start" 2>"$work/err" &
pids="$pids $!"
for _ in $(seq 100); do [ -s "$work/start" ] && break; sleep 0.1; done
addr=$(sed -n 's/.*"addrs": \["\([^"]*\)".*/\1/p' "$work/start")
"$ipfs" swarm connect "$addr" >/dev/null
"$ipfs" ping -n 2 "${addr##*/}" >"$work/out" 2>&1 || failed "kubo's ping: $(tail -n 1 "$work/out")"
timeout 60 "$ipfs" get -o "$work/got" "$cid" >/dev/null 2>&1 || failed "kubo does not get $cid"
cmp -s "$work/model" "$work/got" || failed "what kubo got differs"
echo "holds: kubo pings us, and gets a published file"

# kubo opens the streams, and knows nothing of what is said on them.
"$ipfs" repo gc -q >/dev/null # what it got before
"$ipfs" p2p forward --allow-custom-protocol /http/1.1 /ip4/127.0.0.1/tcp/0 "/p2p/${addr##*/}" >/dev/null
port=$("$ipfs" p2p ls | sed -n 's|.*/ip4/127.0.0.1/tcp/\([0-9]*\).*|\1|p' | head -n 1)
timeout 30 python3 - "$port" "$cid" "$work/run.car" <<'PY' || failed "our gateway over a stream of kubo's"
import sys, urllib.request
port, cid, path = sys.argv[1:]
get = lambda target: urllib.request.urlopen(f"http://127.0.0.1:{port}{target}", timeout=20)
assert get("/.well-known/libp2p/protocols").read() == b'{"/ipfs/gateway":{"path":"/"}}'
answer = get(f"/ipfs/{cid}?format=car")
assert answer.headers["Kwaai-Holds"] == "all", answer.headers
open(path, "wb").write(answer.read())
PY
"$ipfs" dag import --pin-roots=false "$work/run.car" >/dev/null
"$ipfs" cat --offline "$cid" | cmp -s - "$work/model" || failed "the archive that came over a stream of kubo's"
echo "holds: kubo's streams of /http/1.1 bring an archive that kubo reads"
"$ipfs" shutdown
