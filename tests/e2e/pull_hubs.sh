#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# pull_hubs.sh - models of Hugging Face and Ollama's registry, from a local imitation of their
# documented answers; what is here already; without a network.
# kw-test: timeout 200
source "$(dirname "$0")/common.bash"
source "$here/pull_server.bash"
at=http://127.0.0.1:$port
store=$KWAAI_HOME/store
export HF_ENDPOINT=$at

repo=www/hub/org/name
mkdir -p $repo/sub www/hub/org/tensors www/hub/org/private www/hub/org/bad www/registry/library/x
for q in Q4_K_M Q8_0 IQ4_XS; do head -c 1500000 /dev/urandom >$repo/name-$q.gguf; done
for i in 1 2 3; do head -c 300000 /dev/urandom >$repo/sub/name-F16-0000$i-of-00003.gguf; done
printf '{}' >$repo/config.json
echo hidden >$repo/.gitattributes
head -c 100000 /dev/urandom >www/hub/org/tensors/model.safetensors
for f in config.json tokenizer.json; do printf '{"x": "%s"}' $f >www/hub/org/tensors/$f; done
echo '# read me' >www/hub/org/tensors/README.md
head -c 100000 /dev/urandom >www/hub/org/private/model.gguf

run 0 pull hf.co/org/name
same $store/org/name/name-Q4_K_M.gguf $repo/name-Q4_K_M.gguf
[ "$(cat out)" = "$store/org/name/name-Q4_K_M.gguf" ] || failed "said $(cat out)"
[ "$(find $store -type f | wc -l)" = 1 ] || failed "more than the usual quantisation came"
run 0 pull org/name:q8_0 --json
is_json out
says out '"verified": true'
same $store/org/name/name-Q8_0.gguf $repo/name-Q8_0.gguf
run 0 pull https://huggingface.co/org/name/blob/main/sub/name-F16-00002-of-00003.gguf
same $store/org/name/sub/name-F16-00002-of-00003.gguf $repo/sub/name-F16-00002-of-00003.gguf
run 0 pull org/name:F16
[ "$(wc -l <out)" = 3 ] || failed "not all parts of a split file came"
says err '00002.*already here'
run 1 pull org/name:Q5_K_M
says err 'there are .*Q4_K_M'
run 1 pull org/other
says err 'status 404'
run 1 pull org/name --revision other
says err 'status 404'
run 0 pull org/tensors
for f in model.safetensors config.json tokenizer.json; do
    same $store/org/tensors/$f www/hub/org/tensors/$f
done
[ ! -e $store/org/tensors/README.md ] || failed "README.md is not needed to run"
holds "Hugging Face: a quantisation, a file, a split one, a directory"

run 1 pull org/private
says err 'status 401'
HF_TOKEN=token run 0 pull org/private
same $store/org/private/model.gguf www/hub/org/private/model.gguf
grep -q 'resolve.* Bearer token$' www/.log || failed "the token was not used"
if grep -E '/cdn/.*Bearer' www/.log; then failed "the token was sent to another host"; fi
holds "a token is sent to its own site and nowhere else"

head -c 700000 /dev/urandom >www/registry/library/x/model
echo '{{ .Prompt }}' >www/registry/library/x/template
run 0 pull ollama.com/library/x --endpoint "$at"
same $store/library/x/latest/model.gguf www/registry/library/x/model
same $store/library/x/latest/template www/registry/library/x/template
run 1 pull ollama.com/library/x:8b --endpoint "$at"
says err 'status 404'
holds "Ollama's registry: the layers of a manifest"

# Content that another store has, by its SHA-256, is not fetched and not copied.
digest=$(sha256sum $repo/name-IQ4_XS.gguf | cut -d' ' -f1)
other=$HOME/.cache/huggingface/hub/models--a--b
mkdir -p "$other"/{blobs,refs,snapshots/0123}
cp $repo/name-IQ4_XS.gguf "$other/blobs/$digest"
ln -s "../../blobs/$digest" "$other/snapshots/0123/model.gguf"
printf 0123 >"$other/refs/main"
unset XDG_CACHE_HOME
: >www/.log
run 0 pull org/name:IQ4_XS
says out "$digest"
if grep -q resolve www/.log; then failed "it was fetched though it is here"; fi
run 0 pull org/name:IQ4_XS --from http
same $store/org/name/name-IQ4_XS.gguf $repo/name-IQ4_XS.gguf
holds "what another store has is used where it is"

kill $server
run 0 pull hf.co/org/name:Q8_0 --offline
[ "$(cat out)" = "$store/org/name/name-Q8_0.gguf" ] || failed "said $(cat out)"
run 1 pull hf.co/org/missing --offline
run 2 pull org/name --from cache,elsewhere
run 2 pull org/name --from ''
holds "without a network what is here is found"
