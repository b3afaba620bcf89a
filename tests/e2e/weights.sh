#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# weights.sh - real models of other people, from start to end: greedy text as their reference wrote it.
source "$(dirname "$0")/common.bash"
golden=$shared/weights/GOLDENS-llama.txt
[ -f "$golden" ] || { skipped "no $golden: no model but our own is tried"; exit 77; }

# The recorded text below a heading, with its line ends; it may go on over several lines.
recorded() {
    awk -v heading="$1" 'index($0, heading) == 1 { on = 1; next }
        on && /^ ?(tokens|logits0|## )/ { exit } on { print }' "$golden" |
        sed 's/<0x0A>/\n/g; $ s/  *$//'
}

recorded "## stories260K/stories260K.bin" >want
run 0 run "$shared/weights/stories260K/stories260K.gguf" -p "" -n 130 --temp 0
[ "$(wc -c <want)" -gt 200 ] || failed "no recorded text for stories260K"
same want out
holds "stories260K (GGUF) writes its 130 recorded tokens, character for character"

# Its reference kept the space that the tokenizer puts before the first word.
recorded "## 656K prompt" | sed '1 s/^ //' | head -c -1 >want
[ "$(wc -c <want)" -gt 400 ] || failed "no recorded text for TinyStories-656K"
run 0 run "$shared/weights/tinystories656K" -p "" -n 140 --temp 0
head -c "$(wc -c <want)" out >start
same want start
holds "TinyStories-656K (a Hugging Face directory) begins with its recorded text"
