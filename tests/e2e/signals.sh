#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# signals.sh - Ctrl-C, a reader that leaves, a full disk.
source "$(dirname "$0")/common.bash"
need_builtin
command -v timeout >/dev/null 2>&1 || { skipped "no timeout"; exit 77; }

# An answer that would take minutes: a context far beyond what the model was trained for.
long=(run "Once upon a time" -c 60000 --ignore-eos -s 1)

# A child of a script ignores SIGINT, one of timeout does not. In the foreground timeout sends one
# signal; otherwise it sends two, and the second ends the command at once, as it should.
code=0
timeout --foreground --preserve-status -k 20 -s INT 1 "$KWAAI" "${long[@]}" >out 2>err || code=$?
[ $code = 130 ] || failed "SIGINT during an answer: exit code $code, not 130"
says out '^Once upon a time'
[ "$(tail -c 1 out | od -An -tx1 | tr -d ' ')" = 0a ] || failed "no line end after an interrupt"
holds "SIGINT ends an answer with a line end and 130"

code=0
timeout --foreground --preserve-status -k 20 -s INT 1 "$KWAAI" "${long[@]}" --json >out 2>err || code=$?
[ $code = 130 ] || failed "SIGINT during JSON: exit code $code, not 130"
tail -n 1 out >last.json
is_json last.json
tail -n 1 out | grep '"event": "end", "finish": "cancelled"' >/dev/null || failed "no end event"
holds "the JSON events end properly, too"

cat "$source_dir"/src/cli/option*.c >text
"$KWAAI" tokenize --file text >ids
code=0
timeout --foreground --preserve-status -k 20 -s INT 1 "$KWAAI" logits --tokens-file ids --out logits.safetensors \
    >out 2>err || code=$?
if [ $code = 0 ]; then
    skipped "the logits were ready within a second: nothing to interrupt"
else
    [ $code = 130 ] || failed "SIGINT during logits: exit code $code, not 130"
    [ -z "$(find . -name '*safetensors*')" ] || failed "an interrupted command left a file"
    holds "interrupted logits leave no file"
fi

start=$SECONDS
"$KWAAI" "${long[@]}" 2>err | head -c 40 >out && codes="${PIPESTATUS[*]}"
[ "$codes" = "0 0" ] || failed "a reader that leaves: exit codes $codes"
[ $((SECONDS - start)) -lt 20 ] || failed "it wrote on for $((SECONDS - start)) s"
if grep -qi 'pipe\|cannot write' err; then failed "a closed pipe is told as an error"; fi
"$KWAAI" help run | true
"$KWAAI" tensors | head -n 1 >out
holds "a reader that leaves ends the command quietly"

if [ -c /dev/full ]; then
    for words in "run -n 5" "help" "tensors" "version --json" "man" "tokenize --text a"; do
        code=0
        # shellcheck disable=SC2086
        "$KWAAI" $words >/dev/full 2>err </dev/null || code=$?
        [ $code = 1 ] || failed "kwaai $words on a full disk: exit code $code"
        says err 'cannot write to standard output: No space left on device'
    done
    holds "a full disk is an error"
else
    skipped "no /dev/full"
fi
