#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# run.sh - kwaai run: where the prompt comes from, what goes where, seeds, limits, JSON.
source "$(dirname "$0")/common.bash"
need_builtin

run 0 run
says out '^Once upon a time'
silent err
[ "$(wc -c <out)" -gt 100 ] || failed "the story is short"
holds "kwaai run tells a story, and nothing else"

run 0 run "The little dog" --temp 0 -n 30
cp out greedy
says out '^The little dog'
run 0 run -p "The little dog" --temp 0 -n 30
same out greedy
run 0 run --prompt="The little dog" --temp=0 --n-predict=30 -t 1
same out greedy
run 0 run builtin "The little dog" --temp 0 -n 30 --no-mmap -b 1
same out greedy
run 0 run --temp 0 -n 30 -- "The little dog"
same out greedy
printf 'The little dog\n' >prompt
run 0 run -f prompt --temp 0 -n 30
same out greedy
"$KWAAI" run --temp 0 -n 30 <prompt >out 2>err
same out greedy
"$KWAAI" run builtin - --temp 0 -n 30 <prompt >out 2>err
same out greedy
"$KWAAI" run -f - --temp 0 -n 30 <prompt >out 2>err
same out greedy
KWAAI_PROMPT="The little dog" KWAAI_TEMP=0 KWAAI_PREDICT=30 run 0 run
same out greedy
KWAAI_TEMP=1 KWAAI_PROMPT=no run 0 run "The little dog" --temp 0 -n 30
same out greedy
holds "the same prompt by argument, -p, -f, -, standard input and environment: the same text"

for isa in $(kwaai version --json | tr -d ' ",[]' | grep -xE 'scalar|avx2|avxvnni|avx512|avx512bf16|amx|neon|i8mm'); do
    run 0 run "The little dog" --temp 0 -n 30 --isa "$isa"
    same out greedy
    KWAAI_ISA=$isa run 0 run "The little dog" --temp 0 -n 30
    same out greedy
    holds "the kernels of $isa write the same text"
done
run 2 run --isa z80
run 0 run "The little dog" --temp 0 -n 30 --no-display-prompt
[ "The little dog$(cat out)" = "$(cat greedy)" ] || failed "--no-display-prompt is not the rest"
holds "--no-display-prompt leaves the prompt out"

run 0 run -n 60 -s 7
cp out seven
run 0 run -n 60 --seed 7 -t 1 -b 3
same out seven
run 0 run -n 60 -s 8
if cmp -s out seven; then failed "seeds 7 and 8 give the same text"; fi
run 0 run -n 60 -v
seed=$(sed -n 's/^ *seed *//p' err)
cp out random
run 0 run -n 60 -s "$seed"
same out random
holds "a seed gives the same text, another seed another, --verbose tells the one that was drawn"

run 0 run "One day" -n 0
[ "$(cat out)" = "One day" ] || failed "-n 0 writes more than the prompt"
run 0 run "One day" --temp 0 -n 40 --json
cp out events
words=$(grep -c '"event": "token"' events)
[ "$words" = 40 ] || failed "-n 40 wrote $words tokens"
is_jsonl events
says events '^\{"event": "start"'
says events '^\{"event": "end", "finish": "length"'
run 0 run "One day" --temp 0 -n 40 --no-display-prompt
if [ "$json_tool" = node ]; then
    node -e 'for (const l of require("fs").readFileSync("events", "utf8").trim().split("\n"))
        process.stdout.write(JSON.parse(l).text ?? "")' >joined
    [ "$(cat joined)" = "$(cat out)" ] || failed "the texts of the events are not the text"
fi
holds "--json writes one event a line, and their texts are the text"

run 0 run "One day" --temp 0 -n 40
text=$(cat out)
run 0 run "One day" --temp 0 -n 40 --stop girl --stop zzz
[[ $text == *girl* ]] || failed "the test needs a text with the word girl"
[ "$(cat out)" = "${text%%girl*}" ] || failed "--stop did not stop before the word"
run 0 run "One day" --temp 0 --stop 'x\n' -e -n 1
run 2 run --stop ''
holds "stop texts end the answer and are not part of it"

run 0 run -p 'a\tb\u00e9' -e -n 0
[ "$(cat out)" = "$(printf 'a\tb\303\251')" ] || failed "-e does not replace escapes"
run 0 run -p 'a\tb' -n 0
[ "$(cat out)" = 'a\tb' ] || failed "escapes are replaced without -e"
holds "-e replaces escape sequences"

run 0 run "One day" -c 32 --ignore-eos --temp 0
says err 'the context is full \(32 of 32 tokens\)'
says err '^hint: -c N'
run 1 run "$(printf 'word %.0s' {1..200})" -c 32
says err 'context of 32'
silent out
holds "a full context is told, a prompt that does not fit is an error"

run 0 run "One day" -n 5 --verbose
for word in model threads load "first token" prefill decode context "peak memory" seed; do
    says err "^  $word "
done
run 0 run "One day" -n 5 -ngl 99 --flash-attn on
says err '--gpu-layers has no effect'
if grep -q "$(printf '\033')" out err; then failed "escape sequences without a terminal"; fi
holds "--verbose shows timings; options without effect are named; no colours without a terminal"

run 2 run -p a -f prompt
run 2 run builtin "a b" -p c
says err 'the prompt is given twice'
run 2 run -m builtin builtin "a b"
"$KWAAI" run builtin </dev/null >out 2>err && failed "an empty prompt for a named model is accepted"
says err 'standard input is empty'
run 0 run builtin -p "" -n 3
run 1 run -f no-such-file
says err 'no-such-file: No such file'
holds "contradictions are refused"

for option in "--typical 0.5" "--top-nsigma 1" "--xtc-probability 1" "--dynatemp-range 0.5" "--mirostat 1" "--mirostat 2" \
    "--dry-multiplier 0.8 --dry-sequence-breaker none" "--samplers top-k;temp" "--logit-bias 5+1 -l 6-inf"; do
    # shellcheck disable=SC2086
    run 0 run -p "Once" -n 8 --seed 5 $option
    cp out first
    # shellcheck disable=SC2086
    run 0 run -p "Once" -n 8 --seed 5 $option
    same out first
done
run 2 run -p "Once" --samplers "top_k;top_z"
says err 'there is no step "top_z"'
run 2 run -p "Once" --logit-bias 5
says err 'expected a token'
holds "every step of choosing runs, and again the same"

run 0 run -p "One" -n 30 --temp 0 --grammar 'root ::= " two" (" three" | " four")'
says out '^One two (three|four)$'
printf '{"type": "object", "properties": {"a": {"enum": [1, 22]}}, "required": ["a"]}' >schema.json
run 0 run -p "" -n 60 --seed 1 --json-schema-file schema.json
is_json out
run 1 run -p "One" --grammar 'root ::= root "x"'
says err 'left-recursive'
run 1 run -p "One" --json-schema '{"contains": {}}'
says err 'contains is not supported'
run 2 run -p "One" --json-schema '{}' --grammar 'root ::= "x"'
says err 'at a time'
holds "answers follow a grammar or a schema"
