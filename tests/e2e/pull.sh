#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# pull.sh - downloads from a web server that cuts, stalls, lies and redirects; interruptions of every
# kind; whatever happens, a file is whole and right or not there.
# kw-test: timeout 300
source "$(dirname "$0")/common.bash"

source "$here/pull_server.bash"
at=http://127.0.0.1:$port
head -c 11534336 /dev/urandom >www/big.bin # 11 MiB
head -c 3000001 /dev/urandom >www/odd.bin
: >www/empty.bin
sum() { sha256sum "$1" | cut -d' ' -f1; }
big=$(sum www/big.bin) odd=$(sum www/odd.bin)
stored=$KWAAI_HOME/store/127.0.0.1
partial=$KWAAI_HOME/store/.partial
clear_store() { rm -rf "$KWAAI_HOME"; }
nothing_left() { [ -z "$(ls "$partial" 2>/dev/null)" ] || failed "something is left in .partial: $(ls "$partial")"; }
# pulls PATH SUM FILE: it arrives, whatever the server does
pulls() {
    clear_store
    run 0 pull "$at/$1" --sha256 "$2"
    [ "$(cat out)" = "$stored/$3" ] || failed "said $(cat out), not $stored/$3"
    [ "$(sum "$stored/$3")" = "$2" ] || failed "$1: the file is another one"
    nothing_left
}
# refuses CODE PATH SUM MESSAGE: it does not
refuses() {
    clear_store
    run "$1" pull "$at/$2" --sha256 "$3"
    says err "$4"
    silent out
    [ ! -e "$stored/big/big.bin" ] || failed "$2: a file is there"
}

pulls plain/big.bin "$big" big/big.bin
run 0 pull "$at/plain/big.bin" --sha256 "$big"
says err 'already here'
pulls plain/odd.bin "$odd" odd/odd.bin
pulls plain/empty.bin "$(sum www/empty.bin)" empty/empty.bin
pulls noranges/big.bin "$big" big/big.bin
pulls moved/big.bin "$big" big/big.bin
pulls busy/2/big.bin "$big" big/big.bin
clear_store
run 0 pull "$at/plain/odd.bin" --json
is_json out
says out '"verified": false'
says out "\"sha256\": \"$odd\""
holds "plain files, empty ones, without ranges, redirected, busy at first"

pulls once/1500000/big.bin "$big" big/big.bin
pulls cut/1100000/odd.bin "$odd" odd/odd.bin
holds "connections that are cut are taken up"

refuses 1 corrupt/big.bin "$big" 'SHA-256'
nothing_left
refuses 1 plain/missing.bin "$big" 'status 404'
! grep -q 'has arrived' err || failed "something has arrived of a file that is not there"
refuses 1 secret/big.bin "$big" 'status 401: it may need a token'
refuses 1 loop/big.bin "$big" 'redirect'
refuses 1 header/big.bin "$big" 'header'
refuses 1 nolength/big.bin "$big" 'how long'
refuses 1 lying/big.bin "$big" 'another range'
refuses 1 changed/big.bin "$big" 'has changed there'
refuses 2 plain/big.bin 12 '64 hexadecimal digits'
run 2 pull ftp://127.0.0.1/x
run 2 pull "$at/plain/big.bin" --limit-rate fast
says err '\-\-limit-rate'
run 2 pull
holds "what is wrong is refused by name and leaves no file"

# Ctrl-C and kill -9 half way, and going on from there.
# A child of a script ignores SIGINT, one of timeout does not; journals are written every 2 seconds.
interrupted() { # SIGNAL PATH
    clear_store
    code=0
    timeout --foreground --preserve-status -s "$1" 2.7 "$KWAAI" pull "$at/$2" --limit-rate 2M \
        >out 2>err </dev/null || code=$?
    [ -n "$(find "$partial" -name '*.part')" ] || failed "nothing is kept after $1"
    [ ! -e "$stored/big/big.bin" ] || failed "a file that is not whole has its name"
}
interrupted INT plain/big.bin
[ $code = 130 ] || failed "Ctrl-C ended with $code"
says err 'goes on from there'
run 0 pull "$at/plain/big.bin" --json
says out '"resumed": [1-9]'
[ "$(sum "$stored/big/big.bin")" = "$big" ] || failed "the file is another one"
nothing_left
holds "Ctrl-C says what is kept, and the same command goes on"
interrupted KILL plain/big.bin
run 0 pull "$at/plain/big.bin" --json
says out '"resumed": [1-9]'
[ "$(sum "$stored/big/big.bin")" = "$big" ] || failed "the file is another one"
holds "kill -9 half way: the same command goes on"

# Without a digest a file that changes is not mixed with what was there.
interrupted KILL plain/big.bin
head -c 11534336 /dev/urandom >www/other.bin && mv www/other.bin www/big.bin
big=$(sum www/big.bin)
run 0 pull "$at/plain/big.bin" --json
says out '"resumed": 0'
[ "$(sum "$stored/big/big.bin")" = "$big" ] || failed "the file is another one"
holds "a file that changed in between is fetched anew"

# A broken journal means beginning again, nothing else.
interrupted KILL plain/big.bin
for f in "$partial"/*.journal; do printf 'x' | dd of="$f" bs=1 seek=60 conv=notrunc 2>/dev/null; done
run 0 pull "$at/plain/big.bin" --json
says out '"resumed": 0'
[ "$(sum "$stored/big/big.bin")" = "$big" ] || failed "the file is another one"
holds "a damaged journal is not believed"

# Two at once for the same file.
clear_store
"$KWAAI" pull "$at/plain/big.bin" --limit-rate 3M >out.1 2>err.1 </dev/null &
first=$!
for _ in $(seq 300); do
    [ -n "$(find "$partial" -name '*.part' 2>/dev/null)" ] && break
    sleep 0.02
done
run 1 pull "$at/plain/big.bin"
says err 'another process'
wait $first || failed "the first of two failed"
[ "$(sum "$stored/big/big.bin")" = "$big" ] || failed "the file is another one"
holds "of two at once the second says so"

begin=$(date +%s%N)
clear_store
run 0 pull "$at/plain/odd.bin" --limit-rate 1500K --sha256 "$odd"
ms=$((($(date +%s%N) - begin) / 1000000))
[ $ms -gt 1300 ] || failed "3 MB at 1500K took only $ms ms"
holds "the limit on the rate is kept"

# A disk that is full: said before where it can be, and taken up afterwards where it could not.
if mkdir disk && mount -t tmpfs -o size=16m tmpfs disk 2>/dev/null; then
    trap 'umount "$work/disk" 2>/dev/null || true; clean_up' EXIT
    export KWAAI_HOME=$work/disk/kwaai
    stored=$KWAAI_HOME/store/127.0.0.1 partial=$KWAAI_HOME/store/.partial
    head -c 8000000 /dev/zero >disk/filler
    run 1 pull "$at/plain/big.bin"
    says err 'there is room for'
    rm disk/filler
    "$KWAAI" pull "$at/plain/big.bin" --limit-rate 4M >out 2>err </dev/null &
    pid=$!
    for _ in $(seq 300); do
        [ -n "$(find "$partial" -name '*.journal' 2>/dev/null)" ] && break
        sleep 0.02
    done
    head -c 15000000 /dev/zero >disk/filler 2>/dev/null || true
    code=0
    wait $pid || code=$?
    [ $code = 1 ] || failed "on a full disk it ended with $code"
    says err 'No space left'
    rm disk/filler
    run 0 pull "$at/plain/big.bin" --json
    says out '"resumed": [1-9]'
    [ "$(sum "$stored/big/big.bin")" = "$big" ] || failed "the file is another one"
    holds "a full disk is said, and what was there is taken up"
    umount disk
else
    skipped "no tmpfs may be mounted here: the full disk is not tested"
fi
