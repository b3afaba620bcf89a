#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# store.sh - the models that are on a machine already: listed, verified and run by their names.
source "$(dirname "$0")/common.bash"
need_builtin
kwaai list --help >/dev/null 2>&1 || { skipped "this build has no stores"; exit 77; }

export HOME=$work/user KWAAI_HOME=$work/home HF_HUB_CACHE=$work/hf OLLAMA_MODELS=$work/ollama
mkdir -p "$HOME"
run 0 list
silent out
says err 'there are no models here'

model=$source_dir/models/builtin/stories.gguf
digest=$(sha256sum "$model" | cut -d' ' -f1)
hf=hf/models--org--stories
mkdir -p $hf/{blobs,refs,snapshots/abc} ollama/blobs home/store/me/mine
mkdir -p ollama/manifests/registry.ollama.ai/library/stories
cp "$model" "$hf/blobs/$digest"
ln -s "../../blobs/$digest" $hf/snapshots/abc/model.gguf
printf abc >$hf/refs/main
cp "$model" "ollama/blobs/sha256-$digest"
printf '{"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:%s","size":1}]}' \
    "$digest" >ollama/manifests/registry.ollama.ai/library/stories/tiny
cp "$model" home/store/me/mine/a.gguf

run 0 list
says out '^library/stories@tiny +[0-9.]+ MiB +1  ollama$'
says out '^me/mine +[0-9.]+ MiB +1  store$'
says out '^org/stories@main +[0-9.]+ MiB +1  huggingface$'
run 0 list me/ --json
is_json out
says out '"model": "me/mine"'
holds "list shows the own store, Hugging Face's cache and Ollama's"

run 0 run builtin "Once upon a time" -n 8 --temp 0
cp out want
for name in me/mine mine:a.gguf org/stories@main:model.gguf stories:tiny; do
    run 0 run "$name" "Once upon a time" -n 8 --temp 0
    same out want
done
run 0 inspect me/mine
run 2 run stories Once
says err 'several models: library/stories, org/stories'
run 1 run me/other Once
says err 'a name that kwaai list shows'
holds "a model runs by its name; a name of two is refused"

run 0 verify me/mine
says out "^recorded +${digest:0:16}  a.gguf"
run 0 verify me/mine
says out "^good +${digest:0:16}  a.gguf"
run 0 verify org/stories --json
is_json out
says out '"result": "good"'
run 0 verify "sha256:$digest"
run 1 verify me/other
says err 'kwaai list shows what is here'
# Bytes change, size and time do not.
touch -r home/store/me/mine/a.gguf stamp
printf X | dd of=home/store/me/mine/a.gguf bs=1 seek=100000 conv=notrunc 2>/dev/null
touch -r stamp home/store/me/mine/a.gguf
run 1 verify me/mine
says out '^changed without a trace'
printf X | dd of="ollama/blobs/sha256-$digest" bs=1 seek=100000 conv=notrunc 2>/dev/null
run 1 verify stories:tiny
says out '^differs from its name'
holds "verify finds a changed byte"

printf 'no database' >home/index.db
run 1 list
says err 'the database is damaged'
holds "a damaged index says so"
