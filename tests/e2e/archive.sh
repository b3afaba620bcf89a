#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# archive.sh - a model leaves one machine as an archive and comes to another, verified; damaged
# archives are refused.
# kw-test: timeout 120
source "$(dirname "$0")/common.bash"
kwaai help export >out 2>err || { skipped "this build has no network"; exit 77; }
export HOME=$work/home KWAAI_HOME=$work/a
unset XDG_CACHE_HOME
from=$KWAAI_HOME/store/org/name
mkdir -p "$HOME" "$from"
head -c 3500000 /dev/urandom >"$from/model.gguf"
printf '{}' >"$from/config.json"
: >"$from/empty.txt"

run 0 export org/name model.car
root=$(cat out)
says out '^bafybei'
run 0 export org/name again.car
same model.car again.car
export KWAAI_HOME=$work/b
run 0 import model.car other/model
for f in model.gguf config.json empty.txt; do same "$from/$f" "$KWAAI_HOME/store/other/model/$f"; done
[ "$(wc -l <out)" = 3 ] || failed "not three files"
run 0 list
says out 'other/model'
holds "an archive holds a model, and the same one each time"

if command -v python3 >/dev/null; then
    mkdir one && cp "$from/config.json" one/
    want=$(python3 "$here/unixfs.py" one/config.json blocks 1048576 1024 config.json)
    mkdir -p "$work/a/store/org/one" && cp one/config.json "$work/a/store/org/one/"
    KWAAI_HOME=$work/a run 0 export org/one one.car
    [ "$(cat out)" = "$want" ] || failed "the name is $(cat out), not $want"
    holds "the name is the one that another program computes"
else
    skipped "no python3: the name of an archive is not compared"
fi

refused() { # FILE MESSAGE
    rm -rf "$KWAAI_HOME"
    run 1 import "$1" other/model
    says err "$2"
    [ ! -e "$KWAAI_HOME/store/other/model/model.gguf" ] || failed "a file of a damaged archive is there"
}
size=$(stat -c %s model.car)
cp model.car bad.car
printf 'x' | dd of=bad.car bs=1 seek=$((size - 200000)) conv=notrunc 2>/dev/null
refused bad.car 'digest|archive'
head -c $((size - 100)) model.car >short.car
refused short.car 'CAR'
head -c 20 model.car >tiny.car
refused tiny.car 'CAR'
: >nothing.car
refused nothing.car 'CAR'
run 1 import missing.car other/model
run 2 import model.car ../model
run 2 import model.car
run 2 export org/name
KWAAI_HOME=$work/a run 1 export org/absent x.car
[ -n "$root" ] && [ ! -e x.car ] || failed "a failed export left a file"
holds "damaged archives and missing models are refused"
