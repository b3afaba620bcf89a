#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# formats.sh - one model in every form that it is published in gives the same logits.
source "$(dirname "$0")/common.bash"
tiny=$source_dir/tests/golden/formats/tiny
tokens=1,5,9,60,33,17,2,41,8,8,63,0

run 0 logits "$tiny/safetensors" --tokens $tokens --out want
for form in pytorch pytorch-sharded pytorch/pytorch_model.bin pytorch-sharded/pytorch_model.bin.index.json; do
    run 0 logits "$tiny/$form" --tokens $tokens --out got
    same want got
done
run 0 inspect "$tiny/pytorch-sharded"
says out 'pytorch, 2 files, [0-9]+ bytes, 12 tensors'
run 0 logits "$tiny/pytorch" --no-mmap --tokens $tokens --out got
same want got
holds "a directory of PyTorch's files computes what the same in safetensors does"

run 0 logits "$tiny/fp8-unpacked" --tokens $tokens --out want
run 0 logits "$tiny/fp8" --tokens $tokens --out got
same want got
run 0 inspect "$tiny/fp8" --stage config
says out '^missing \(0\)'
says out '^unused \(0\)'
run 0 convert "$tiny/fp8" fp8.gguf
run 0 convert "$tiny/fp8-unpacked" unpacked.gguf
run 0 logits unpacked.gguf --tokens $tokens --out want
run 0 logits fp8.gguf --tokens $tokens --out got
same want got
run 0 logits "$tiny/fp8-unpacked" --type Q8_0 --tokens $tokens --out want
run 0 logits "$tiny/fp8" --type Q8_0 --tokens $tokens --out got
same want got
run 0 tensors "$tiny/fp8"
says out '^model\.layers\.0\.mlp\.up_proj\.weight +F8_E5M2 '
holds "bytes with scales, bytes without and doubles compute what torch makes of them"

mkdir wrong
sed 's/^   12,/   7,/' "$tiny/fp8/config.json" >wrong/config.json
cp "$tiny/fp8/model.safetensors" wrong
run 1 run wrong "x" -n 1
says err 'q_proj\.weight_scale_inv.*does not scale a matrix of \[32, 32\]'
holds "scales that do not fit are refused"
