#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# convert.sh - models between GGUF and safetensors: what comes out computes what went in.
source "$(dirname "$0")/common.bash"
need_builtin
tiny=$source_dir/tests/golden/formats/tiny
tokens=1,5,9,60,33,17,2,41,8,8,63,0

logits() { run 0 logits "$1" --tokens $tokens --out "$2" --cache-type f32; }
# The largest difference between two files of logits (f32 behind a header of the same length).
near() {
    local n
    n=$(od -An -tu8 -N8 "$1" | tr -d ' ')
    paste <(tail -c +$((n + 9)) "$1" | od -An -v -tf4 -w4) <(tail -c +$((n + 9)) "$2" | od -An -v -tf4 -w4) |
        awk -v most="$3" '{ d = $1 - $2; if (d < 0) d = -d; if (d > w) w = d; n++ }
            END { exit !(n > 700 && w <= most) }' || failed "$1 and $2 differ by more than $3"
}

logits "$tiny/safetensors" want
for form in safetensors pytorch pytorch-sharded; do
    run 0 convert "$tiny/$form" $form.gguf
    says err "^kwaai: wrote $form\.gguf: 12 tensors as GGUF"
    logits $form.gguf got
    near want got 2e-5
done
run 0 tensors pytorch.gguf
says out '^blk\.0\.attn_q\.weight +F16 '
says out '^blk\.0\.attn_norm\.weight +F32 '
run 0 inspect pytorch.gguf
says out 'general\.file_type = 1$'
says out 'general\.name = "pytorch"'
run 0 convert "$tiny/pytorch" again.gguf -t 1
same again.gguf pytorch.gguf
holds "Hugging Face's forms become one GGUF file: names, orders of rows, types, metadata"

run 0 convert pytorch.gguf back --to safetensors
logits back got
same want got
"$KWAAI" tensors back | awk '{ print $1, $2, $3 }' | sort >names
"$KWAAI" tensors "$tiny/safetensors" | awk '{ print $1, ($1 ~ /norm/ ? "F32" : $2), $3 }' | sort >want.names
same names want.names
says back/config.json '"num_key_value_heads": 2,'
run 0 convert "$tiny/pytorch" weights.safetensors
cp "$tiny/pytorch/config.json" .
logits weights.safetensors got
same want got
rm config.json
run 0 convert pytorch.gguf half --to safetensors --type bf16 -v
says out '^model\.layers\.0\.self_attn\.q_proj\.weight .*f16 +-> bf16'
logits half got
near want got 1.0
holds "and back: the same logits, bit for bit; another type when asked for"

run 0 convert "$tiny/pytorch" q8.gguf --type Q8_0 --json
is_json out
says out '"format": "gguf"'
says out '"to": "q8_0"'
run 0 quantize "$tiny/pytorch" want.gguf Q8_0
same q8.gguf want.gguf
run 2 convert q8.gguf q4.gguf --type Q4_0
says err 'allow-requantize'
run 0 convert q8.gguf f16.gguf --type f16
run 0 tensors f16.gguf
says out '^blk\.0\.attn_q\.weight +F16 '
run 0 convert q8.gguf f32 --to safetensors
run 0 tensors f32
says out '^model\.layers\.0\.self_attn\.q_proj\.weight +F32 '
holds "with --type it is what quantize writes; quantised weights become floats"

run 0 run builtin "Once upon a time" -n 20 --temp 0
cp out want
run 0 convert builtin builtin.gguf
run 0 run builtin.gguf "Once upon a time" -n 20 --temp 0
same out want
run 0 convert builtin builtin-hf --to safetensors
[ -e builtin-hf/tokenizer.model ] || [ -e builtin-hf/vocab.json ] || failed "no tokenizer in the directory"
for text in "Once upon a time" "  two  spaces" $'caf\u00e9\n123'; do
    run 0 tokenize builtin --text "$text"
    cp out want
    run 0 tokenize builtin-hf --text "$text"
    same out want
done
holds "the tokenizer goes along both ways"

run 0 run builtin-hf "Once upon a time" -n 20 --temp 0 --json
cp out events
id=$(sed -n 's/.*"event": "token".*"id": \([0-9]*\).*/\1/p' events | sed -n 12p)
printf '{"eos_token_id": [2, %s, 99999999, -1]}' "$id" >builtin-hf/generation_config.json
run 0 run builtin-hf "Once upon a time" -n 20 --temp 0 --json
says out '"finish": "stop"'
grep '"event": "token"' out >got
grep '"event": "token"' events | sed "/\"id\": $id[,}]/,\$d" >want
same got want
run 0 convert builtin-hf ends.gguf
run 0 run ends.gguf "Once upon a time" -n 20 --temp 0 --json
grep '"event": "token"' out >got
same got want
run 0 convert ends.gguf ends --to safetensors
run 0 run ends "Once upon a time" -n 20 --temp 0 --json
grep '"event": "token"' out >got
same got want
printf '{"eos_token_id": [2,' >builtin-hf/generation_config.json
run 1 run builtin-hf "Once"
says err 'generation_config.json'
holds "the end tokens of generation_config.json end an answer, and go along both ways"

for model in mixtral qwen3moe; do
    from=$source_dir/tests/golden/decoders/$model
    run 0 convert "$from" $model.gguf
    run 0 tensors $model.gguf
    says out '^blk\.0\.ffn_up_exps\.weight '
    run 0 convert $model.gguf $model --to safetensors
    run 0 tensors "$from"
    awk 'NR > 1 { print $1 }' out | sort >want
    run 0 tensors $model
    awk 'NR > 1 { print $1 }' out | sort >got
    same want got
    run 0 logits "$from" --tokens 1,2,3,9,17,30 --out want
    run 0 logits $model --tokens 1,2,3,9,17,30 --out got
    same want got
done
holds "experts in one tensor become one each under their names, and compute the same"

for name in gemma3 qwen2 qwen3; do
    from=$source_dir/tests/golden/decoders/$name
    run 0 convert "$from" there.gguf
    run 0 convert there.gguf back-$name --to safetensors
    run 0 logits "$from" --tokens 1,2,3,9,17,30,4,4 --out want
    run 0 logits back-$name --tokens 1,2,3,9,17,30,4,4 --out got
    same want got
done
from=$source_dir/tests/golden/t5
run 0 convert "$from" there.gguf
run 0 convert there.gguf back-t5 --to safetensors
run 0 logits "$from" --tokens 3,4,9 --decoder-tokens 0,5 --out want
run 0 logits back-t5 --tokens 3,4,9 --decoder-tokens 0,5 --out got
same want got
run 0 convert "$source_dir/tests/golden/decoders/phi3-short" there.gguf
run 1 convert there.gguf back-phi3 --to safetensors
says err 'LongRoPE'
holds "config.json says of a family what its GGUF says by other means, or nothing is written"

fused=$source_dir/tests/golden/lora-fused
for from in "$fused/falcon-7b" "$fused/falcon-40b" "$shared"/golden/falcon/*; do
    [ -d "$from" ] || { skipped "no $from: one of Falcon's layouts is not converted"; continue; }
    run 0 convert "$from" falcon.gguf
    run 0 convert falcon.gguf falcon --to safetensors
    run 0 logits "$from" --tokens 1,2,3,9,17,30 --out want
    run 0 logits falcon --tokens 1,2,3,9,17,30 --out got
    same want got
done
grep -q '"layer_norm_epsilon": 1e-05,' falcon/config.json || failed "config.json has an epsilon of too many digits"
holds "the layouts of Falcon's queries, keys and values come back"

run 2 convert builtin
run 2 convert builtin x.bin
says err 'say --to gguf or --to safetensors'
run 1 convert missing x.gguf
run 2 convert builtin y.safetensors --type q8_0
says err 'f32, f16, bf16'
run 1 convert builtin nowhere/y.gguf
run 1 convert builtin nowhere/y --to safetensors
[ -z "$(find . -name 'y*' -o -name 'x.*')" ] || failed "a failed command left a file"
cp pytorch.gguf old.gguf
code=0
(ulimit -f 1; "$KWAAI" convert "$tiny/safetensors" old.gguf --type f32 >out 2>err </dev/null) || code=$?
[ $code = 1 ] || failed "a file over the limit: exit code $code"
same old.gguf pytorch.gguf
[ -z "$(find . -name '*.tmp')" ] || failed "a full disk left a temporary file"
holds "wrong input and a full disk leave what was there"

# A LLaMA of one layer, of zeros: 28 MiB of F8 that are 56 MiB as BF16. Limits what is not mapped.
header='{'
at=0
add() { # NAME TYPE BYTES-OF-AN-ELEMENT ROWS COLUMNS
    local n=$(($3 * $4 * $5)) shape="[$4,$5]"
    [ "$4" != 1 ] || shape="[$5]"
    [ $at = 0 ] || header+=,
    header+="\"model.$1.weight\":{\"dtype\":\"$2\",\"shape\":$shape,\"data_offsets\":[$at,$((at + n))]}"
    at=$((at + n))
}
add embed_tokens BF16 2 64 1024
add norm BF16 2 1 1024
for name in input_layernorm post_attention_layernorm; do add layers.0.$name BF16 2 1 1024; done
for name in q k v o; do add layers.0.self_attn.${name}_proj F8_E4M3 1 1024 1024; done
for name in gate up; do add layers.0.mlp.${name}_proj F8_E4M3 1 8192 1024; done
add layers.0.mlp.down_proj F8_E4M3 1 1024 8192
header+='}'
mkdir large
printf '{"model_type": "llama", "hidden_size": 1024, "intermediate_size": 8192, "num_hidden_layers": 1,
 "num_attention_heads": 8, "vocab_size": 64, "rms_norm_eps": 1e-5, "tie_word_embeddings": true}' >large/config.json
printf '%b%s' "$(printf '\\x%02x' $((${#header} & 255)) $((${#header} >> 8)) 0 0 0 0 0 0)" "$header" >large/model.safetensors
truncate -s $((8 + ${#header} + at)) large/model.safetensors
if { (ulimit -d 40960; "$KWAAI" version >out </dev/null); } 2>err; then
    (ulimit -d 40960; "$KWAAI" convert large large.gguf -t 1 >out 2>err </dev/null) || failed "it needs more than a tensor"
    (ulimit -d 40960; "$KWAAI" convert large large-q.gguf --type Q8_0 -t 1 >out 2>err </dev/null) || failed "so does --type"
    (ulimit -d 40960; "$KWAAI" logits large --tokens 1 --out got -t 1 >out 2>err </dev/null) && failed "the limit is none"
    holds "what has to be unpacked is, a slab at a time"
else
    skipped "this build does not start within 40 MiB: what a conversion holds is not limited"
fi

stories=$shared/weights/stories260K
if [ -d "$stories" ]; then
    run 0 convert "$stories/stories260K.bin" stories.gguf
    for model in "$stories/stories260K.bin" stories.gguf; do
        "$KWAAI" run "$model" "Once upon a time" -n 60 --temp 0 >got 2>err </dev/null
        grep -q 'a little girl named Lily. She loved to play outside in the park.' got || failed "$model tells another story"
    done
    run 0 convert stories.gguf stories --to safetensors
    run 0 tokenize stories.gguf --text "  One day, caf"
    cp out want
    run 0 tokenize stories --text "  One day, caf"
    same out want
    holds "a checkpoint of llama2.c becomes GGUF with its tokenizer, and safetensors"
else
    skipped "no $stories: llama2.c"
fi
