# SPDX-License-Identifier: Apache-2.0 OR MIT
# nodes.bash - nodes for the tests of the network; sourced after common.bash. Each has a home of its own, listens on
# loopback, looks for nobody, and ends with the test.
kwaai node --help >help 2>&1 || true
grep -q '^Usage: kwaai node' help || { skipped "this build has no network"; exit 77; }
start() { # HOME WORDS...: sets node_pid; what it says of itself is in HOME.start
    local home=$1
    shift
    mkdir -p "$home"
    rm -f "$home.start"
    KWAAI_HOME=$home "$KWAAI" node start --json --no-mdns --listen /ip4/127.0.0.1/tcp/0 "$@" >"$home.start" 2>"$home.err" &
    node_pid=$!
    pids="$pids $node_pid"
    for _ in $(seq 100); do
        [ -s "$home.start" ] && return
        kill -0 "$node_pid" 2>/dev/null || break
        sleep 0.1
    done
    failed "the node of $home does not start: $(cat "$home.err")"
}
addr() { sed -n 's/.*"addrs": \["\([^"]*\)".*/\1/p' "$1.start"; }
peer() { sed -n 's/.*"peer": "\([^"]*\)".*/\1/p' "$1.start"; }
