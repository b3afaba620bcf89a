#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# tokens.sh - tokenize, detokenize, logits.
source "$(dirname "$0")/common.bash"
need_builtin

run 0 tokenize --text "Once upon a time"
says out '^[0-9]+(,[0-9]+)*$'
cp out ids
printf 'Once upon a time' >text
run 0 tokenize --file text
same out ids
"$KWAAI" tokenize <text >out
same out ids
run 0 tokenize --text "Once upon a time" --no-bos
[ "$(cat ids)" != "$(cat out)" ] || failed "--no-bos changes nothing"
case "$(cat ids)" in *",$(cat out)") ;; *) failed "--no-bos is not the ids without the first" ;; esac
run 0 tokenize --text "Once upon a time" --json
is_json out
says out '"piece"'
run 0 tokenize --text ""
holds "tokenize: text, file, standard input, without bos, JSON"

sample=$'Line one\nL\303\255ne two: \344\275\240\345\245\275 \360\237\230\200\n\n  spaces\ttabs'
printf '%s' "$sample" >sample
run 0 tokenize --file sample
cp out sample.ids
run 0 detokenize --file sample.ids
same out sample
run 0 detokenize --ids "$(cat sample.ids)"
same out sample
"$KWAAI" tokenize --file sample --no-bos | "$KWAAI" detokenize >out
same out sample
run 0 detokenize --ids "$(cat sample.ids)" --json
is_json out
run 2 detokenize --ids 1,x
run 2 detokenize --ids 99999999
says err 'the vocabulary has'
holds "detokenize gives the text back, byte for byte"

if [ -d "$shared/weights/tinystories656K" ]; then
    tiny=$shared/weights/tinystories656K
    run 0 tokenize "$tiny/tokenizer.json" --text "Once upon a time"
    cp out bare
    run 0 tokenize "$tiny" --text "Once upon a time"
    same out bare
    holds "a bare tokenizer.json and its directory give the same ids"
else
    skipped "no $shared/weights/tinystories656K: bare tokenizers are not tried"
fi

vocabularies=$shared/golden/tokenizers
if [ -d "$vocabularies" ]; then
    tokenizes() { # PATH IDS
        run 0 tokenize "$vocabularies/$1" --text "Hello world" --no-bos
        [ "$(cat out)" = "$2" ] || failed "$1: $(cat out), expected $2"
    }
    tokenizes llama2-spm/llama2.tokenizer.model 15043,3186
    tokenizes ggml-vocab/ggml-vocab-llama-spm.gguf 15043,3186
    tokenizes llama3/tokenizer.model 9906,1917
    tokenizes gpt2 15496,995
    tokenizes gpt2/vocab.bpe 15496,995
    tokenizes bert-uncased/vocab.txt 7592,2088
    tokenizes bert-uncased 7592,2088
    tokenizes t5-unigram/t5.spiece.model "$("$KWAAI" tokenize "$vocabularies/t5-unigram/t5.spiece.model" \
        --text " Hello   world " --no-bos)"
    tokenizes tokenizer-json/clip-style 3306,1002
    holds "a tokenizer of every kind, as a file and as a folder"
else
    skipped "no $vocabularies: tokenizers of other kinds are not tried"
fi

run 0 logits --tokens "$(cat ids)" --out all.safetensors
silent out
n=$(tr ',' '\n' <ids | wc -l)
run 0 tensors all.safetensors
says out "^logits +F32 +\[$n, [0-9]+\]"
run 0 logits --tokens-file ids --out file.safetensors -b 1 -t 1
same all.safetensors file.safetensors
"$KWAAI" logits --out stdin.safetensors -b 3 <ids 2>err
same all.safetensors stdin.safetensors
for isa in $(kwaai version --json | tr -d ' ",[]' | grep -xE 'scalar|avx2|avxvnni|avx512|avx512bf16|amx|neon|i8mm'); do
    run 0 logits --tokens "$(cat ids)" --out isa.safetensors --isa "$isa" -t 2
    same all.safetensors isa.safetensors
done
holds "logits are the same bits for any batch, threads and instruction set"
run 0 logits --tokens "$(cat ids)" --out f32.safetensors --cache-type f32
run 2 logits --tokens 1,2
run 2 logits --tokens 1,99999999 --out x.safetensors
run 2 logits --tokens "" --out x.safetensors
run 1 logits --tokens 1,2 --out no/such/folder/x.safetensors
[ ! -e x.safetensors ] || failed "a failed command left its output"
holds "wrong tokens are refused, nothing is left behind"
