#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# quantize.sh - models written with other types: what comes out runs, is the same whatever the threads,
# and is whole or not there at all.
# kw-test: timeout 300
source "$(dirname "$0")/common.bash"
need_builtin

answer() { kwaai run "$1" "Once upon a time" -n 12 --temp 0 2>err </dev/null; }

run 0 quantize builtin f32.gguf F32 --allow-requantize
says err '^kwaai: wrote f32\.gguf: [0-9]+ of [0-9]+ tensors as F32'
silent out
run 0 quantize f32.gguf q8.gguf Q8_0
run 0 tensors q8.gguf
cp out list
run 0 tensors builtin
same out list
answer builtin >want
answer q8.gguf >got
same want got
holds "the built-in model through f32 and back to q8_0 gives its own answer"

run 0 quantize f32.gguf q4.gguf q4_0 -v
says out '^blk\.0\.attn_norm\.weight +\[[0-9]+\] +f32 *$'
says out '^blk\.0\.attn_q\.weight .*f32 +-> q4_0'
run 0 inspect q4.gguf
says out 'general\.file_type = 2$'
says out 'general\.quantization_version = 2$'
answer q4.gguf >got
grep -q '^Once upon a time' got || failed "no answer from q4_0"
for threads in 1 2; do
    for isa in scalar avx2 avxvnni avx512 neon; do
        kwaai version | grep "^kernels" | grep -w $isa >/dev/null || continue
        run 0 quantize f32.gguf again.gguf Q6_K -t $threads --isa $isa
        [ -e first.gguf ] || cp again.gguf first.gguf
        same again.gguf first.gguf
    done
done
holds "the bytes do not depend on threads or instruction set"

run 0 quantize f32.gguf Q6_K --dry-run --json
is_json out
says out '"fallback_from": "q6_k"'
run 0 quantize f32.gguf x.gguf Q8_0 --dry-run
says err 'would write'
[ ! -e x.gguf ] || failed "a dry run wrote a file"
run 0 quantize f32.gguf x.gguf Q8_0 --tensor-type 'attn_[qk]=f16' --token-embedding-type f32
run 0 tensors x.gguf
says out '^blk\.0\.attn_q\.weight +F16'
says out '^blk\.0\.attn_v\.weight +Q8_0'
says out '^token_embd\.weight +F32'
run 0 quantize f32.gguf x.gguf q4_0 --pure
run 0 tensors x.gguf
says out '^token_embd\.weight +Q4_0'
holds "overrides, pure types, dry runs"

run 2 quantize f32.gguf x.gguf
run 2 quantize f32.gguf x.gguf Q9_9
says err 'no known mixture'
run 2 quantize f32.gguf x.gguf Q8_0 --tensor-type attn_q
says err 'not PATTERN=TYPE'
run 2 quantize builtin x.gguf Q4_0
says err 'allow-requantize'
run 1 quantize missing.gguf y.gguf Q8_0
run 1 quantize f32.gguf y.gguf Q8_0 --imatrix missing
head -c 5000 /dev/urandom >noise
run 1 quantize f32.gguf y.gguf Q8_0 --imatrix noise
run 1 quantize noise y.gguf Q8_0
head -c 100000 f32.gguf >cut.gguf
run 1 quantize cut.gguf y.gguf Q8_0
run 1 quantize f32.gguf nowhere/y.gguf Q8_0
[ -z "$(find . -name 'y.gguf*')" ] || failed "a failed command left a file"
holds "wrong input is named and leaves nothing"

code=0
(ulimit -f 1000; "$KWAAI" quantize f32.gguf full.gguf F16 >out 2>err </dev/null) || code=$?
[ $code = 1 ] || failed "a file over the limit: exit code $code"
says err 'cannot write it: File too large'
cp q8.gguf old.gguf
(ulimit -f 1000; "$KWAAI" quantize f32.gguf old.gguf F16 >out 2>err </dev/null) && failed "it fits?"
same q8.gguf old.gguf
[ -z "$(find . -name '*.tmp')" ] || failed "a full disk left a temporary file"
holds "a full disk is an error, and what was there stays"

hf=$shared/weights/tinystories656K
if [ -d "$hf" ]; then
    run 0 quantize "$hf" hf.gguf F32
    answer "$hf" >want
    answer hf.gguf >got
    same want got
    for text in "Hello, world" "  two  spaces" "h\u00e9 123"; do
        run 0 tokenize "$hf" --text "$text"
        cp out want
        run 0 tokenize hf.gguf --text "$text"
        same out want
    done
    holds "a Hugging Face directory becomes a GGUF file with its tokenizer"
else
    skipped "no $hf: conversion from a Hugging Face directory"
fi

text=$source_dir/CONTRIBUTING.md
run 0 perplexity f32.gguf -f "$text" -c 64 --chunks 6 --kl-divergence-base base.kld
says out '^Final estimate: PPL = [0-9.]+ \+/- [0-9.]+$'
cp out want
run 0 perplexity f32.gguf -f "$text" -c 64 --chunks 6 -t 1 -b 7
same out want
run 0 perplexity f32.gguf --kl-divergence --kl-divergence-base base.kld --json
is_json out
says out '"kld": -?[0-9.]+e-|"kld": 0.0000'
says out '"same_top": 1[,.]?'
says out '"scored": 186,'
run 0 perplexity q4.gguf --kl-divergence --kl-divergence-base base.kld
says out '^Mean    KLD +: +0\.[0-9]+ '
run 2 perplexity q4.gguf
run 2 perplexity q4.gguf --kl-divergence
run 1 perplexity q4.gguf --kl-divergence --kl-divergence-base noise
head -c 3000 base.kld >cut.kld
run 1 perplexity q4.gguf --kl-divergence --kl-divergence-base cut.kld
head -c 20 "$text" >short
run 2 perplexity q4.gguf -f short
says err 'less than a window'
holds "perplexity, and divergence from recorded predictions"

run 0 logits q8.gguf --tokens 1,2,3 --out want.safetensors
run 0 logits f32.gguf --type q8_0 --tokens 1,2,3 --out got.safetensors
same want.safetensors got.safetensors
run 0 run f32.gguf --type Q6_K "Once upon" -n 4 --temp 0
run 2 run f32.gguf --type Q9 "Once upon" -n 1
says err 'no known mixture'
run 2 run f32.gguf --type q8_0 --no-mmap "Once upon" -n 1
holds "weights quantised while loading give the logits of the quantised file"

run 0 imatrix f32.gguf -f "$text" -c 64 --chunks 5 -o im.gguf
says err 'importances of 28 weights, from 5 windows'
cp im.gguf first.im
run 0 imatrix f32.gguf -f "$text" -c 64 --chunks 5 -o im.gguf -t 1
same im.gguf first.im
run 0 quantize f32.gguf with.gguf Q4_0 --pure --imatrix im.gguf --json
is_json out
[ "$(grep -c '"importance": true' out)" = 28 ] || failed "not every weight found its importances"
run 0 quantize f32.gguf without.gguf Q4_0 --pure
if cmp -s with.gguf without.gguf; then failed "importances change nothing"; fi
run 0 inspect with.gguf
says out 'quantize\.imatrix\.chunks_count = 5$'
run 0 perplexity with.gguf --kl-divergence --kl-divergence-base base.kld
head -c 3000 im.gguf >cut.gguf
run 1 quantize f32.gguf y.gguf Q8_0 --imatrix cut.gguf
run 1 quantize f32.gguf y.gguf Q8_0 --imatrix f32.gguf
says err 'no importances'
run 2 imatrix f32.gguf -f short -o y.gguf
[ ! -e y.gguf ] || failed "a failed command left a file"
holds "importances: collected, the same whatever the threads, and used"
