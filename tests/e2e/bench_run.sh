#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# bench_run.sh - bench/run: one row a figure, whatever the machine has.
source "$(dirname "$0")/common.bash"
need_builtin
command -v strip >/dev/null || { echo "skip: strip is not installed"; exit 77; }

"$source_dir/bench/run" --kwaai "$KWAAI" -r 2 -t 1 >out 2>err || failed "bench/run ends with $?: $(tail -n 1 err)"
for figure in 'the command, stripped' 'start of the command' 'start to end of one token' load \
    'first token after loading' 'peak memory' 'tokens per joule'; do
    says out "^\| $figure"
done
says out '^\| load +\| +[0-9.]+ ms \| +[0-9.]+ \.\. [0-9.]+ \|$'
holds "every figure has a row"

if "$source_dir/bench/run" --kwaai "$KWAAI" nothing-here >out 2>err; then failed "a missing model is measured"; fi
says err 'nothing-here is not there'
if "$source_dir/bench/run" --wrong >out 2>err; then failed "a wrong option is taken"; fi
holds "wrong input is refused"
