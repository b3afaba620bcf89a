#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# t5.sh - a model with an encoder and a decoder as a user runs it: it translates digits to words.
source "$(dirname "$0")/common.bash"

t5=$source_dir/tests/golden/t5
run 0 run "$t5" "3 1 4" --temp 0
[ "$(cat out)" = " three one four" ] || failed "3 1 4 is not three one four"
run 0 run "$t5" "9 0 2 6 5" --temp 0 -t 1
[ "$(cat out)" = " nine zero two six five" ] || failed "9 0 2 6 5 is not nine zero two six five"
run 0 run "$t5" "3 1 4" --temp 0 --json
is_jsonl out
says out '"finish": "stop", "prompt_tokens": 4,.* "generated_tokens": 3'
printf '7 7\n8\n' | "$KWAAI" run "$t5" -i --temp 0 >out 2>err
[ "$(cat out)" = " seven seven
 eight" ] || failed "each turn is a source of its own"
holds "run translates, one source after another"

run 0 quantize "$t5" t5.gguf q8_0
run 0 run t5.gguf --tokenizer "$t5" "8 5 7" --temp 0
[ "$(cat out)" = " eight five seven" ] || failed "8 5 7 is not eight five seven"
run 0 embed "$t5" "3 1 4"
[ "$(wc -w <out)" = 32 ] || failed "the vector is not the encoder's"
holds "as GGUF with rounded weights; vectors of its encoder"

run 0 logits "$t5" --tokens 72,70,73,1 --decoder-tokens 0,62,60 --out l.safetensors
run 0 tensors l.safetensors
says out '^logits +F32 +\[3, 79\]'
run 0 logits "$t5" --tokens 72,70,73,1 --out first.safetensors
run 0 tensors first.safetensors
says out '^logits +F32 +\[1, 79\]'
run 2 logits "$t5" --tokens 1,2 --decoder-tokens 79 --out x.safetensors
run 1 run "$t5" "1 2 3 4" -c 3
says err 'more than the 3 that the encoder reads at once'
run 1 bench "$t5"
says err 'with an encoder'
holds "logits of the decoder's tokens; what cannot be done is refused"

if "$KWAAI" logits builtin --tokens 1 --decoder-tokens 1 --out x.safetensors 2>err; then
    failed "a decoder alone takes --decoder-tokens"
fi
holds "--decoder-tokens is for models with an encoder"
