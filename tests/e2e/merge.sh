#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# merge.sh - models merged on the command line: the result runs, files of different kinds meet, mistakes are named.
source "$(dirname "$0")/common.bash"
need_builtin

answer() { kwaai run "$1" "Once upon a time" -n 12 --temp 0 2>err </dev/null; }

run 0 merge builtin builtin -o same.gguf
says err '^kwaai: wrote same\.gguf: 2 models, linear'
silent out
answer builtin >want
answer same.gguf >got
same want got
run 0 quantize builtin f32.gguf F32 --allow-requantize
run 0 merge f32.gguf builtin --base builtin --method task -o task.gguf --weights 0.5,0.5 --type f16
run 0 tensors task.gguf
says out '^blk\.0\.attn_q\.weight +F16'
answer task.gguf >got
same want got
run 0 merge builtin f32.gguf --method slerp --weights 0.25 -o slerp.gguf
answer slerp.gguf >got
same want got
holds "a model merged with itself tells its own story, whatever the method and the types"

lora=$KW_SOURCE_DIR/tests/golden/lora
run 0 quantize "$lora" lora.gguf F32
run 0 merge "$lora" lora.gguf -o both.gguf
run 0 logits both.gguf --tokens 1,2,3 --out a.safetensors
run 0 logits lora.gguf --tokens 1,2,3 --out b.safetensors
same a.safetensors b.safetensors
mixtral=$KW_SOURCE_DIR/tests/golden/decoders/mixtral
run 0 quantize "$mixtral" mixtral.gguf F32
run 0 merge "$mixtral" mixtral.gguf -o both.gguf --type f32
run 0 logits both.gguf --tokens 1,2,3 --out a.safetensors
run 0 logits mixtral.gguf --tokens 1,2,3 --out b.safetensors
same a.safetensors b.safetensors
holds "a directory and a GGUF file of one model merge into that model, experts included"

run 0 logits "$lora" --tokens 1,2,3 --out a.safetensors --lora "$lora/adapter" --lora-scaled "$lora/adapter.gguf:0.5"
run 0 logits "$lora" --tokens 1,2,3 --out b.safetensors --lora-scaled "$lora/adapter.gguf:0.5" --lora "$lora/adapter"
same a.safetensors b.safetensors
run 0 logits "$lora" --tokens 1,2,3 --out b.safetensors
! cmp -s a.safetensors b.safetensors || failed "adapters change nothing"
run 2 logits "$lora" --tokens 1,2,3 --lora-scaled "$lora/adapter" --out b.safetensors
holds "adapters are given again and again, whole or scaled"

run 2 merge builtin -o x.gguf
run 2 merge builtin builtin
run 2 merge builtin builtin -o x.gguf --method task
run 2 merge builtin builtin -o x.gguf --method best
run 2 merge builtin builtin -o x.gguf --weights 1
says err '1 numbers, needs 2'
run 2 merge builtin builtin -o x.gguf --weights 1,b
run 1 merge builtin "$lora" -o x.gguf
says err '^kwaai: merge: '
run 1 merge builtin nothing.gguf -o x.gguf
[ ! -e x.gguf ] || failed "a merge that failed left a file"
holds "mistakes are named, and leave nothing behind"
