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
