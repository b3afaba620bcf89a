#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# bench.sh - bench and doctor: formats and columns, not speeds.
source "$(dirname "$0")/common.bash"
need_builtin

run 0 bench -p 16,32 -n 8 -r 2 -t 1,2
says out '^\| model +\| +size \| +params \| backend +\| threads \| +test \| +t/s \| +of limit \|$'
[ "$(grep -cE '\| +(pp16|pp32|tg8) \| +[0-9]+\.[0-9]{2} ± [0-9]+\.[0-9]{2} \| +\|$' out)" = 6 ] ||
    failed "2 thread counts of 3 tests are not 6 rows"
says out 'memory read [0-9.]+ GB/s, int8 dot [0-9]+ GOP/s'
holds "the table has llama-bench's columns, a row for each test and thread count, and the roofline"

run 0 bench -p 16 -n 8 -d 0,32 -r 1 -t 1 --no-roofline
[ "$(grep -cE '\| +(pp16|tg8)( @ d32)? \| ' out)" = 4 ] || failed "2 tests at 2 depths are not 4 rows"
holds "each test is measured after each context length"

run 0 bench -p 8 -n 4 -r 1 -t 1 --busy 1 --no-roofline
says out '\| +pp8, 1 busy \| '
holds "a busy machine is made, and said"

run 0 bench -p 8 -n 4 -r 3 -t 1 --against "$KWAAI bench -p 8 -n 4 -r 1 -t 1 --no-roofline"
[ "$(grep -cE '\| +1 \| +(pp8|tg4) \| +[0-9.]+ \| +[0-9.]+ \| +[0-9.]+ \| +[0-9.]+ \.\. +[0-9.]+ \| +3 \|$' out)" = 2 ] ||
    failed "2 tests against a peer are not 2 rows of 3 rounds"
run 0 bench -p 8 -n 0 -r 1 -t 1 -o json --against "$KWAAI bench -p 8 -n 0 -r 1 -t 1 --no-roofline"
is_json out
run 1 bench -p 8 -n 0 -r 1 -t 1 --against 'echo nothing'
says err 'printed no row'
run 1 bench -p 8 -n 0 -r 1 -t 1 --against "$KWAAI bench -p 16 -n 0 -r 1 -t 1 --no-roofline"
says err 'no row for pp8 with 1 threads'
run 2 bench -t 1,2 --against true
holds "another program runs in turn, and ratios are printed"

run 0 bench -p 8 -n 4 -r 2 -o csv --no-roofline
head -1 out | tr ',' '\n' >columns
for c in model_type model_size model_n_params n_threads n_prompt n_gen n_depth n_busy limit_ts avg_ts stddev_ts; do
    grep -qx $c columns || failed "csv has no column $c"
done
[ "$(wc -l <out)" = 3 ] || failed "csv is not a header and two rows"
run 0 bench -p 8 -n 4 -r 2 -o json --no-roofline
is_json out
run 0 bench -p 8 -n 4 -r 2 -o jsonl --no-warmup
is_jsonl out
[ "$(wc -l <out)" = 2 ] || failed "jsonl is not two rows"
run 0 bench -p 0 -n 4 -r 1 --no-roofline
if grep -q pp out; then failed "-p 0 measures a prompt"; fi
run 2 bench -p x
run 2 bench -o xml
run 2 bench builtin --synthetic llama-1.1b
run 1 bench --synthetic no-such-shape
holds "csv, json and jsonl; wrong words are refused"

run 0 doctor
for word in processor features memory kernels threads bandwidth "int8 dot" built-in; do
    says out "^$word "
done
run 0 doctor --json
is_json out
run 0 doctor --isa scalar -t 1
says out '^kernels +scalar'
says out '^threads +1$'
holds "doctor describes the machine, also as JSON"
