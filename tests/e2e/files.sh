#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# files.sh - models that are missing, not models, cut short; tensors out of them; inspect.
source "$(dirname "$0")/common.bash"
need_builtin
model=$source_dir/models/builtin/stories.gguf
[ -f "$model" ] || { skipped "no $model"; exit 77; }

for c in run inspect tensors tokenize logits bench; do
    extra=()
    [ $c != logits ] || extra=(--tokens 1 --out out.safetensors)
    [ $c != tokenize ] || extra=(--text a)
    run 1 $c missing.gguf "${extra[@]}"
    says err 'missing\.gguf'
    silent out
    mkdir -p empty
    run 1 $c empty "${extra[@]}"
    says err empty
    silent out
done
run 1 run mistyped
says err "kwaai run -p 'mistyped'"
[ ! -e out.safetensors ] || failed "a failed command left its output"
holds "a missing file and a directory without a model are named"

size=$(wc -c <"$model")
for n in 0 1 4 8 23 24 100 5000 60000 $((size / 2)) $((size - 1)); do
    head -c "$n" "$model" >cut.gguf
    run 1 run cut.gguf "Once upon" -n 1
    says err '^kwaai: .*cut\.gguf|^kwaai: gguf'
    says err '^hint: '
    silent out
done
head -c 100000 /dev/urandom >noise.gguf
run 1 run noise.gguf "Once upon" -n 1
holds "a file that is cut short or no model ends in a message and 1"

run 0 tensors
says out '^NAME +TYPE +SHAPE +SIZE$'
says out '^token_embd\.weight '
run 0 tensors "$model"
cp out list
run 0 tensors -m "$model"
same out list
run 0 tensors "$model" --json
is_json out
holds "tensors lists, also as JSON"

run 0 tensors "$model" token_embd.weight --out embd.safetensors
silent out
run 0 tensors embd.safetensors
says out '^token_embd\.weight +F32 +\[[0-9]+, [0-9]+\]'
run 0 tensors embd.safetensors token_embd.weight --out again.safetensors
same embd.safetensors again.safetensors
run 0 tensors builtin token_embd.weight --out builtin.safetensors
same embd.safetensors builtin.safetensors
# A tensor stored as f32 must come out with the very bytes of the file.
if [ "$json_tool" = node ]; then
    run 0 tensors "$model" --json
    read -r name offset bytes < <(node -e '
        const t = JSON.parse(require("fs").readFileSync("out", "utf8")).tensors
            .find((t) => t.type.toUpperCase() === "F32");
        console.log(t.name, t.offset, t.bytes)')
    run 0 tensors "$model" "$name" --out norm.safetensors
    tail -c "$bytes" norm.safetensors >norm.bytes
    dd if="$model" of=file.bytes iflag=skip_bytes,count_bytes skip="$offset" count="$bytes" 2>err
    same norm.bytes file.bytes
    holds "$name, f32 in the file, comes out byte for byte"
fi
run 1 tensors "$model" token_embd.weigh --out x.safetensors
says err 'did you mean "token_embd\.weight"\?'
run 2 tensors "$model" token_embd.weight
run 2 tensors "$model" --out x.safetensors
run 1 tensors "$model" token_embd.weight --out no/such/folder/x.safetensors
[ ! -e x.safetensors ] || failed "a failed command left its output"
mkfifo pipe
run 2 tensors "$model" token_embd.weight --out pipe
says err 'not a regular file'
run 2 logits --tokens 1 --out pipe
[ -p pipe ] || failed "--out replaced a pipe by a file"
holds "one tensor is decoded to f32; a wrong name is answered with the nearest"

for stage in file config graph plan; do
    run 0 inspect "$model" --stage $stage
    [ -s out ] || failed "stage $stage shows nothing"
    run 0 inspect "$model" --stage $stage --json
    is_json out
done
run 0 inspect
says out 'general\.architecture'
run 2 inspect --stage soup
says err 'file config graph plan'
holds "inspect shows every stage, also as JSON"
