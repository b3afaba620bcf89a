#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# interactive.sh - kwaai run at a terminal: the prompt, editing, history, Ctrl-C, Ctrl-D; and the same
# conversation without a terminal.
# kw-test: timeout 240
source "$(dirname "$0")/common.bash"
need_builtin

printf 'The dog\n\n"""\nA cat\nand a bird"""\nAn ow\\\nl\n/set temp 0\n/clear\n/nonsense\nThe dog\n/bye\nno\n' |
    "$KWAAI" run -i --temp 0 -n 5 >out 2>err || failed "a piped conversation fails"
[ "$(wc -l <out)" -ge 4 ] || failed "four turns are not four answers"
says err 'the conversation is forgotten'
says err 'no command /nonsense'
[ "$(head -n 1 out)" = "$(tail -n 1 out)" ] || failed "after /clear the same turn differs"
run 0 run -i
silent out
holds "lines from a pipe are turns; commands work; the end of input leaves with 0"
run 0 run "The dog" -i -n 5 --temp 0
says out '^The dog'
holds "a prompt with -i is the first turn"

command -v tmux >/dev/null 2>&1 || { skipped "tmux is not installed: no terminal"; exit 0; }
session() { tmux -L "kwaai-test-$$" -f /dev/null "$@"; }
stop_terminal() { session kill-server 2>/dev/null || true; rm -rf "$work"; }
trap stop_terminal EXIT
export LC_ALL=C.UTF-8
session new-session -d -x 80 -y 50 "bash --norc" 2>err || { skipped "tmux does not start: $(cat err)"; exit 0; }
screen() { session capture-pane -p; }
# Waits until the screen holds a line like this (the nth one, if given).
waits() {
    local n=${2:-1}
    for _ in $(seq 100); do
        if [ "$(screen | grep -cE -- "$1")" -ge "$n" ]; then return 0; fi
        sleep 0.1
    done
    screen >out
    failed "the screen does not show: $1"
}
keys() { session send-keys "$@"; }
start() {
    keys "clear; PS1='\$ '; XDG_STATE_HOME=$work/state $KWAAI run builtin $*; echo left with \$?" Enter
    waits '/help tells more'
    waits '^> *$'
}

start --temp 0 -n 6
keys "Te dog" Home Right h End C-w "cat" Enter
waits '^> The cat$'
waits '^> *$'
keys Up
waits '^> The cat$' 2
keys C-u "gone" C-c
waits '^> gone$'
waits '^> *$'
keys C-d
waits '^left with 0'
holds "typing, moving, deleting, history; Ctrl-C drops a line, Ctrl-D leaves with 0"

start --temp 0 -n 6
keys Up
waits '^> The cat$'
keys C-c C-c
waits 'Ctrl-C again, or Ctrl-D, leaves'
keys C-c
waits '^left with 130'
[ "$(stat -c %a "$work/state/kwaai/history")" = 600 ] || failed "the history is readable by others"
holds "the history is there the next time, for its owner only; Ctrl-C twice leaves with 130"

start --temp 0.8 -c 60000 --ignore-eos -s 1
keys "Once upon a time" Enter
sleep 1.5
keys C-c
waits '^> *$'
keys "/verbose" Enter
waits 'timings are shown'
keys C-d
waits '^left with 0'
holds "Ctrl-C stops the answer, not the conversation"

start --temp 0 -n 3 --no-history
keys 'caf' 'é' ' 你好' BSpace '!' Enter
waits '^> café 你!$'
waits '^> *$'
long=$(printf 'word%.0s' {1..30})
keys "$long" C-a "X" C-e "Y" Enter
waits '^> Xword'
waits 'wordY$'
waits '^> *$'
session set-buffer "$(printf 'pasted one\npasted two')"
session paste-buffer -p
waits '^pasted two$'
keys Enter
waits '^> *$'
keys "/bye" Enter
waits '^left with 0'
if grep -q pasted "$work/state/kwaai/history"; then failed "--no-history kept what was typed"; fi
holds "wide characters, lines longer than the screen, pasted lines"

start --temp 0 -n 3
keys C-z
waits 'Stopped'
keys fg Enter
waits '^> *$'
keys C-d
waits '^left with (0|148)'
keys "stty -a | tr ' ' '\\n' | grep -E 'icanon|echo\$' | tr '\\n' ' '; echo ." Enter
waits '^icanon echo \.$'
holds "Ctrl-Z and fg; the terminal is left as it was"
