#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# embed.sh - vectors of texts: from arguments, from lines, as JSON, pooled and scaled as asked.
source "$(dirname "$0")/common.bash"
need_builtin

run 0 embed builtin "a small cat" "a big dog" --verbose
cp out two
[ "$(wc -l <two)" = 2 ] || failed "two texts give $(wc -l <two) lines"
says err '2 texts, [0-9]+ tokens, vectors of [0-9]+'
printf 'a small cat\na big dog' >lines
"$KWAAI" embed builtin - <lines >out
same out two
run 0 embed builtin --file lines
same out two
"$KWAAI" embed builtin --file - <lines >out
same out two
: >empty
run 0 embed builtin --file empty
silent out
run 2 embed builtin --file lines "a text"
run 1 embed builtin --file missing
says err missing
printf 'a small cat\r\na big dog\n' | "$KWAAI" embed builtin -t 1 -b 2 >out
same out two
run 0 embed builtin "a small cat" --isa scalar
head -n 1 two >first
same out first
holds "a vector a text: arguments, lines, any threads, batch and instruction set"

length() { awk '{ s = 0; for (i = 1; i <= NF; i++) s += $i * $i; printf "%.4f\n", sqrt(s) }' "$1"; }
[ "$(length first)" = 1.0000 ] || failed "the vector is $(length first) long"
run 0 embed builtin "a small cat" --no-normalize
[ "$(length out)" != 1.0000 ] || failed "--no-normalize changes nothing"
run 0 embed builtin "a small cat" --pooling last
same out first
run 0 embed builtin "a small cat" --pooling mean
cmp -s out first && failed "mean and last are the same"
run 0 embed builtin --tokens "$("$KWAAI" tokenize --text "a small cat")"
same out first
holds "length 1 unless asked otherwise; a decoder's vector is its last token's"

run 0 embed builtin "a small cat" "a big dog" --json
is_json out
says out '"object": "list"'
says out '"index": 1'
says out '"total_tokens": [0-9]+'
holds "JSON is what /v1/embeddings answers with"

run 2 embed builtin "a small cat" --pooling median
run 2 embed builtin "a small cat" --tokens 1,2
run 1 embed builtin "a small cat and another small cat" -c 3
says err 'text 1: .* tokens do not fit the context of 3'
run 2 embed builtin --tokens 99999999
holds "what cannot be done is refused"

bert=$source_dir/tests/golden/bert
run 0 embed "$bert" --tokens 1,2,3,4
cp out cls
run 0 embed "$bert" --tokens 1,2,3,4 --pooling cls
same out cls
run 0 embed "$bert/bert.gguf" --tokens 1,2,3,4 --pooling cls
same out cls
run 0 embed "$bert/bert.gguf" --tokens 1,2,3,4
cmp -s out cls && failed "the GGUF file's pooling is not read"
run 1 embed "$bert" "a text"
says err 'no tokenizer'
run 1 run "$bert" "a text"
holds "an encoder's own pooling, from safetensors and from GGUF"
