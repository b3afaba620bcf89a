#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# chat.sh - conversations written with a chat template: run --template, --system, --raw.
source "$(dirname "$0")/common.bash"
need_builtin

cat >plain.jinja <<'EOF'
{%- for m in messages %}{{ m.role }}: {{ m.content | trim }}
{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}
EOF
prompt_tokens() { grep -oE '"prompt_tokens": [0-9]+' out | grep -oE '[0-9]+'; }

run 0 run --template plain.jinja --system "Be kind." -p " Hello there " -n 4 --seed 1 --json
got=$(prompt_tokens)
printf 'system: Be kind.\nuser: Hello there\nassistant:' >text
want=$("$KWAAI" tokenize --file text --no-bos | tr ',' '\n' | wc -l)
[ "$got" = "$want" ] || failed "the conversation has $got tokens, its text $want"
holds "the prompt is a message, written with the template, without a bos of its own"

printf 'One.\nTwo.\n/clear\nThree.\n' |
    "$KWAAI" run --template plain.jinja -i -n 3 --temp 0 --json >out 2>err || failed "a conversation"
prompt_tokens >counts
[ "$(wc -l <counts)" = 3 ] || failed "three answers are expected"
[ "$(sed -n 2p counts)" -gt "$(sed -n 1p counts)" ] || failed "the second turn does not hold the first"
[ "$(sed -n 3p counts)" -lt "$(sed -n 2p counts)" ] || failed "/clear does not forget"
holds "a conversation holds its turns until /clear"

run 0 run --template plain.jinja --raw -p "Hello" -n 2 --temp 0
says out '^Hello'
holds "--raw continues the text"

printf '{{ raise_exception("two turns at most") }}' >no.jinja
run 2 run --template no.jinja -p "Hello"
says err 'line 1: the template refuses these messages: two turns at most'
silent out
printf '{%% include "x" %%}' >no.jinja
run 1 run --template no.jinja -p "Hello"
says err 'include.* is not supported'
says err '--raw'
run 1 run --template missing.jinja -p "Hello"
says err 'missing.jinja'
run 2 run --system "Be kind." -p "Hello"
says err 'no chat template'
holds "what is wrong with a template is said"

run 0 convert "$source_dir/models/builtin/stories.gguf" named --to safetensors
rm -f named/chat_template.jinja
mkdir -p named/additional_chat_templates
printf 'Rag: {{ messages[0].content }}' >named/additional_chat_templates/rag.jinja
run 2 run named -p "Hello" -n 1
says err 'no default: choose by --template \(rag\)'
run 0 run named --template rag -p "Hello" -n 1 --json
got=$(prompt_tokens)
want=$(printf "Rag: Hello" | "$KWAAI" tokenize named --no-bos | tr ',' '\n' | wc -l)
[ "$got" = "$want" ] || failed "the template by name has $got tokens, its text $want"
run 1 run named --template plane.jinja -p "Hello"
says err "plane.jinja: no such file, and of the model's templates \(rag\) none"
run 0 convert named named.gguf
run 0 inspect named.gguf
says out 'tokenizer\.chat_template\.rag = '
holds "a model's templates have names, through convert too"
